package benchmark

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const traceMessages = 3 // in a flush, all to one conversation

// BenchmarkLiveTrace imports the corpus but for the last messages of each
// conversation, then appends those, three at a time to a random conversation,
// with a flush after each three. It reports, compaction included, uploaded
// bytes as a multiple of the JSON of the new messages, and requests a flush.
func BenchmarkLiveTrace(b *testing.B) {
	for _, flushes := range []int{500, 4000} { // the longer one moves states out of the heads several times
		b.Run(strconv.Itoa(flushes), func(b *testing.B) { liveTrace(b, flushes) })
	}
}

func liveTrace(b *testing.B, flushes int) {
	old, live := traced(b, flushes)
	for b.Loop() {
		store := folder(b)
		d := open(b, store, b.TempDir(), nil)
		importLines(b, d, old)
		before := store.Counts()
		raw := 0
		for _, flush := range live {
			raw += len(flush)
			if _, err := d.History.Append(context.Background(), bytes.NewReader(flush), history.AppendOptions{}); err != nil {
				b.Fatal(err)
			}
			if _, err := d.Pass(context.Background(), engine.Work{Flush: true}); err != nil {
				b.Fatal(err)
			}
		}
		spent := store.Counts().Minus(before)
		n := float64(len(live))
		b.ReportMetric(float64(spent.Up)/float64(raw), "up/raw")
		b.ReportMetric(float64(spent.Requests())/n, "requests/flush")
		b.ReportMetric(float64(spent.Puts)/n, "puts/flush")
		b.ReportMetric(float64(spent.Gets+spent.Ranges)/n, "gets/flush")
		b.ReportMetric(float64(spent.Lists)/n, "lists/flush")
		b.ReportMetric(float64(spent.Deletes)/n, "deletes/flush")
		d.close(b)
	}
}

func importLines(b *testing.B, d *device, text []byte) {
	b.Helper()
	summary, err := d.History.Append(context.Background(), bytes.NewReader(text), history.AppendOptions{})
	if err != nil || summary.Rejected > 0 {
		b.Fatal(summary, err)
	}
	if report, err := d.Pass(context.Background(), engine.Work{Settle: true}); err != nil || report.Pending > 0 {
		b.Fatal(report, err)
	}
}

// traced parts the corpus: the old messages as one text, and the flushes.
func traced(b *testing.B, flushes int) (old []byte, live [][]byte) {
	b.Helper()
	byContact := make(map[string][][]byte)
	var contacts []string
	for _, line := range split(slurp(b, corpus(b, chat.InHundred, "corpus100"))) {
		_, parties, err := container.ParseEnvelope(line)
		if err != nil {
			b.Fatal(err)
		}
		contact := parties.From
		if contact == account {
			contact = parties.To
		}
		if byContact[contact] == nil {
			contacts = append(contacts, contact)
		}
		byContact[contact] = append(byContact[contact], line)
	}
	random := rand.New(rand.NewPCG(1, 2))
	turns := make([]string, flushes)
	wanted := make(map[string]int)
	for i := range turns {
		turns[i] = contacts[random.IntN(len(contacts))]
		wanted[turns[i]] += traceMessages
	}
	for contact, list := range byContact {
		cut := max(len(list)-wanted[contact], 0)
		old = append(append(old, bytes.Join(list[:cut], []byte("\n"))...), '\n')
		byContact[contact] = list[cut:]
	}
	for _, contact := range turns {
		n := min(traceMessages, len(byContact[contact]))
		live = append(live, append(bytes.Join(byContact[contact][:n], []byte("\n")), '\n'))
		byContact[contact] = byContact[contact][n:]
	}
	return old, live
}
