package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// unsure is a place where the answer to one put of a head, counted down by left,
// is lost. What comes of it is up to the test: data is what was to be written.
type unsure struct {
	providers.Store
	left int
	name string
	data []byte
}

func (u *unsure) Put(ctx context.Context, name string, data []byte) error {
	if strings.HasPrefix(name, string(container.HeadsKey(container.RootKey("test")))+"/") {
		if u.left--; u.left == 0 {
			u.name, u.data = name, data
			return providers.ErrTransient
		}
	}
	return u.Store.Put(ctx, name, data)
}

// TestLateHead: the put of a head fails and has its effect much later, when what
// it names was replaced and its device has absorbed all heads that it knows. A
// device that sees it then still learns what was replaced.
func TestLateHead(t *testing.T) {
	place := &unsure{Store: memory.New(nil), left: 2}
	one := newDevice(t, place, func(o *engine.Options) { o.Inline = 1 })
	items := many(73, 1, 30)
	one.append(items[:10]...)
	if _, err := one.Pass(t.Context(), engine.Work{}); err == nil {
		t.Fatal("the put of the second head was to fail")
	}
	one.append(items[10:]...)
	one.settle()
	if err := place.Store.Put(t.Context(), place.name, place.data); err != nil {
		t.Fatal(err)
	}
	fresh := newDevice(t, place.Store, nil)
	fresh.pass(engine.Work{})
	same(t, "fresh", fresh.holds(), hashes(items))
	wantAlarms(t, fresh, map[string]int64{}, map[string]int64{})
}

// TestVoidHeadInPart: a put of a head fails and leaves a part of it. Its writer
// calls it void, and other devices know that writer: none of that is an alarm,
// in whatever order somebody reads the heads.
func TestVoidHeadInPart(t *testing.T) {
	place := &unsure{Store: memory.New(nil), left: 1}
	one := newDevice(t, place, nil)
	items := many(74, 1, 12)
	one.append(items[0])
	if _, err := one.Pass(t.Context(), engine.Work{}); err == nil {
		t.Fatal("the put of the first head was to fail")
	}
	if err := place.Store.Put(t.Context(), place.name, place.data[:100]); err != nil {
		t.Fatal(err)
	}
	one.pass(engine.Work{})
	for _, item := range items[1:] { // their heads have names before and after
		two := newDevice(t, place.Store, nil)
		two.append(item)
		two.pass(engine.Work{})
		wantAlarms(t, two, map[string]int64{}, map[string]int64{})
	}
	fresh := newDevice(t, place.Store, nil)
	fresh.pass(engine.Work{})
	same(t, "fresh", fresh.holds(), hashes(items))
	wantAlarms(t, fresh, map[string]int64{}, map[string]int64{})
}

// TestVeryLateHead: the same, when everybody has forgotten what was replaced. What
// such a head names and nobody has is no alarm, and heals.
func TestVeryLateHead(t *testing.T) {
	place := &unsure{Store: memory.New(nil), left: 2}
	one := newDevice(t, place, func(o *engine.Options) { o.Inline = 1 })
	items := many(75, 1, 60)
	one.append(items[:10]...)
	if _, err := one.Pass(t.Context(), engine.Work{}); err == nil {
		t.Fatal("the put of the second head was to fail")
	}
	for i := 10; i < len(items); i += 2 {
		one.append(items[i : i+2]...)
		one.settle()
	}
	one.reopen()
	if err := place.Store.Put(t.Context(), place.name, place.data); err != nil {
		t.Fatal(err)
	}
	fresh := newDevice(t, place.Store, nil)
	for range 3 {
		fresh.pass(engine.Work{Settle: true, Scrub: true})
	}
	same(t, "fresh", fresh.holds(), hashes(items))
	wantAlarms(t, fresh, map[string]int64{}, map[string]int64{})
	if len(fresh.Status().Healed) == 0 {
		t.Error("nothing was missing: the test tests nothing")
	}
	fresh.wantClean()
}
