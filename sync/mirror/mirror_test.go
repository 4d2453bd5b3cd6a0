package mirror_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// raised is how often an alarm was raised and healed.
func raised(m *mirror.Mirror, kind string) (up, down int64) {
	alarms := m.Status().Alarms
	return alarms.Raised[kind], alarms.Healed[kind]
}

func wantAlarm(t *testing.T, m *mirror.Mirror, kind string) {
	t.Helper()
	up, down := raised(m, kind)
	if s := m.Status(); up == 0 || up != down || len(s.Problems) > 0 || len(s.Healed) == 0 || s.Healed[0].Since.IsZero() {
		t.Errorf("%s: raised %d, healed %d times; status %+v", kind, up, down, s)
	}
}

func wantNoAlarm(t *testing.T, m *mirror.Mirror) {
	t.Helper()
	if s := m.Status(); len(s.Alarms.Raised) > 0 || len(s.Problems) > 0 {
		t.Errorf("alarms without a reason: %+v", s)
	}
}

// TestMirrorFollows: after each pass the mirror is a whole account; what is superseded
// leaves it after two looks, and then both places are equal.
func TestMirrorFollows(t *testing.T) {
	primary, second := memory.New(nil), memory.New(nil)
	d := newDevice(t, primary)
	m := d.mirror(second, nil)
	items := talk(t, 0, 400)
	for from := 0; from < len(items); from += 40 {
		d.append(items[from : from+40])
		if report := mirrored(t, m, mirror.Work{}); report.Waiting > 0 || report.Copied == 0 {
			t.Fatalf("%+v", report)
		}
		if from == 160 {
			wantAt(t, second, items[:from+40])
		}
	}
	removed := 0
	for range 3 {
		d.pass(engine.Work{Scrub: true, Settle: true})
		removed += mirrored(t, m, everything).Removed
	}
	if removed == 0 {
		t.Error("nothing was superseded: this test shows nothing")
	}
	if !maps.Equal(content(t, primary), content(t, second)) {
		t.Errorf("the primary has %d objects, the mirror %d", len(content(t, primary)), len(content(t, second)))
	}
	wantAt(t, second, items)
	wantNoAlarm(t, m)
	if s := m.Status(); s.State != "complete" || s.Objects != len(content(t, second)) {
		t.Errorf("%+v", s)
	}
}

// TestQuietFlush: copying what a flush wrote asks the primary for nothing, since the
// cache holds it, and the mirror for no listing.
func TestQuietFlush(t *testing.T) {
	counter := providers.Count(memory.New(nil))
	second := providers.Count(memory.New(nil))
	d := newDevice(t, counter)
	m := d.mirror(second, nil)
	d.append(talk(t, 0, 50))
	mirrored(t, m, mirror.Work{})
	d.append(talk(t, 50, 80))
	before, there := counter.Counts(), second.Counts()
	report := mirrored(t, m, mirror.Work{})
	if after := counter.Counts(); after != before {
		t.Errorf("the primary was asked: %+v, before %+v", after, before)
	}
	if asked := second.Counts().Minus(there); asked.Requests() != int64(report.Copied) || asked.Puts != int64(report.Copied) {
		t.Errorf("the mirror was asked %+v for %+v", asked, report)
	}
}

func TestWipedMirror(t *testing.T) {
	second := memory.New(nil)
	d := newDevice(t, memory.New(nil))
	m := d.mirror(second, nil)
	items := talk(t, 0, 200)
	d.append(items)
	mirrored(t, m, mirror.Work{})
	become(t, second, nil)
	m = d.mirror(second, nil) // remembered over a restart
	mirrored(t, m, mirror.Work{})
	wantAlarm(t, m, "wiped")
	wantAt(t, second, items)
}

func TestRolledBackMirror(t *testing.T) {
	second := memory.New(nil)
	d := newDevice(t, memory.New(nil))
	m := d.mirror(second, nil)
	items := talk(t, 0, 300)
	d.append(items[:150])
	mirrored(t, m, mirror.Work{})
	old := content(t, second)
	for from := 150; from < 300; from += 10 {
		d.append(items[from : from+10])
		mirrored(t, m, everything)
	}
	become(t, second, old)
	mirrored(t, m, mirror.Work{Look: true})
	wantAlarm(t, m, "rolled back")
	wantAt(t, second, items)
	become(t, second, old)
	d.append(talk(t, 300, 310))
	mirrored(t, m, everything)
	wantAt(t, second, talk(t, 0, 310))
}

// TestDamagedMirror: flipped bytes are found by the sample, and by a comparison of
// everything; sizes that differ at once.
func TestDamagedMirror(t *testing.T) {
	second := memory.New(nil)
	d := newDevice(t, memory.New(nil))
	m := d.mirror(second, nil)
	items := talk(t, 0, 200)
	d.append(items)
	mirrored(t, m, everything)
	random := rand.New(rand.NewPCG(1, 2))
	spoil := func(change func(string) string) {
		for _, name := range some(random, content(t, second), 3) {
			data, err := second.Get(context.Background(), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := second.Put(context.Background(), name, []byte(change(string(data)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoil(func(s string) string { return s[:len(s)/2] })
	if report := mirrored(t, m, everything); report.Mended == 0 {
		t.Error("nothing was mended")
	}
	wantAlarm(t, m, "damaged")
	wantAt(t, second, items)
	spoil(func(s string) string { return s[:9] + string([]byte{s[9] ^ 1}) + s[10:] })
	v, err := m.Verify(context.Background(), true)
	if err != nil || v.Mended == 0 || len(v.Missing) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	wantAt(t, second, items)
	if v, err := m.Verify(context.Background(), false); err != nil || v.Read != 0 {
		t.Errorf("read again what an earlier run had read: %+v, %v", v, err)
	}
}

// TestWipedPrimary: a mirror outlives its primary, and repair takes from it what no
// cache holds.
func TestWipedPrimary(t *testing.T) {
	primary, second := memory.New(nil), memory.New(nil)
	d := newDevice(t, primary)
	m := d.mirror(second, nil)
	items := talk(t, 0, 300)
	d.append(items)
	mirrored(t, m, everything)
	before := content(t, second)
	become(t, primary, nil)
	for range 3 { // the mirror before the engine has noticed, too
		mirrored(t, m, everything)
	}
	if _, err := d.Pass(context.Background(), engine.Work{}); !errors.Is(err, engine.ErrBlocked) {
		t.Fatalf("pass at an empty place: %v", err)
	}
	if _, err := m.Pass(context.Background(), everything); !errors.Is(err, engine.ErrBlocked) {
		t.Errorf("pass of the mirror: %v", err)
	}
	if len(content(t, primary)) > 0 || !maps.Equal(content(t, second), before) {
		t.Fatal("a wiped primary was written to, or emptied its mirror")
	}
	dropBlobs(t, d)
	repair(t, d, m)
	d.wantAll(items)
	wantAt(t, primary, items)
	for range 3 {
		mirrored(t, m, everything)
	}
	wantAt(t, second, items)
	wantNoAlarm(t, m)
}

// dropBlobs takes all copies of states from the cache.
func dropBlobs(t *testing.T, d *device) {
	t.Helper()
	for name := range d.Tree().Objects() {
		if !d.Tree().IsHead(name) {
			if err := d.cache.Blobs().Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// repair is what the user's word does.
func repair(t *testing.T, d *device, m *mirror.Mirror) {
	t.Helper()
	release, err := d.Hold(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	count, err := m.Refill(context.Background())
	release()
	if err != nil {
		t.Fatalf("refilled %d, %v", count, err)
	}
	d.pass(engine.Work{Settle: true, Scrub: true, Restore: true})
}

// TestAilingPrimary: what the primary lost or damaged comes back from the mirror by
// itself, though no cache holds it, and the alarms end.
func TestAilingPrimary(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, place providers.Store, name string){
		"lost": func(t *testing.T, place providers.Store, name string) {
			if err := place.Delete(context.Background(), name); err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, place providers.Store, name string) {
			if err := place.Put(context.Background(), name, []byte("short")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			primary, second := memory.New(nil), memory.New(nil)
			d := newDevice(t, primary)
			m := d.mirror(second, nil)
			items := talk(t, 0, 300)
			d.append(items)
			mirrored(t, m, everything)
			dropBlobs(t, d)
			random := rand.New(rand.NewPCG(3, 4))
			for _, name := range slices.Sorted(slices.Values(some(random, content(t, primary), 4))) {
				if !d.Tree().IsHead(name) {
					spoil(t, primary, name)
				}
			}
			for range 6 {
				if _, err := d.Verify(context.Background(), engine.VerifyOptions{Deep: true, Restart: true}); err != nil {
					t.Fatal(err)
				}
				d.pass(engine.Work{Scrub: true, Settle: true})
				mirrored(t, m, everything)
			}
			d.wantAll(items)
			wantAt(t, primary, items)
			status := d.Status()
			if len(status.Problems) > 0 || len(status.Healed) == 0 {
				t.Errorf("problems %+v, healed %d", status.Problems, len(status.Healed))
			}
			for range 3 {
				mirrored(t, m, everything)
			}
			wantAt(t, second, items)
			wantNoAlarm(t, m)
		})
	}
}

// TestRolledBackPrimary: nothing of what only the mirror holds is lost, though this
// device is new and never saw it.
func TestRolledBackPrimary(t *testing.T) {
	primary, second := memory.New(nil), memory.New(nil)
	d := newDevice(t, primary)
	m := d.mirror(second, nil)
	items := talk(t, 0, 300)
	d.append(items[:150])
	mirrored(t, m, everything)
	old := content(t, primary)
	for from := 150; from < 300; from += 30 {
		d.append(items[from : from+30])
		mirrored(t, m, everything)
	}
	become(t, primary, old)
	late := newDevice(t, primary)
	late.pass(engine.Work{})
	m = late.mirror(second, nil)
	for range 4 {
		mirrored(t, m, everything)
		late.pass(engine.Work{Scrub: true, Settle: true})
	}
	late.wantAll(items)
	wantAt(t, primary, items)
	wantAt(t, second, items)
}

// TestDeletedLeaveMirror: the bytes of deleted messages leave a mirror, too, and no
// mirror brings them back.
func TestDeletedLeaveMirror(t *testing.T) {
	primary, second := memory.New(nil), memory.New(nil)
	d := newDevice(t, primary)
	m := d.mirror(second, nil)
	items := talk(t, 0, 100)
	d.append(items)
	mirrored(t, m, everything)
	whole := content(t, second)
	contact := items[0].Contact
	var kept []engine.Item
	for _, item := range items {
		if item.Contact != contact {
			kept = append(kept, item)
			continue
		}
		if err := d.Remove(context.Background(), contact, container.Tombstone{Hash: item.Envelope.Hash, Timestamp: item.Envelope.Timestamp}); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		d.pass(engine.Work{Settle: true, Scrub: true})
		mirrored(t, m, everything)
	}
	become(t, second, whole) // the mirror is rolled back to before the deletion
	for range 4 {
		mirrored(t, m, everything)
		d.pass(engine.Work{Settle: true, Scrub: true})
	}
	d.wantAll(kept)
	wantAt(t, second, kept)
	if !maps.Equal(content(t, primary), content(t, second)) {
		t.Errorf("the primary has %d objects, the mirror %d", len(content(t, primary)), len(content(t, second)))
	}
}
