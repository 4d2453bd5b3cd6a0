package mirror_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// TestOldPlace: two devices, one of which has moved. What the other writes at the old
// place is taken over, it sees there what is written at the new one, and nothing is an
// alarm.
func TestOldPlace(t *testing.T) {
	old, fresh := memory.New(nil), memory.New(nil)
	stays := newDevice(t, old)
	items := talk(t, 0, 400)
	stays.append(items[:100])
	moved := newDevice(t, fresh)
	become(t, fresh, content(t, old))
	moved.pass(engine.Work{})
	m := moved.mirror(old, func(o *mirror.Options) { o.Shared = true })
	take := func(w mirror.Work) {
		for range 5 {
			report := mirrored(t, m, w)
			if report.Heads == 0 && report.Waiting == 0 {
				return
			}
			moved.pass(engine.Work{})
		}
		t.Fatal("the old place gives no rest")
	}
	for from := 100; from < 400; from += 20 {
		moved.append(items[from : from+10])
		stays.append(items[from+10 : from+20])
		take(mirror.Work{Look: from%60 == 0})
		if from%100 == 0 {
			moved.pass(engine.Work{Settle: true, Scrub: true})
			stays.pass(engine.Work{Settle: true, Scrub: true})
		}
	}
	for range 4 {
		take(everything)
		stays.pass(engine.Work{Settle: true, Scrub: true})
		moved.pass(engine.Work{Settle: true, Scrub: true})
	}
	stays.wantAll(items)
	moved.wantAll(items)
	wantAt(t, fresh, items)
	wantAt(t, old, items)
	wantNoAlarm(t, m)
	for name, d := range map[string]*device{"who stays": stays, "who moved": moved} {
		if alarms := d.Status().Alarms.Raised; len(alarms) > 0 {
			t.Errorf("alarms of %s: %v", name, alarms)
		}
	}
}

// TestHeadUnderWay: what another device wrote at the old place stays there while its
// head is still to come, though all that it holds is known: that device will remove
// something in its favour. So it is, too, where nobody said that others write there.
func TestHeadUnderWay(t *testing.T) {
	for name, shared := range map[string]bool{"shared": true, "nobody said so": false} {
		t.Run(name, func(t *testing.T) { headUnderWay(t, shared) })
	}
}

func headUnderWay(t *testing.T, shared bool) {
	old, fresh := memory.New(nil), memory.New(nil)
	var heads string
	var refuses func(operation providertest.Operation, head bool) bool
	stays := newDevice(t, providertest.NewFaulty(old, &providertest.FaultyOptions{Script: func(c providertest.Call) (f providertest.Fault) {
		if refuses != nil && refuses(c.Operation, strings.HasPrefix(c.Name, heads)) {
			f.Before = providers.ErrTransient
		}
		return f
	}}))
	heads = stays.Tree().Heads()
	items := talk(t, 0, 300)
	for from := 0; from < 200; from += 10 {
		if err := stays.Append(t.Context(), items[from:from+10]...); err != nil {
			t.Fatal(err)
		}
		stays.pass(engine.Work{})
	}
	moved := newDevice(t, fresh)
	become(t, fresh, content(t, old))
	moved.pass(engine.Work{})
	m := moved.mirror(old, func(o *mirror.Options) { o.Shared = shared })
	mirrored(t, m, everything)
	interrupt := func(refuse func(operation providertest.Operation, head bool) bool) {
		refuses = refuse
		if _, err := stays.Pass(t.Context(), engine.Work{Settle: true}); err == nil {
			t.Fatal("the pass was not interrupted")
		}
	}
	if err := stays.Append(t.Context(), items[200:]...); err != nil {
		t.Fatal(err)
	}
	interrupt(func(operation providertest.Operation, head bool) bool { // the messages get through, in a head
		return operation == providertest.OperationPut && !head
	})
	mirrored(t, m, everything)
	moved.pass(engine.Work{})
	before := content(t, old)
	interrupt(func(operation providertest.Operation, head bool) bool { // and now what compacts them, but for its head
		return operation == providertest.OperationDelete || operation == providertest.OperationPut && head
	})
	under := 0
	for name := range content(t, old) {
		if _, was := before[name]; !was {
			under++
		}
	}
	if under == 0 {
		t.Fatal("nothing was under way")
	}
	now := content(t, old)
	for range 4 {
		mirrored(t, m, everything)
		moved.pass(engine.Work{})
	}
	for name := range now {
		if _, there := content(t, old)[name]; !there && before[name] == "" && !strings.HasPrefix(name, heads) {
			t.Errorf("%s was removed before its head came", name)
		}
	}
	refuses = nil
	for range 4 {
		stays.pass(engine.Work{Settle: true, Scrub: true})
		mirrored(t, m, everything)
		moved.pass(engine.Work{Settle: true, Scrub: true})
		mirrored(t, m, everything)
	}
	stays.wantAll(items)
	moved.wantAll(items)
	wantAt(t, fresh, items)
}

// TestBadMirrors: mirrors that fail at random, lag, or lie about what they took, come
// right in the end, and no place is the worse for it.
func TestBadMirrors(t *testing.T) {
	for name, spoil := range map[string]func(providers.Store) providers.Store{
		"faulty": func(s providers.Store) providers.Store {
			return providertest.NewFaulty(s, &providertest.FaultyOptions{Seed: 7, Rate: 0.03})
		},
		"stale": func(s providers.Store) providers.Store {
			return providertest.NewStale(s, &providertest.StaleOptions{Seed: 7, Operations: 40, Random: true})
		},
		"loses": func(s providers.Store) providers.Store {
			return providertest.NewLying(s, &providertest.LyingOptions{Seed: 7, Lose: 0.02, Keep: 0.2})
		},
		"slow": func(s providers.Store) providers.Store {
			return providertest.NewSlow(s, &providertest.SlowOptions{Seed: 7, Longest: time.Millisecond})
		},
	} {
		t.Run(name, func(t *testing.T) {
			primary, plain := memory.New(nil), memory.New(nil)
			d := newDevice(t, primary)
			bad := spoil(plain)
			items := talk(t, 0, 300)
			random := rand.New(rand.NewPCG(5, 6))
			for from := 0; from < 300; from += 20 {
				d.append(items[from : from+20])
				m := d.mirror(bad, nil)                        // killed and begun anew
				ctx, cancel := context.WithCancel(t.Context()) // in the midst
				timer := time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, cancel)
				_, _ = m.Pass(ctx, mirror.Work{Look: random.IntN(2) == 0}) // whatever comes of it
				timer.Stop()
				cancel()
			}
			m := d.mirror(plain, nil) // what was bad works again
			for range 3 {
				mirrored(t, m, everything)
			}
			if v, err := m.Verify(t.Context(), true); err != nil || len(v.Missing) > 0 {
				t.Errorf("%+v, %v", v, err)
			}
			d.wantAll(items)
			wantAt(t, plain, items)
			if status := d.Status(); len(status.Alarms.Raised) > 0 {
				t.Errorf("a bad mirror is no fault of the primary: %v", status.Alarms.Raised)
			}
		})
	}
}

// TestErase: what belongs to the account goes, and nothing else.
func TestErase(t *testing.T) {
	second := memory.New(nil)
	const theirs = "0xabc/other"
	if err := second.Put(t.Context(), theirs, []byte("another program's")); err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, memory.New(nil))
	m := d.mirror(second, nil)
	d.append(talk(t, 0, 50))
	mirrored(t, m, everything)
	held := len(content(t, second))
	if count, err := m.Erase(t.Context()); err != nil || count != held-1 {
		t.Errorf("erased %d of %d, %v", count, held, err)
	}
	mirrored(t, m, everything) // as the schedule may, before it is told
	if left := content(t, second); len(left) != 1 || left[theirs] == "" {
		t.Errorf("%d objects are left", len(left))
	}
}

// TestEraseLeavesTheOnlyCopy: a place is not erased while it holds what the account's own place lacks, be that because
// another device wrote it a moment ago, or because the account's own place was lost.
func TestEraseLeavesTheOnlyCopy(t *testing.T) {
	shared := func(o *mirror.Options) { o.Shared = true }
	t.Run("written by another device", func(t *testing.T) {
		first, second := memory.New(nil), memory.New(nil)
		d, other := newDevice(t, first), newDevice(t, second)
		m := d.mirror(second, shared)
		items := talk(t, 0, 120)
		d.append(items[:80])
		mirrored(t, m, everything)
		other.pass(engine.Work{})
		other.append(items[80:])
		if _, err := m.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := content(t, second); len(left) > 0 {
			t.Errorf("%d objects are left", len(left))
		}
		wantAt(t, first, items)
	})
	t.Run("the own place is lost", func(t *testing.T) {
		first, second := memory.New(nil), memory.New(nil)
		d := newDevice(t, first)
		m := d.mirror(second, shared)
		items := talk(t, 0, 80)
		d.append(items)
		mirrored(t, m, everything)
		before := content(t, second)
		for name := range content(t, first) {
			if err := first.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.mirror(second, shared).Erase(t.Context()); !errors.Is(err, mirror.ErrOnlyCopy) {
			t.Errorf("erased: %v", err)
		}
		if left := content(t, second); !maps.Equal(left, before) {
			t.Errorf("%d objects are left of %d", len(left), len(before))
		}
	})
}
