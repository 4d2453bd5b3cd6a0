package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestReplacedUnread lets the place lose a state that one device wrote, and
// another one, which never read it, take what is left for all that there was.
// The device with the copy shows what it holds, and writes it again.
func TestReplacedUnread(t *testing.T) {
	place := memory.New(nil)
	inObjects := func(o *engine.Options) { o.Inline = 1 }
	one, two := newDevice(t, place, inObjects), newDevice(t, place, inObjects)
	items := many(71, 1, 240)
	var early, late []engine.Item
	for i, item := range items { // of the same time
		if i%3 == 0 {
			early = append(early, item)
		} else {
			late = append(late, item)
		}
	}
	one.append(early...)
	one.settle()
	two.settle()
	lost := sealedOf(t, place, container.KindChunk)
	if len(lost) == 0 {
		t.Fatal("no object holds a chunk, so nothing can be lost")
	}
	if err := place.Delete(t.Context(), lost...); err != nil {
		t.Fatal(err)
	}
	two.append(late...)
	two.settle()
	for range 4 {
		two.pass(engine.Work{Settle: true, Scrub: true})
	}
	for _, p := range two.Status().Problems {
		if slices.Contains(lost, p.Object) {
			t.Fatalf("the device that never read it knows that it is lost, so nothing is shown: %+v", p)
		}
	}
	one.pass(engine.Work{})
	same(t, "the device with the copy", one.holds(), hashes(items))
	one.reopen()
	one.pass(engine.Work{Settle: true, Scrub: true})
	two.settle()
	same(t, "the device without", two.holds(), hashes(items))
	fresh := newDevice(t, place, inObjects)
	fresh.settle()
	same(t, "a fresh device", fresh.holds(), hashes(items))
	fresh.wantClean()
}

// TestSwappedHeadComesBack lets the place show a head under another one's name
// only. A device that knows neither puts it back under its own.
func TestSwappedHeadComesBack(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(72, 2, 20)
	one.append(items...)
	one.settle()
	heads := objects(t, place, true)
	key, _, _ := strings.Cut(heads[0], "/")
	whole := get(t, place, heads[0])
	if err := place.Put(t.Context(), key+"/aaaaaaaaaaaaa-0", whole); err != nil {
		t.Fatal(err)
	}
	if err := place.Delete(t.Context(), heads[0]); err != nil {
		t.Fatal(err)
	}
	fresh := newDevice(t, place, nil)
	for range 3 {
		fresh.pass(engine.Work{Settle: true, Scrub: true})
	}
	same(t, "a fresh device", fresh.holds(), hashes(items))
	fresh.wantClean()
}
