package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// copyOf copies all that a place holds.
func copyOf(t *testing.T, place providers.Store) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, name := range slices.Concat(objects(t, place, true), objects(t, place, false)) {
		all[name] = get(t, place, name)
	}
	return all
}

// rollBack gives a place the content of an older copy.
func rollBack(t *testing.T, place providers.Store, older map[string][]byte) {
	t.Helper()
	wipe(t, place)
	for name, data := range older {
		if err := place.Put(context.Background(), name, data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRolledBack restores an older backup of the place.
func TestRolledBack(t *testing.T) {
	for _, c := range []struct {
		name                        string
		restart, bothKnow, absorbed bool
	}{
		{"one device", false, false, true}, {"after a restart", true, false, true},
		{"two devices", false, true, true}, {"two devices after a restart", true, true, true},
		{"nothing replaced since", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := memory.New(nil)
			change := inPieces
			if !c.absorbed {
				change = nil
			}
			one, two := newDevice(t, place, change), newDevice(t, place, change)
			items := many(57, 2, 500)
			one.append(items[:250]...)
			one.settle()
			two.settle()
			older := copyOf(t, place)
			late := items[250:]
			if !c.absorbed {
				late = items[250:251]
			}
			one.append(late...)
			if c.absorbed {
				one.settle()
			} else {
				one.pass(engine.Work{Flush: true})
				one.look()
			}
			if c.bothKnow {
				two.settle()
			}
			want := hashes(items[:250+len(late)])
			rollBack(t, place, older)
			if c.restart {
				one.reopen()
				two.reopen()
			}
			for range 3 {
				one.pass(engine.Work{})
				if c.bothKnow {
					two.pass(engine.Work{})
				}
			}
			kind := "withheld"
			if c.absorbed {
				kind = "rolled back"
			}
			alarms := one.Status().Alarms
			if alarms.Raised[kind] != 1 {
				t.Errorf("alarms %+v, over %+v", alarms, one.Status().Healed)
			}
			for range 2 {
				one.settle()
				two.settle()
			}
			one.pass(engine.Work{Scrub: true})
			same(t, "one", one.holds(), want)
			same(t, "two", two.holds(), want)
			three := newDevice(t, place, nil)
			three.pass(engine.Work{})
			same(t, "three", three.holds(), want)
			three.wantClean()
			if problems := one.Status().Problems; len(problems) > 0 {
				t.Errorf("healed, and still: %+v", problems)
			}
		})
	}
}

// look is a pass that looks at the heads.
func (d *device) look() { d.pass(engine.Work{}) }

// TestRolledBackWithoutBodies rolls a place back whose newest state no cache
// holds: what it had replaced is there again and must not be removed for it.
func TestRolledBackWithoutBodies(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 400_000; o.Inline = 1 })
	items := many(58, 1, 600)
	var older map[string][]byte
	var fresh []string
	last := 0
	for replaced := false; !replaced; last += 60 {
		one.pass(engine.Work{Scrub: true}) // the cache lets go of what was replaced before
		older = copyOf(t, place)
		one.append(items[last : last+60]...)
		one.settle()
		states := sealedOf(t, place, container.KindChunk)
		fresh = slices.DeleteFunc(slices.Clone(states), func(name string) bool { return older[name] != nil })
		replaced = len(states) < 3 && last > 60
	}
	newest, heads := copyOf(t, place), objects(t, place, true)
	rollBack(t, place, older)
	wipeHeads(t, place)
	for _, name := range heads { // the heads are the new ones, the states the old ones
		put(t, place, name, newest[name])
	}
	for _, name := range fresh {
		if err := one.cache.Blobs().Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	items = items[:last]
	for range 4 {
		one.pass(engine.Work{Scrub: true})
	}
	one.settle()
	same(t, "one", one.holds(), hashes(items))
	two := newDevice(t, place, nil)
	two.pass(engine.Work{})
	same(t, "two", two.holds(), hashes(items))
	if raised := one.Status().Alarms.Raised; raised["missing"] == 0 {
		t.Errorf("alarms %v", raised)
	}
}

func wipeHeads(t *testing.T, place providers.Store) {
	t.Helper()
	if err := place.Delete(context.Background(), objects(t, place, true)...); err != nil {
		t.Fatal(err)
	}
}

// TestForget starts anew with an emptied place.
func TestForget(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(59, 3, 60)
	one.append(items[:40]...)
	one.settle()
	wipe(t, place)
	one.append(items[40:]...)
	_, err := one.Pass(context.Background(), engine.Work{})
	if !errors.Is(err, engine.ErrBlocked) || !strings.Contains(err.Error(), "dm3sync repair") || !strings.Contains(err.Error(), "dm3sync forget") {
		t.Fatalf("error %v", err)
	}
	if err := one.Forget(context.Background()); err != nil {
		t.Fatal(err)
	}
	one.reopen()
	one.settle()
	want := hashes(items[40:])
	same(t, "one", one.holds(), want)
	two := newDevice(t, place, nil)
	two.pass(engine.Work{})
	same(t, "two", two.holds(), want)
	two.wantClean()
	wantAlarms(t, one, map[string]int64{"blocked": 1}, map[string]int64{"blocked": 1})
}

// TestForgetKeepsTheName: what a device writes after it forgot a place is its own, also
// when it learns of a head of its from the place only: since the answer to the put was
// lost, or since it forgets once more.
func TestForgetKeepsTheName(t *testing.T) {
	place := &unsure{Store: memory.New(nil)}
	one := newDevice(t, place, nil)
	items := many(60, 2, 40)
	one.append(items[:10]...)
	one.settle()
	if err := one.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	place.left = 1
	one.append(items[10:20]...)
	if _, err := one.Pass(t.Context(), engine.Work{}); err == nil {
		t.Fatal("the put of the head was to fail")
	}
	if err := place.Store.Put(t.Context(), place.name, place.data); err != nil {
		t.Fatal(err)
	}
	one.settle()
	one.append(items[20:]...)
	one.settle()
	if err := one.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.reopen()
	one.settle()
	same(t, "in the end", one.holds(), hashes(items))
	if devices := one.Status().Devices; devices != 1 {
		t.Errorf("%d devices: it took itself for another one", devices)
	}
}
