package acceptance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// newMemory is a place in memory that several stores share.
func newMemory(*testing.T, func(http.Handler) http.Handler) place {
	shared := memory.New(nil)
	return place{name: "memory", store: func(*testing.T) providers.Store { return shared }}
}

// openMirror is a mirror of the device at another place.
func openMirror(t *testing.T, d *device, name string, primary, store providers.Store, shared bool) *mirror.Mirror {
	t.Helper()
	m, err := mirror.Open(mirror.Options{
		Name: name, Place: name, Shared: shared, Engine: d.engine, Primary: primary, Mirror: providers.Retry(store, nil),
		Records: d.cache.Records(), Sealer: newSealer(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// content is all that a place holds.
func content(t *testing.T, store providers.Store) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := store.Get(t.Context(), object.Name)
		if err != nil && !errors.Is(err, providers.ErrNotFound) { // mirrors go on meanwhile
			t.Fatal(err)
		}
		if err == nil {
			all[object.Name] = data
		}
	}
	return all
}

// become makes a place hold what it held once.
func become(t *testing.T, store providers.Store, was map[string][]byte) {
	t.Helper()
	for object, err := range store.List(t.Context(), "") {
		if err == nil && was[object.Name] == nil {
			err = store.Delete(t.Context(), object.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range was {
		if err := store.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
}

// canonical are the messages of the input by their bytes.
func canonical(t *testing.T, in *input) map[container.MessageHash][32]byte {
	t.Helper()
	joined := make(map[container.MessageHash]container.Envelope)
	text := in.open(t, func(int) bool { return true })
	defer text.Close()
	for text.scanner.Scan() {
		envelope, _, err := container.ParseEnvelope(text.scanner.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if before, twice := joined[envelope.Hash]; twice {
			envelope = container.Join(before, envelope)
		}
		joined[envelope.Hash] = envelope
	}
	sums := make(map[container.MessageHash][32]byte, len(joined))
	for hash, envelope := range joined {
		sums[hash] = sha256.Sum256(envelope.JSON)
	}
	return sums
}

// wantBytes reads everything and compares it with the input, byte by byte.
func (d *device) wantBytes(want map[container.MessageHash][32]byte) {
	d.t.Helper()
	list, err := d.engine.Conversations(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	got := make(map[container.MessageHash][32]byte, len(want))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(d.t.Context())
	group.SetLimit(8)
	for _, conversation := range list {
		group.Go(func() error {
			page, err := d.engine.Messages(ctx, conversation.Contact, engine.Range{})
			mu.Lock()
			defer mu.Unlock()
			for _, message := range page.Messages {
				got[message.Hash] = sha256.Sum256(message.JSON)
			}
			if err == nil && page.Provisional {
				err = fmt.Errorf("%s is provisional: %v", conversation.Contact, page.Reasons)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		d.t.Errorf("%s: %v", d.name, err)
	}
	if !maps.Equal(got, want) {
		d.t.Errorf("%s: %d messages, want %d, or they are not the same to the byte", d.name, len(got), len(want))
	}
}

// TestMirrorsHeal: a mirror is wiped and another one silently rolled back while messages
// flow. Both heal and say so, the account's own place is not touched by it, and each place
// alone is the whole account.
func TestMirrorsHeal(t *testing.T) {
	in := newInput(t, shapes()[0])
	want := canonical(t, in)
	kinds := journey()
	folder, bucket, collection, drive := kinds[0], kinds[1], kinds[2], kinds[3]
	for i, three := range [][3]constructor{{newMemory, folder, bucket}, {bucket, collection, drive}, {drive, folder, newMemory}} {
		if i > 0 && !full() {
			break // one order of kinds is enough for a short test
		}
		primary, first, second := three[0](t, nil), three[1](t, nil), three[2](t, nil)
		t.Run(fmt.Sprintf("%s with %s and %s", primary.name, first.name, second.name), func(t *testing.T) {
			mirrorsHeal(t, in, want, primary, first, second)
		})
	}
}

func mirrorsHeal(t *testing.T, in *input, want map[container.MessageHash][32]byte, primary, first, second place) {
	one := newDevice(t, primary, "one", shapes()[0].limit)
	two := newDevice(t, primary, "two", shapes()[0].limit)
	stores := [2]providers.Store{first.store(t), second.store(t)}
	mirrors := [2]*mirror.Mirror{
		openMirror(t, one, "first", providers.Retry(one.counter, nil), stores[0], false),
		openMirror(t, one, "second", providers.Retry(one.counter, nil), stores[1], false),
	}
	t.Cleanup(func() {
		if err := errors.Join(stores[0].Close(), stores[1].Close()); err != nil {
			t.Error(err)
		}
	})
	quarter := in.lines / 4
	part := func(number int) *picked {
		return in.open(t, func(line int) bool { return min(line/quarter, 3) == number })
	}
	if err := one.append(t.Context(), part(0)); err != nil {
		t.Fatal(err)
	}
	one.settle()
	mirrorAll(t, one, mirrors[:], mirror.Work{Look: true, Whole: true})
	old := content(t, stores[1])

	// Messages flow from two devices; mirrors follow, and suffer.
	flow(t, mirrors[:], func(ctx context.Context) error { return one.live(ctx, part(1)) })
	for range 3 { // until they hold what is new and have let go of what is superseded
		one.mustPass(engine.Work{Scrub: true, Settle: true})
		mirrorAll(t, one, mirrors[:], mirror.Work{Look: true, Whole: true})
	}
	become(t, stores[0], nil)
	become(t, stores[1], old)
	flow(t, mirrors[:],
		func(ctx context.Context) error { return one.live(ctx, part(2)) },
		func(ctx context.Context) error { return two.live(ctx, part(3)) })
	untilQuiet(t, one, two)
	for range 4 {
		one.mustPass(engine.Work{Scrub: true, Settle: true})
		mirrorAll(t, one, mirrors[:], mirror.Work{Look: true, Whole: true})
	}

	for i, m := range mirrors {
		status := m.Status()
		raised, healed := int64(0), int64(0)
		for kind := range status.Alarms.Raised {
			raised += status.Alarms.Raised[kind]
			healed += status.Alarms.Healed[kind]
		}
		t.Logf("mirror %d: alarms %v, %s, %d objects", i, status.Alarms.Raised, status.State, status.Objects)
		if raised == 0 || raised != healed || len(status.Problems) > 0 || status.State != "complete" {
			t.Errorf("mirror %d: %+v", i, status)
		}
	}
	for _, d := range []*device{one, two} {
		d.mustPass(engine.Work{})
		d.wantAll(in)
		wantNoProblems(t, "status of "+d.name, d.engine.Status().Problems)
		if alarms := d.engine.Status().Alarms.Raised; len(alarms) > 0 {
			t.Errorf("%s raised alarms against a place that kept its promises: %v", d.name, alarms)
		}
	}
	for _, p := range []place{primary, first, second} {
		fresh := newDevice(t, p, "fresh at "+p.name, shapes()[0].limit)
		fresh.mustPass(engine.Work{})
		fresh.wantBytes(want)
		fresh.wantClean(in)
	}
}

// mirrorAll brings mirrors up to the device, which pulls what they gave back.
func mirrorAll(t *testing.T, d *device, mirrors []*mirror.Mirror, w mirror.Work) {
	t.Helper()
	for _, m := range mirrors {
		report, err := m.Pass(t.Context(), w)
		if err != nil || report.Waiting > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		if report.Restored > 0 {
			d.mustPass(engine.Work{Scrub: true})
		}
	}
}

// flow runs devices, and mirrors beside them until the devices are done.
func flow(t *testing.T, mirrors []*mirror.Mirror, devices ...func(ctx context.Context) error) {
	t.Helper()
	working, ctx := errgroup.WithContext(t.Context())
	var following errgroup.Group
	done := make(chan struct{})
	for _, m := range mirrors {
		following.Go(func() error {
			for round := 0; ; round++ {
				select {
				case <-done:
					return nil
				default:
				}
				if _, err := m.Pass(t.Context(), mirror.Work{Look: round%3 == 0, Whole: round%9 == 0}); err != nil {
					return err
				}
			}
		})
	}
	for _, work := range devices {
		working.Go(func() error { return work(ctx) })
	}
	err := working.Wait()
	close(done)
	if err := errors.Join(err, following.Wait()); err != nil {
		t.Fatal(err)
	}
}
