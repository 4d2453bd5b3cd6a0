package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// loseUnread lets the place lose all that one device wrote, before another one read
// it, which writes as many messages of the same time, and with ends also some of the
// very moments at which the lost ones begin and end.
func loseUnread(t *testing.T, ends bool) (place *memory.Store, one, two *device, items []engine.Item, lost []string) {
	place = memory.New(nil)
	inObjects := func(o *engine.Options) { o.Inline = 1 }
	one, two = newDevice(t, place, inObjects), newDevice(t, place, inObjects)
	items = many(71, 1, 240)
	var early, late []engine.Item
	for i, item := range items { // of the same time
		if i%3 == 0 {
			early = append(early, item)
		} else {
			late = append(late, item)
		}
	}
	if ends {
		for _, item := range []engine.Item{early[0], early[len(early)-1]} {
			late = append(late, message(item.Contact, item.Envelope.Timestamp, "at the same moment"))
		}
		items = append(items, late[len(late)-2:]...)
	}
	one.append(early...)
	one.settle()
	two.settle()
	if lost = sealedOf(t, place, container.KindChunk); len(lost) == 0 {
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
	return place, one, two, items, lost
}

// TestReplacedUnread lets the place lose a state that one device wrote, and
// another one, which never read it, take what is left for all that there was.
// The device with the copy shows what it holds, and writes it again.
func TestReplacedUnread(t *testing.T) {
	place, one, two, items, lost := loseUnread(t, true)
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
	fresh := newDevice(t, place, nil)
	fresh.settle()
	same(t, "a fresh device", fresh.holds(), hashes(items))
	fresh.wantClean()
}

// TestAsManyOthersAreNoReplacement: what is left shows more messages of its time than
// the lost state held, and other ones. The device that never read it says that it is
// lost, with an alarm, until the one with the copy has written it again.
func TestAsManyOthersAreNoReplacement(t *testing.T) {
	place, one, two, items, lost := loseUnread(t, false)
	if p := wantPresent(t, two, "missing"); !p.Alarm || !slices.Contains(lost, p.Object) {
		t.Errorf("%+v", p)
	}
	if page, err := two.Messages(t.Context(), "friend0.eth", engine.Range{}); err != nil || !page.Provisional {
		t.Errorf("a page without what is lost calls itself complete, %v", err)
	}
	one.pass(engine.Work{Settle: true, Scrub: true})
	for range 2 {
		two.pass(engine.Work{Settle: true, Scrub: true})
	}
	same(t, "the device without", two.holds(), hashes(items))
	if problems := two.Status().Problems; len(problems) > 0 {
		t.Errorf("it is there again, and still: %+v", problems)
	}
	fresh := newDevice(t, place, nil)
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

// TestForeignBytesAreNoHead: a device has lost its copy of a live head, and the place
// gives another head's bytes for it. They are not absorbed in its place: what the head
// says would go with it, for nobody else may have read it.
func TestForeignBytesAreNoHead(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(73, 2, 400)
	var names []string
	for _, part := range [][]engine.Item{items[:10], items[10:20]} {
		one.append(part...)
		one.pass(engine.Work{Flush: true})
		for _, name := range objects(t, place, true) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) != 2 {
		t.Fatalf("%d heads", len(names))
	}
	victim := names[1]
	whole := get(t, place, victim)
	if err := errors.Join(one.cache.Blobs().Unpin(victim), one.cache.Blobs().Remove(victim), place.Delete(t.Context(), victim)); err != nil {
		t.Fatal(err)
	}
	put(t, place, victim, get(t, place, names[0]))
	for i := 20; i < len(items); i += 10 { // so many heads that one absorbs others
		one.append(items[i : i+10]...)
		_, _ = one.Pass(t.Context(), engine.Work{})
	}
	if p := wantPresent(t, one, "swapped"); !p.Alarm || p.Object != victim {
		t.Errorf("%+v", p)
	}
	if err := place.Delete(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	put(t, place, victim, whole) // another device did so
	one.reopen()
	one.pass(engine.Work{Settle: true, Scrub: true})
	same(t, "in the end", one.holds(), hashes(items))
	one.wantClean()
}
