package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// lagging is a place that promises nothing of its listings, and may be asked not
// to show some objects, nor to find them.
type lagging struct {
	withholding
	carried bool
}

func (l *lagging) Properties() providers.Properties {
	p := l.Store.Properties()
	p.CurrentListings, p.Carried = l.carried, l.carried // a folder lists what it has
	return p
}

// TestLateIsNoAlarm: where listings may lag, a head that is not there for a few
// looks is no alarm; in a carried folder it never is, but it is said.
func TestLateIsNoAlarm(t *testing.T) {
	for _, c := range []struct {
		carried bool
		looks   int
		alarms  int64
	}{{false, 3, 0}, {false, 12, 1}, {true, 12, 0}} {
		t.Run(fmt.Sprintf("carried %v, %d looks", c.carried, c.looks), func(t *testing.T) {
			place := memory.New(nil)
			late := &lagging{withholding{hiding{Store: place}}, c.carried}
			one, two := newDevice(t, place, nil), newDevice(t, late, nil)
			items := many(71, 1, 4)
			for i := range items {
				one.append(items[i])
				one.pass(engine.Work{})
			}
			two.pass(engine.Work{})
			late.name = objects(t, place, true)[1]
			for range c.looks {
				two.pass(engine.Work{})
			}
			status := two.Status()
			if status.Alarms.Raised["withheld"] != c.alarms || len(status.Alarms.Raised) > int(c.alarms) {
				t.Errorf("alarms %+v, problems %+v, over %+v", status.Alarms, status.Problems, status.Healed)
			}
			if c.carried && len(status.Problems)+len(status.Healed) == 0 {
				t.Error("nothing was said")
			}
			same(t, "two", two.holds(), hashes(items))
		})
	}
}

// TestReadBesideAnother reads while another device replaces what is read: that
// the old state is gone is no alarm.
func TestReadBesideAnother(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 400_000; o.Inline = 1 })
	two := newDevice(t, place, nil)
	want := make(map[container.MessageHash]string)
	for i := range 40 {
		item := message("friend0.eth", int64(1000+i), strings.Repeat("word ", 200))
		want[item.Envelope.Hash] = item.Contact
		one.append(item)
		one.pass(engine.Work{})
		if i%3 == 0 {
			two.pass(engine.Work{})
		}
		if i%4 == 1 { // from a catalogue that may be old
			two.page("friend0.eth")
			if err := two.cache.Blobs().Clear(); err != nil {
				t.Fatal(err)
			}
		}
		if i%7 == 0 {
			if _, err := two.Pass(context.Background(), engine.Work{Scrub: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	two.pass(engine.Work{})
	same(t, "two", two.holds(), want)
	for _, d := range []*device{one, two} {
		wantAlarms(t, d, map[string]int64{}, map[string]int64{})
	}
}

// TestFirstPassLooks: a power loss takes bodies of heads from the cache, which
// are not synced. The first pass of the next run is a flush that rewrites chunks:
// it asks the place for those heads, and takes nothing for lost.
func TestFirstPassLooks(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.Inline = 1 << 10 })
	items := many(72, 1, 40)
	one.append(items[:20]...)
	for range 2 {
		one.pass(engine.Work{})
	}
	if err := one.cache.Blobs().Clear(); err != nil {
		t.Fatal(err)
	}
	one.close()
	if err := os.RemoveAll(filepath.Join(one.folder, "blobs")); err != nil {
		t.Fatal(err)
	}
	one.open()
	one.append(items[20:]...)
	if report := one.pass(engine.Work{Flush: true}); report.Compacted == 0 {
		t.Error("nothing was rewritten: the test tests nothing")
	}
	wantAlarms(t, one, map[string]int64{}, map[string]int64{})
	same(t, "one", one.holds(), hashes(items))
}
