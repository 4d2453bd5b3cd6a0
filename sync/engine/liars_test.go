package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// wantAlarms compares the alarms that a device counted, by kind.
func wantAlarms(t *testing.T, d *device, raised, healed map[string]int64) {
	t.Helper()
	got := d.Status().Alarms
	if !maps.Equal(got.Raised, raised) || !maps.Equal(got.Healed, healed) {
		t.Errorf("alarms raised %v, healed %v; want %v, %v\nproblems %+v\nover %+v", got.Raised, got.Healed, raised, healed, d.Status().Problems, d.Status().Healed)
	}
}

// wantPresent finds the one present problem of a kind.
func wantPresent(t *testing.T, d *device, kind string) engine.Problem {
	t.Helper()
	for _, p := range d.Status().Problems {
		if p.Kind == kind {
			return p
		}
	}
	t.Fatalf("no problem %q among %+v; over %+v", kind, d.Status().Problems, d.Status().Healed)
	return engine.Problem{}
}

func sealerOf(t testing.TB) *seal.Sealer {
	t.Helper()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// sealedOf lists the objects of one kind of state.
func sealedOf(t testing.TB, place providers.Store, kind container.Kind) (names []string) {
	t.Helper()
	sealer := sealerOf(t)
	for _, name := range objects(t, place, false) {
		key, _, _ := strings.Cut(name, "/")
		if _, err := sealer.Open(nil, kind, container.Key(key), get(t, place, name)); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// TestSpoiledObjects spoils an object of each kind in each way. The device that
// holds the bytes notices in its next scrub, counts one alarm, and mends.
func TestSpoiledObjects(t *testing.T) {
	for _, kind := range []string{"root", "conversation", "chunk", "head"} {
		for harm, spoil := range map[string]func(whole, other []byte) []byte{
			"bit flipped in the body": func(whole, _ []byte) []byte { return flipped(whole, len(whole)/2) },
			"bit flipped in the key":  func(whole, _ []byte) []byte { return flipped(whole, 3) },
			"version raised":          func(whole, _ []byte) []byte { return append([]byte{9}, whole[1:]...) },
			"truncated":               func(whole, _ []byte) []byte { return whole[:len(whole)-100] },
			"emptied":                 func([]byte, []byte) []byte { return []byte{} },
			"another's bytes":         func(_, other []byte) []byte { return other },
			"removed":                 func([]byte, []byte) []byte { return nil },
		} {
			t.Run(kind+" "+harm, func(t *testing.T) {
				t.Parallel()
				spoilOne(t, kind, spoil)
			})
		}
	}
}

func flipped(whole []byte, at int) []byte {
	bad := bytes.Clone(whole)
	bad[at] ^= 1
	return bad
}

func spoilOne(t *testing.T, kind string, spoil func(whole, other []byte) []byte) {
	place := memory.New(nil)
	one := newDevice(t, place, func(o *engine.Options) {
		if o.ChunkLimit = 20_000; kind != "head" {
			o.Inline = 1 // every state is an object
		}
	})
	items := many(51, 3, 400)
	for i := 0; i < 400; i += 100 {
		one.append(items[i : i+100]...)
		one.pass(engine.Work{})
	}
	one.settle()
	kinds := map[string]container.Kind{"root": container.KindRoot, "conversation": container.KindConversation, "chunk": container.KindChunk}
	list := objects(t, place, true)
	if kind != "head" {
		list = sealedOf(t, place, kinds[kind])
	}
	if len(list) == 0 {
		t.Fatal("no such object")
	}
	victim := list[0]
	other := list[len(list)-1]
	if other == victim { // a single one of its kind takes the bytes of another kind
		other = sealedOf(t, place, container.KindChunk)[0]
	}
	whole := get(t, place, victim)
	spoiled := spoil(whole, get(t, place, other))
	if err := place.Delete(context.Background(), victim); err != nil {
		t.Fatal(err)
	}
	if spoiled != nil {
		put(t, place, victim, spoiled)
	}
	one.pass(engine.Work{Scrub: true})
	one.pass(engine.Work{})
	one.pass(engine.Work{})
	status := one.Status()
	raised := int64(0)
	for _, n := range status.Alarms.Raised {
		raised += n
	}
	want := int64(1)
	if spoiled == nil && (kind == "root" || kind == "conversation") {
		want = 0 // said, and no alarm: heads say all that a list says
	}
	if raised != want || !maps.Equal(status.Alarms.Raised, status.Alarms.Healed) || len(status.Problems) > 0 || status.Healed[0].Object != victim {
		t.Errorf("alarms %+v\nproblems %+v\nover %+v", status.Alarms, status.Problems, status.Healed)
	}
	if back, err := place.Get(context.Background(), victim); err != nil || !bytes.Equal(back, whole) {
		t.Errorf("not written again: %v", err)
	}
	two := newDevice(t, place, nil)
	two.pass(engine.Work{})
	same(t, "two", two.holds(), hashes(items))
	two.wantClean()
	wantAlarms(t, two, map[string]int64{}, map[string]int64{})
}

// TestSwappedBothWays exchanges the bytes of two objects.
func TestSwappedBothWays(t *testing.T) {
	for _, pair := range []string{"states of one chunk", "states of two chunks", "heads"} {
		t.Run(pair, func(t *testing.T) {
			place := memory.New(nil)
			one := newDevice(t, place, func(o *engine.Options) { o.ChunkLimit = 400_000 })
			items := many(52, 1, 400)
			for i := 0; i < 400; i += 100 {
				one.append(items[i : i+100]...)
				one.pass(engine.Work{Flush: true})
			}
			for i := range 3 {
				one.append(message(fmt.Sprintf("other%d.eth", i), 5, strings.Repeat("long ", 9000)))
				one.pass(engine.Work{Flush: true})
			}
			heads, chunks := objects(t, place, true), sealedOf(t, place, container.KindChunk)
			a, b := heads[0], heads[1]
			if pair != "heads" {
				a = chunks[0]
				sameKey := pair == "states of one chunk"
				at := slices.IndexFunc(chunks, func(name string) bool { return name != a && (name[:66] == a[:66]) == sameKey })
				if at < 0 { // the first may stand alone in its chunk
					a = chunks[len(chunks)/2]
					at = slices.IndexFunc(chunks, func(name string) bool { return name != a && (name[:66] == a[:66]) == sameKey })
				}
				b = chunks[at]
			}
			wholeA, wholeB := get(t, place, a), get(t, place, b)
			put(t, place, a, wholeB)
			put(t, place, b, wholeA)
			found, err := one.Verify(context.Background(), engine.VerifyOptions{Deep: true})
			if err != nil || len(found.Problems) < 2 {
				t.Errorf("verify found %+v, %v", found.Problems, err)
			}
			one.pass(engine.Work{})
			one.pass(engine.Work{})
			if !bytes.Equal(get(t, place, a), wholeA) || !bytes.Equal(get(t, place, b), wholeB) {
				t.Error("not written again")
			}
			status := one.Status()
			if len(status.Problems) > 0 || len(status.Healed) != 2 || !maps.Equal(status.Alarms.Raised, status.Alarms.Healed) {
				t.Errorf("%+v, alarms %+v", status.Problems, status.Alarms)
			}
		})
	}
}

// TestProblemsAreRemembered: since when, how often, and over a restart; and what
// was healed how.
func TestProblemsAreRemembered(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, inPieces)
	items := many(53, 1, 300)
	one.append(items...)
	one.settle()
	victim := chunkObject(t, place)
	whole := get(t, place, victim)
	put(t, place, victim, whole[:99])
	clock := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	two := newDevice(t, place, func(o *engine.Options) { o.Now = func() time.Time { return clock } })
	two.pass(engine.Work{Scrub: true})
	first := wantPresent(t, two, "damaged")
	if !first.Since.Equal(clock) || first.Object != victim || first.Contact != "friend0.eth" || first.Container != "chunk" || !first.Alarm {
		t.Errorf("%+v", first)
	}
	clock = clock.Add(time.Hour)
	two.reopen()
	two.pass(engine.Work{Scrub: true})
	if again := wantPresent(t, two, "damaged"); !again.Since.Equal(first.Since) || again.Count <= first.Count {
		t.Errorf("first %+v, then %+v", first, again)
	}
	one.pass(engine.Work{Scrub: true})
	two.pass(engine.Work{Scrub: true})
	two.reopen()
	status := two.Status()
	if len(status.Problems) != 0 || len(status.Healed) != 1 || !status.Healed[0].Until.Equal(clock) || !status.Healed[0].Since.Equal(first.Since) || status.Healed[0].How == "" {
		t.Errorf("%+v, %+v", status.Problems, status.Healed)
	}
	wantAlarms(t, two, map[string]int64{"damaged": 1}, map[string]int64{"damaged": 1})
}

// withholding is a place that denies one object altogether.
type withholding struct {
	hiding
}

func (w *withholding) Get(ctx context.Context, name string) ([]byte, error) {
	if name == w.name {
		return nil, fmt.Errorf("%s: %w", name, providers.ErrNotFound)
	}
	return w.Store.Get(ctx, name)
}

// TestWithheldUnseenHead denies a device a head that it never saw, the first of
// its run or one in between. The number tells, over a restart, until it shows.
func TestWithheldUnseenHead(t *testing.T) {
	for _, which := range []int{0, 1} {
		t.Run(fmt.Sprint(which), func(t *testing.T) {
			place := memory.New(nil)
			denied := &withholding{hiding{Store: place}}
			one, two := newDevice(t, place, nil), newDevice(t, denied, nil)
			items := many(54, 1, 3)
			for i := range items {
				before := objects(t, place, true)
				one.append(items[i])
				one.pass(engine.Work{})
				if i == which {
					denied.name = slices.DeleteFunc(objects(t, place, true), func(n string) bool { return slices.Contains(before, n) })[0]
				}
			}
			two.pass(engine.Work{})
			wantAlarms(t, two, map[string]int64{}, map[string]int64{}) // it may have been absorbed since
			two.pass(engine.Work{})
			if p := wantPresent(t, two, "withheld"); p.Object != denied.name || p.Container != "head" {
				t.Errorf("%+v", p)
			}
			two.reopen()
			two.pass(engine.Work{})
			two.pass(engine.Work{})
			wantAlarms(t, two, map[string]int64{"withheld": 1}, map[string]int64{})
			denied.name = ""
			two.pass(engine.Work{})
			wantAlarms(t, two, map[string]int64{"withheld": 1}, map[string]int64{"withheld": 1})
			same(t, "two", two.holds(), hashes(items))
		})
	}
}

// TestRepairGivesUpGaps: a head that no device can bring back is reported until
// the user says repair, and then by no device.
func TestRepairGivesUpGaps(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(55, 1, 3)
	for i := range items {
		one.append(items[i])
		one.pass(engine.Work{})
	}
	heads := objects(t, place, true)
	if err := place.Delete(context.Background(), heads[1]); err != nil {
		t.Fatal(err)
	}
	two, three := newDevice(t, place, nil), newDevice(t, place, nil)
	for range 3 {
		two.pass(engine.Work{})
	}
	wantPresent(t, two, "withheld")
	two.pass(engine.Work{Restore: true})
	for range 3 {
		two.pass(engine.Work{})
		three.pass(engine.Work{})
	}
	wantAlarms(t, two, map[string]int64{"withheld": 1}, map[string]int64{"withheld": 1})
	wantAlarms(t, three, map[string]int64{}, map[string]int64{})
	one.pass(engine.Work{})
	one.pass(engine.Work{}) // it still holds the head, and brings it back after all
	three.pass(engine.Work{})
	same(t, "three", three.holds(), hashes(items))
}

// failing is a place whose puts of heads fail while it is told so, with or
// without having been done.
type failing struct {
	providers.Store
	fail, done bool
}

func (f *failing) Put(ctx context.Context, name string, data []byte) error {
	if !f.fail || !isHead(name) {
		return f.Store.Put(ctx, name, data)
	}
	if f.done {
		if err := f.Store.Put(ctx, name, data); err != nil {
			return err
		}
	}
	return errors.New("cut off")
}

// TestFailedPutIsNoGap: a head whose put failed leaves a number free that later
// heads call void, so that no other device takes it for withheld.
func TestFailedPutIsNoGap(t *testing.T) {
	for _, done := range []bool{false, true} {
		place := memory.New(nil)
		unsteady := &failing{Store: place, done: done}
		one, two := newDevice(t, unsteady, nil), newDevice(t, place, nil)
		items := many(56, 1, 40)
		for i := range items {
			one.append(items[i])
			unsteady.fail = i%5 == 1
			if _, err := one.Pass(context.Background(), engine.Work{Flush: true}); (err != nil) != unsteady.fail {
				t.Fatal(err)
			}
			two.pass(engine.Work{})
		}
		unsteady.fail = false
		one.settle()
		three := newDevice(t, place, nil)
		for _, d := range []*device{one, two, three} {
			for range 3 {
				d.pass(engine.Work{})
			}
			wantAlarms(t, d, map[string]int64{}, map[string]int64{})
			same(t, "a device", d.holds(), hashes(items))
		}
	}
}
