package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestCosts: what is asked of every kind of place for one message that is sent and confirmed, by a device that holds nothing,
// and when there is nothing to do. The last is one request everywhere, but on IPFS, where it is one for each device.
func TestCosts(t *testing.T) {
	s := shapes()[0]
	in := newInput(t, s)
	var rows []string
	for _, newPlace := range places() {
		asked := &recorder{}
		p := newPlace(t, asked.between)
		t.Run(p.name, func(t *testing.T) { rows = append(rows, costsOf(t, s, in, p, asked)) })
	}
	t.Log("requests, kB up, kB down of: one message, its confirmation, the newest 50 on a device that holds nothing, an idle pass\n" +
		strings.Join(rows, "\n"))
}

// costsOf returns a row of the table in internal/docs/performance.md.
func costsOf(t *testing.T, s shape, in *input, p place, asked *recorder) string {
	one := newDevice(t, p, "one", s.limit)
	last := in.lines - 1
	if err := one.append(t.Context(), in.open(t, func(line int) bool { return line < last })); err != nil {
		t.Fatal(err)
	}
	one.settle()
	columns := []string{fmt.Sprintf("%-8s", p.name)}
	column := func(before providers.Counts, do func() *device) (requests int) {
		var d *device
		seen := asked.during(0, func() { d = do() })
		requests, down, sent := len(seen), answered(seen), 0
		for _, request := range seen {
			sent += request.sent
		}
		if asked.server == nil { // a folder: calls are all there is
			spent := d.counter.Counts().Minus(before)
			requests, down, sent = int(spent.Requests()), int(spent.Down), int(spent.Up)
		}
		columns = append(columns, fmt.Sprintf("%2d %5.1f %6.1f", requests, float64(sent)/1000, float64(down)/1000))
		return requests
	}
	pass := func(work engine.Work) int {
		return column(one.counter.Counts(), func() *device { one.mustPass(work); return one })
	}
	if err := one.append(t.Context(), in.open(t, func(line int) bool { return line == last })); err != nil {
		t.Fatal(err)
	}
	pass(engine.Work{Flush: true})
	pass(engine.Work{})
	one.settle()
	column(providers.Counts{}, func() *device {
		cold := newDevice(t, p, "cold", s.limit)
		cold.mustPass(engine.Work{})
		contact := in.longest()
		page, err := cold.engine.Messages(t.Context(), contact, engine.Range{Last: newest})
		if err != nil || page.Provisional || len(page.Messages) != min(newest, in.counts[contact]) {
			t.Fatalf("%d messages, provisional %v, %v", len(page.Messages), page.Provisional, err)
		}
		return cold
	})
	if idle, want := pass(engine.Work{}), max(1, p.idle); idle != want {
		t.Errorf("an idle pass costs %d requests, want %d", idle, want)
	}
	return strings.Join(columns, "   ")
}
