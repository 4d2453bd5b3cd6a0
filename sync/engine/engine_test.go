package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func smallChunks(o *engine.Options) { o.ChunkLimit = 20_000 }

func many(seed uint64, contacts, messages int) []engine.Item {
	random := rand.New(rand.NewPCG(seed, seed))
	items := make([]engine.Item, messages)
	for i := range items {
		contact := fmt.Sprintf("friend%d.eth", random.IntN(contacts))
		items[i] = message(contact, 1_700_000_000_000+int64(i)*1000, fmt.Sprintf("%d says %s", i, strings.Repeat("words ", random.IntN(60))))
	}
	return items
}

func TestOneDeviceToAnother(t *testing.T) {
	store := memory.New(nil)
	items := many(1, 7, 1500)
	one, two := newDevice(t, store, smallChunks), newDevice(t, store, smallChunks)
	one.append(items...)
	same(t, "before the first pass", one.holds(), hashes(items))
	if report := one.settle(); report.Pending != 0 || report.Confirmed != len(items) {
		t.Fatalf("after settling: %+v", report)
	}
	two.pass(engine.Work{})
	same(t, "other device", two.holds(), hashes(items))
	found := two.wantClean()
	if found.Messages != len(items) || found.Conversations != 7 {
		t.Errorf("verify found %+v", found)
	}
	one.reopen()
	same(t, "after reopening", one.holds(), hashes(items))
}

func TestTwoWritersAtOnce(t *testing.T) {
	store := providers.Count(memory.New(nil))
	items := many(2, 5, 3000)
	one, two := newDevice(t, store, smallChunks), newDevice(t, store, smallChunks)
	for i := range items {
		if i%2 == 0 {
			one.append(items[i])
		} else {
			two.append(items[i])
		}
	}
	done := make(chan error, 2)
	for _, d := range []*device{one, two} {
		go func() {
			_, err := d.Pass(context.Background(), engine.Work{Settle: true})
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		one.settle()
		two.settle()
	}
	same(t, "one", one.holds(), hashes(items))
	same(t, "two", two.holds(), hashes(items))
	for _, d := range []*device{one, two} {
		if s := d.Status(); s.Devices != 2 || s.Heads < 1 {
			t.Errorf("%d devices by %d heads", s.Devices, s.Heads)
		}
	}
	counts := store.Counts()
	raw := int64(0)
	for i := range items {
		raw += int64(len(items[i].Envelope.JSON))
	}
	t.Logf("%d requests, %d bytes up for %d of messages", counts.Requests(), counts.Up, raw)
	if counts.Up > 10*raw {
		t.Errorf("two writers at once sent %d bytes for %d of messages", counts.Up, raw)
	}
	three := newDevice(t, store, smallChunks)
	three.pass(engine.Work{})
	same(t, "three", three.holds(), hashes(items))
	found := three.wantClean()
	if found.Messages != len(items) {
		t.Errorf("verify counts %d messages, want %d", found.Messages, len(items))
	}
}

func TestManyFlushes(t *testing.T) {
	store := providers.Count(memory.New(nil))
	items := many(3, 20, 3000)
	one, two := newDevice(t, store, nil), newDevice(t, store, nil)
	for i := 0; i < len(items); i += 3 {
		one.append(items[i : i+3]...)
		one.pass(engine.Work{Flush: true})
		if i%700 == 0 {
			two.pass(engine.Work{})
		}
	}
	one.settle()
	two.pass(engine.Work{})
	same(t, "one", one.holds(), hashes(items))
	same(t, "two", two.holds(), hashes(items))
	two.wantClean()
}

func TestRanges(t *testing.T) {
	store := memory.New(nil)
	one := newDevice(t, store, smallChunks)
	items := many(4, 1, 800)
	one.append(items...)
	one.settle()
	one.append(message("friend0.eth", items[400].Envelope.Timestamp+1, "late"))
	two := newDevice(t, store, smallChunks)
	two.pass(engine.Work{})
	for _, d := range []*device{one, two} {
		last := d.read("friend0.eth", engine.Range{Last: 50})
		if len(last) != 50 || last[49].Hash != items[799].Envelope.Hash || last[0].Hash != items[750].Envelope.Hash {
			t.Errorf("last 50: got %d", len(last))
		}
		middle := d.read("friend0.eth", engine.Range{From: items[100].Envelope.Timestamp, To: items[200].Envelope.Timestamp})
		if len(middle) != 100 || middle[0].Hash != items[100].Envelope.Hash {
			t.Errorf("middle: got %d", len(middle))
		}
	}
	if got := one.read("friend0.eth", engine.Range{From: items[400].Envelope.Timestamp, To: items[401].Envelope.Timestamp}); len(got) != 2 {
		t.Errorf("an unconfirmed message is not shown: %d", len(got))
	}
}

func TestNeighboursAreFetchedAhead(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, smallChunks)
	items := many(8, 1, 800)
	one.append(items...)
	one.settle()
	two := newDevice(t, store, func(o *engine.Options) { smallChunks(o); o.Neighbours = 1 })
	two.pass(engine.Work{})
	at := func(i int) int64 { return items[i].Envelope.Timestamp }
	two.read("friend0.eth", engine.Range{From: at(400), To: at(401)})
	two.close() // waits for what runs in the background
	two.open()
	before := store.Counts()
	first, last := 0, 0
	for i := 400; i >= 0 && store.Counts().Gets == before.Gets; i -= 5 {
		two.read("friend0.eth", engine.Range{From: at(i), To: at(i) + 1})
		first = i
	}
	before = store.Counts()
	for i := 400; i < 800 && store.Counts().Gets == before.Gets; i += 5 {
		two.read("friend0.eth", engine.Range{From: at(i), To: at(i) + 1})
		last = i
	}
	if last-first < 150 { // a chunk holds about 60 of these messages
		t.Errorf("only messages %d to %d were there", first, last)
	}
}

// Whoever scrolls back finds the next piece here, all the way.
func TestScrollingIsFetchedAhead(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, inPieces)
	items := many(8, 1, 800)
	one.append(items...)
	one.settle()
	two := newDevice(t, store, func(o *engine.Options) { inPieces(o); o.Neighbours = 1 })
	two.pass(engine.Work{})
	var before *engine.Position
	read := 0
	piece := func() engine.Page {
		t.Helper()
		page, err := two.Read(t.Context(), "friend0.eth", engine.Window{Before: before, Last: 20})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	for slice := 0; ; slice++ {
		page := piece()
		if read += len(page.Messages); len(page.Messages) < 20 {
			break
		}
		if slice > 0 && page.Fetched > 0 {
			t.Errorf("slice %d had to wait for %d objects", slice, page.Fetched)
		}
		at := engine.PositionOf(&page.Messages[0])
		ahead := func() bool {
			line := two.line()
			i := slices.IndexFunc(line, func(s engine.Stretch) bool { return s.To == 0 || at.Timestamp < s.To })
			return i == 0 || line[i-1].Cached
		}
		for !ahead() { // a fetch that still runs holds up the next one; each look asks for it again
			piece()
		}
		before = &at
	}
	if read != len(items) {
		t.Errorf("read %d messages", read)
	}
}

func TestRemovedMessageStaysRemoved(t *testing.T) {
	store := memory.New(nil)
	one, two := newDevice(t, store, nil), newDevice(t, store, nil)
	items := many(5, 1, 100)
	one.append(items...)
	one.settle()
	two.pass(engine.Work{})
	gone := items[42].Envelope
	if err := two.Remove(context.Background(), "friend0.eth", container.Tombstone{Hash: gone.Hash, Timestamp: gone.Timestamp}); err != nil {
		t.Fatal(err)
	}
	two.settle()
	one.append(items[42]) // offered again by a device that does not know
	one.settle()
	two.pass(engine.Work{})
	want := hashes(items)
	delete(want, gone.Hash)
	same(t, "one", one.holds(), want)
	same(t, "two", two.holds(), want)
}

func TestTooLarge(t *testing.T) {
	one := newDevice(t, memory.New(nil), smallChunks)
	err := one.Append(context.Background(), message("friend0.eth", 1, strings.Repeat("x", 30_000)))
	if !errors.Is(err, engine.ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
	if status := one.Status(); status.Pending != 0 {
		t.Errorf("something of it was stored: %+v", status)
	}
}

func TestLimitBelowLargest(t *testing.T) {
	one := newDevice(t, memory.New(nil), smallChunks)
	one.append(message("friend0.eth", 1, strings.Repeat("x", 15_000)))
	one.settle()
	one.close()
	one.change = func(o *engine.Options) { o.ChunkLimit = 10_000 }
	kept := one.change
	defer func() { one.change = kept }()
	if err := openFails(one); !errors.Is(err, engine.ErrLimit) {
		t.Fatalf("error %v", err)
	}
}

func TestIdleCostsOneRequest(t *testing.T) {
	counted := providers.Count(memory.New(nil))
	one := newDevice(t, counted, nil)
	one.append(many(6, 30, 600)...)
	one.settle()
	before := counted.Counts()
	one.pass(engine.Work{})
	after := counted.Counts()
	if n := after.Requests() - before.Requests(); n != 1 {
		t.Errorf("an idle pass costs %d requests: %+v -> %+v", n, before, after)
	}
}

func TestRootGone(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(7, 3, 50)
	one.append(items...)
	one.settle()
	wipe(t, place)
	_, err := one.Pass(context.Background(), engine.Work{})
	if !errors.Is(err, engine.ErrBlocked) {
		t.Fatalf("error %v", err)
	}
	if state := one.Status().State; state != "blocked" {
		t.Errorf("state %q", state)
	}
	one.pass(engine.Work{Restore: true, Settle: true})
	two := newDevice(t, place, nil)
	two.pass(engine.Work{})
	same(t, "after restoring", two.holds(), hashes(items))
	two.wantClean()
}

func wipe(t *testing.T, place providers.Store) {
	t.Helper()
	var names []string
	for object, err := range place.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	if err := place.Delete(context.Background(), names...); err != nil {
		t.Fatal(err)
	}
}

// TestCloseTwice: who closes an engine that is closed neither waits nor fails.
func TestCloseTwice(t *testing.T) {
	d := newDevice(t, memory.New(nil), nil)
	e := d.Engine
	d.close()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
