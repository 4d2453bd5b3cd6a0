package search

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
)

// made is a history that is made when it is read: pieces of a thousand messages, of words that are as common as words are.
type made struct {
	*history
	pieces int
}

const madeMessages, madeContacts = 1000, 100

func (m made) Changed(uint64) (contacts []string, next uint64) {
	for i := range madeContacts {
		contacts = append(contacts, fmt.Sprintf("c%d.eth", i))
	}
	return contacts, 1
}

func (m made) Pieces(contact string) (list []Piece) {
	var first int
	_, _ = fmt.Sscanf(contact, "c%d.eth", &first)
	for i := first; i < m.pieces; i += madeContacts {
		at := int64(i * madeMessages)
		list = append(list, Piece{ID: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Contact: contact, First: at, Last: at + madeMessages - 1, Items: madeMessages, Messages: madeMessages, Here: true, Handle: i})
	}
	return list
}

func (m made) Read(_ context.Context, p Piece, _ bool) (*container.Chunk, error) {
	random := rand.New(rand.NewPCG(uint64(p.Handle.(int)), 0))
	words := rand.NewZipf(random, 1.1, 3, 200_000)
	chunk := &container.Chunk{}
	for i := range madeMessages {
		var text strings.Builder
		for range 3 + random.IntN(16) {
			fmt.Fprintf(&text, "w%d ", words.Uint64())
		}
		chunk.Messages = append(chunk.Messages, said(p.Contact, "NEW", p.First+int64(i), text.String()))
	}
	return chunk, nil
}

func (m made) CountUnconfirmed(string, uint64) int { return 0 }

func (m made) Show(ctx context.Context, contact string, from, to int64, _ bool) (messages []container.Envelope, far bool, missing string, err error) {
	for _, p := range m.Pieces(contact) {
		if p.Last < from || p.First >= to {
			continue
		}
		chunk, err := m.Read(ctx, p, false)
		if err != nil {
			return nil, false, "", err
		}
		for _, message := range chunk.Messages {
			if message.Timestamp >= from && message.Timestamp < to {
				messages = append(messages, message)
			}
		}
	}
	return messages, false, "", nil
}

// BenchmarkMillion indexes a million made messages, and looks for words in them, without showing what it finds.
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		aead, err := Cipher([32]byte{1})
		if err != nil {
			b.Fatal(err)
		}
		x, err := Open(Options{Disk: cache.SystemDisk(), Folder: b.TempDir(), Cipher: aead, Own: []string{"alice.eth"}, Source: made{newHistory(), 1000}})
		if err != nil {
			b.Fatal(err)
		}
		before, most := inUse(), int64(0)
		done := make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-done:
					return
				case <-time.After(500 * time.Millisecond):
					most = max(most, inUse())
				}
			}
		}()
		start := time.Now()
		if err := x.Update(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-index")
		close(done)
		<-watched
		b.ReportMetric(float64(most-before)/1e6, "MB-heap-most")
		stats := x.Stats()
		b.ReportMetric(float64(stats.Bytes)/float64(stats.Messages), "bytes/message")
		b.ReportMetric(float64(stats.Segments), "segments")
		for name, text := range map[string]string{"rare": `"w150000"`, "common": `"w1"`, "two": `"w1" "w2"`, "phrase": `"w1 w2 w3"`, "prefix": "w15", "letter": "w"} {
			b.ReportMetric(found(b, x, text), "ms-"+name)
		}
		b.ReportMetric(float64(inUse()-before)/1e6, "MB-heap")
		if err := x.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// found is the median time of finding a page, in milliseconds.
func found(b *testing.B, x *Index, text string) float64 {
	b.Helper()
	clauses, err := parse(newSplitter(), text)
	if err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	for range 9 {
		start := time.Now()
		if _, err := x.candidates(b.Context(), clauses, "", window{to: 1 << 60}, 24); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return float64(times[4].Microseconds()) / 1000
}

func inUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
