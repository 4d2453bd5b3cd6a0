package acceptance

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// journey is the list of places that an account moves along.
func journey() []constructor {
	here := func(t *testing.T, _ func(http.Handler) http.Handler) place { return newFolder(t) }
	bucket := func(t *testing.T, between func(http.Handler) http.Handler) place {
		p, _ := newBucket(t, between)
		return p
	}
	stations := []constructor{here, bucket, collections()[0], newDriveFolder, newNodes}
	return append(append(stations, databases()...), newSingleFile, here)
}

// traveller is a device whose cache goes with it from place to place, and which is killed
// on the way.
type traveller struct {
	*device
	folder string
	random *rand.Rand
	kills  int
	cut    atomic.Pointer[func()] // told of each request
}

func newTraveller(t *testing.T, name string, seed uint64) *traveller {
	return &traveller{device: &device{t: t, name: name}, folder: t.TempDir(), random: rand.New(rand.NewPCG(seed, seed))}
}

// open opens the device at a place, with what it knows from before.
func (v *traveller) open(p place) {
	v.t.Helper()
	v.counter = providers.Count(v.watched(p.as(v.t, v.name)))
	var err error
	if v.cache, err = cache.Open(v.folder, cache.Options{}); err != nil {
		v.t.Fatal(err)
	}
	if v.engine, err = engine.Open(context.Background(), engine.Options{
		Account: account, Root: rootKey(), Sealer: newSealer(v.t), Store: providers.Retry(v.counter, nil), Cache: v.cache, ChunkLimit: shapes()[0].limit,
	}); err != nil {
		v.t.Fatal(err)
	}
	v.history = history.New(v.engine, []string{account})
}

// close ends the device in order, as far as its cache is concerned: what a kill leaves
// there has tests of its own.
func (v *traveller) close() {
	v.t.Helper()
	if err := errors.Join(v.engine.Close(), v.cache.Close(), v.counter.Close()); err != nil {
		v.t.Fatal(err)
	}
}

// watched is a store whose every request is told of.
func (v *traveller) watched(store providers.Store) providers.Store {
	return providertest.NewFaulty(store, &providertest.FaultyOptions{Script: func(providertest.Call) providertest.Fault {
		if f := v.cut.Load(); f != nil {
			(*f)()
		}
		return providertest.Fault{}
	}})
}

// killed runs work until it was not cut off any more at a random request: after each cut
// the device is opened anew. Each attempt may take some requests more than the last.
func (v *traveller) killed(p place, work func(ctx context.Context) error) {
	v.t.Helper()
	for most := int64(40); ; most *= 2 {
		ctx, cancel := context.WithCancel(v.t.Context())
		left := atomic.Int64{}
		left.Store(1 + v.random.Int64N(most))
		cut := func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}
		v.cut.Store(&cut)
		err := work(ctx)
		v.cut.Store(nil)
		interrupted := ctx.Err() != nil
		cancel()
		if !interrupted && err != nil {
			v.t.Fatalf("%s at %s: %v", v.name, p.name, err)
		}
		if !interrupted {
			return
		}
		v.kills++
		v.close()
		v.open(p)
	}
}

// mirror is another place of the device, as it stands now.
func (v *traveller) mirror(p place, shared bool) (m *mirror.Mirror, end func()) {
	v.t.Helper()
	store := v.watched(p.as(v.t, v.name))
	m = openMirror(v.t, v.device, p.name, providers.Retry(v.counter, nil), store, shared)
	return m, func() {
		if err := store.(*providertest.Faulty).Unwrap().Close(); err != nil {
			v.t.Error(err)
		}
	}
}

// copy makes the next place complete, compared byte by byte, while messages come in.
func (v *traveller) copy(from, to place, incoming *picked) {
	v.t.Helper()
	if err := v.append(v.t.Context(), incoming); err != nil {
		v.t.Fatal(err)
	}
	restart := true
	v.killed(from, func(ctx context.Context) error {
		if err := v.inStep(ctx, to); err != nil {
			return err
		}
		m, end := v.mirror(to, true)
		defer end()
		again := restart
		restart = false // from now on an interruption goes on with comparing
		verified, err := m.Verify(ctx, again)
		if err == nil && len(verified.Missing) > 0 {
			err = errors.New("not everything is there")
		}
		return err
	})
}

// inStep lets the device and another place, where others may write, take turns until
// neither has anything for the other.
func (v *traveller) inStep(ctx context.Context, there place) error {
	m, end := v.mirror(there, true)
	defer end()
	for range settleRounds {
		if _, err := v.pass(ctx, engine.Work{Scrub: true, Settle: true}); err != nil {
			return err
		}
		report, err := m.Pass(ctx, mirror.Work{Look: true, Whole: true})
		if err != nil {
			return err
		}
		if report.Restored == 0 && report.Waiting == 0 {
			return nil
		}
	}
	return errors.New("the other place gives no rest")
}

// takeOver brings the old place and the new one in step, while another device still
// writes at the old one.
func (v *traveller) takeOver(old, fresh place) {
	v.t.Helper()
	v.killed(fresh, func(ctx context.Context) error { return v.inStep(ctx, old) })
}

// TestMove: an account moves along all kinds of places. The device that moves is cut off
// at random requests and goes on; messages come in, and another device writes at each old
// place until it follows. In the end every message is there, the same to the byte, and
// verify finds nothing.
func TestMove(t *testing.T) {
	in := newInput(t, shapes()[0])
	want := canonical(t, in)
	var stations []place
	for _, newPlace := range journey() {
		stations = append(stations, newPlace(t, nil))
	}
	hops := len(stations) - 1
	first := in.lines * 8 / 10
	part := func(number int) *picked { // the rest comes on the way, from two devices
		return in.open(t, func(line int) bool { return line >= first && line%(2*hops) == number })
	}
	v, other := newTraveller(t, "who moves", 1), newTraveller(t, "who follows", 2)
	v.open(stations[0])
	other.open(stations[0])
	if err := v.append(t.Context(), in.open(t, func(line int) bool { return line < first })); err != nil {
		t.Fatal(err)
	}
	v.settle()
	for i := range hops {
		from, to := stations[i], stations[i+1]
		kills := v.kills
		v.copy(from, to, part(2*i))
		v.close()
		v.open(to)
		if err := other.append(t.Context(), part(2*i+1)); err != nil {
			t.Fatal(err)
		}
		other.settle()
		v.takeOver(from, to)
		other.settle()
		other.copy(from, to, part(-1)) // and follows, in the same way
		v.takeOver(from, to)           // finished
		other.close()
		other.open(to)
		t.Logf("%s to %s: cut off %d times", from.name, to.name, v.kills-kills)
		if v.kills == kills {
			t.Error("nothing was cut off: this shows little")
		}
	}
	last := stations[hops]
	untilQuiet(t, v.device, other.device)
	v.mustPass(engine.Work{Scrub: true, Settle: true})
	for _, d := range []*device{v.device, other.device, newDevice(t, last, "fresh", shapes()[0].limit)} {
		d.mustPass(engine.Work{})
		d.wantBytes(want)
		d.wantAll(in)
		if alarms := d.engine.Status().Alarms.Raised; len(alarms) > 0 {
			t.Errorf("%s raised alarms against places that kept their promises: %v", d.name, alarms)
		}
	}
	v.wantClean(in)
	v.close()
	other.close()
}
