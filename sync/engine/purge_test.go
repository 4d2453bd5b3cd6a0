package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestDeleteInCarriedFolder deletes in a folder that another program carries:
// the device that receives the replacement removes what holds the message.
func TestDeleteInCarriedFolder(t *testing.T) {
	for _, devices := range []int{1, 2} {
		t.Run(fmt.Sprint(devices), func(t *testing.T) {
			place := memory.New(nil)
			one := newDevice(t, &carried{Store: place}, inPieces)
			items := many(56, 1, 60)
			one.append(items...)
			one.settle()
			all := []*device{one}
			if devices == 2 {
				two := newDevice(t, &carried{Store: place}, inPieces)
				two.append(message("friend0.eth", 1_800_000_000_000, "from the second"))
				two.settle()
				one.settle()
				all = append(all, two)
			}
			one.remove(items[30])
			one.settle()
			for range 3 {
				for _, d := range all {
					d.settle()
				}
			}
			if left := holding(t, place, "30 says"); len(left) > 0 {
				t.Errorf("%d objects hold the message", len(left))
			}
			for _, d := range all {
				if held := d.holds(); len(held) != 59+devices-1 || held[items[30].Envelope.Hash] != "" {
					t.Errorf("%d messages", len(held))
				}
				d.wantClean()
			}
		})
	}
}

// TestDeleteGrace lets the clock go on: the bytes stay until the grace time is
// over, nobody waits for that in a pass, and a restart does not begin it anew.
func TestDeleteGrace(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) {
		o.DeleteGrace = time.Hour
		o.Now = func() time.Time { return now }
	})
	items := many(57, 1, 30)
	one.append(items...)
	one.settle()
	one.remove(items[11])
	one.settle()
	now = now.Add(59 * time.Minute)
	one.reopen()
	one.settle()
	if len(holding(t, place, "11 says")) == 0 {
		t.Error("the bytes went before the grace time was over")
	}
	want := hashes(items)
	delete(want, items[11].Envelope.Hash)
	same(t, "within the grace time", one.holds(), want)
	now = now.Add(2 * time.Minute)
	one.pass(engine.Work{})
	if left := holding(t, place, "11 says"); len(left) > 0 {
		t.Errorf("%d objects hold the message after the grace time", len(left))
	}
	one.settle()
	same(t, "after the grace time", one.holds(), want)
	one.wantClean()
}

// TestPurgeEnds asks that an old deletion is not worked on for ever: a pass in
// which nothing happens costs one request, and a flush one object.
func TestPurgeEnds(t *testing.T) {
	counted := providers.Count(memory.New(nil))
	one := newDevice(t, counted, nil)
	items := many(58, 3, 90)
	one.append(items[:60]...)
	one.settle()
	one.remove(items[10:20]...)
	one.settle()
	one.settle()
	before := counted.Counts()
	one.pass(engine.Work{})
	if n := counted.Counts().Requests() - before.Requests(); n != 1 {
		t.Errorf("an idle pass costs %d requests", n)
	}
	for _, item := range items[60:] {
		before := counted.Counts()
		one.append(item)
		one.pass(engine.Work{Flush: true})
		after := counted.Counts()
		if one.Status().Heads < 3 && after.Puts-before.Puts != 1 {
			t.Errorf("a flush costs %d objects", after.Puts-before.Puts)
		}
	}
	one.settle()
	same(t, "one", one.holds(), hashes(slices.Concat(items[:10], items[20:])))
}

// meddling lets something happen right before the first object is put.
type meddling struct {
	providers.Store
	meanwhile func()
}

func (m *meddling) Put(ctx context.Context, name string, data []byte) error {
	if meanwhile := m.meanwhile; meanwhile != nil {
		m.meanwhile = nil
		meanwhile()
	}
	return m.Store.Put(ctx, name, data)
}

// TestDeletedStray: a message lies in a chunk that another device's took over
// meanwhile, in a head, and its tombstone in the chunk that covers it. When the
// stray is dropped, it goes from the head as well.
func TestDeletedStray(t *testing.T) {
	place := memory.New(nil)
	slow := &meddling{Store: place}
	long := func(o *engine.Options) { o.DeleteGrace = 1000 * time.Hour }
	one, two := newDevice(t, slow, long), newDevice(t, place, long)
	secret := message("bob.eth", 3000, "secret")
	slow.meanwhile = func() {
		two.append(message("bob.eth", 1000, "first"), secret)
		two.pass(engine.Work{})
	}
	one.append(message("bob.eth", 2000, "second"))
	one.pass(engine.Work{})
	if left := holding(t, place, `"secret`); len(left) != 1 {
		t.Fatalf("%q hold the message", left)
	}
	two.remove(secret)
	for range 2 {
		two.settle()
		one.settle()
	}
	if left := holding(t, place, `"secret`); len(left) != 0 {
		t.Errorf("%q hold the message", left)
	}
	for _, d := range []*device{one, two} {
		if held := d.holds(); len(held) != 2 {
			t.Errorf("%d messages", len(held))
		}
		d.wantClean()
	}
}

// TestStrayDeletedElsewhere: a state that nobody named turns up with a message that
// another chunk covers by now, where it was deleted. Who brings it home and knows
// nothing of that leaves it out.
func TestStrayDeletedElsewhere(t *testing.T) {
	place := memory.New(nil)
	slow := &meddling{Store: place}
	one, two := newDevice(t, slow, nil), newDevice(t, place, nil)
	secret := message("bob.eth", 3000, "secret")
	late := make(map[string][]byte)
	slow.meanwhile = func() {
		two.append(message("bob.eth", 1000, "first"), secret)
		two.pass(engine.Work{})
		for _, name := range objects(t, place, true) {
			late[name] = get(t, place, name)
			if err := place.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		two.close()
	}
	one.append(message("bob.eth", 2000, "second"), secret)
	one.pass(engine.Work{})
	one.remove(secret)
	one.settle()
	for name, data := range late {
		if err := place.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
	fresh := newDevice(t, place, func(o *engine.Options) { o.DeleteGrace = 1000 * time.Hour })
	for range 12 { // others count as active for some looks
		fresh.pass(engine.Work{})
	}
	if left := holding(t, place, `"secret`); len(left) != 0 {
		t.Errorf("%q hold the message", left)
	}
	if held := fresh.holds(); len(held) != 2 {
		t.Errorf("%d messages", len(held))
	}
	fresh.wantClean()
}
