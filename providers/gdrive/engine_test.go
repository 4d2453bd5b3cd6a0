package gdrive_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// calm makes retries quick.
func calm(store providers.Store) providers.Store {
	return providers.Retry(store, &providers.RetryOptions{Attempts: 6, Sleep: instantly})
}

// faults are what may stand between an engine and a store of Drive.
var faults = map[string]func(*drivetest.Server, providers.Store, uint64) providers.Store{
	"nothing": func(_ *drivetest.Server, store providers.Store, _ uint64) providers.Store { return store },
	"faulty": func(_ *drivetest.Server, store providers.Store, seed uint64) providers.Store {
		return calm(providertest.NewFaulty(store, &providertest.FaultyOptions{Seed: seed, Rate: 0.15}))
	},
	"torn": func(_ *drivetest.Server, store providers.Store, seed uint64) providers.Store {
		return providertest.NewTorn(store, &providertest.TornOptions{Seed: seed, Rate: 0.15})
	},
	"stale": func(_ *drivetest.Server, store providers.Store, seed uint64) providers.Store {
		return providertest.NewStale(store, &providertest.StaleOptions{Seed: seed, Operations: 12, Random: true})
	},
	"slow": func(_ *drivetest.Server, store providers.Store, seed uint64) providers.Store {
		return providertest.NewSlow(store, &providertest.SlowOptions{Seed: seed, Longest: time.Millisecond})
	},
	"lagging": func(server *drivetest.Server, store providers.Store, _ uint64) providers.Store {
		server.SetLag(6)
		return calm(store)
	},
	"Drive's own": func(server *drivetest.Server, store providers.Store, seed uint64) providers.Store {
		server.SetLag(3)
		server.Inject(chances(seed))
		return calm(store)
	},
}

// chances fails one call of eight in Drive's own ways.
func chances(seed uint64) func(drivetest.Call) *drivetest.Fault {
	chance := rand.New(rand.NewPCG(seed, 7)) // the double asks for one call at a time
	own := []drivetest.Fault{
		{Status: 403, Reason: "userRateLimitExceeded", After: true}, {Status: 403, Reason: "rateLimitExceeded"}, {Drop: true, After: true},
		{Status: 503, Reason: "backendError", After: true}, {Status: 500, Page: "<html>"}, {Flip: true}, {Shorten: true}, {Status: 429},
	}
	return func(call drivetest.Call) *drivetest.Fault {
		fault := own[chance.IntN(len(own))]
		if chance.IntN(8) > 0 || (fault.Flip || fault.Shorten) && call.Query.Get("alt") != "media" {
			return nil
		}
		return &fault
	}
}

// TestTwoDevices: two devices write at once, over every fault; in the end each has all, and so has a third, cold one.
func TestTwoDevices(t *testing.T) {
	for name, wrap := range faults {
		for mode := range modes {
			if mode != "files" && name != "nothing" && name != "Drive's own" {
				continue // those know nothing of modes
			}
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				server := start(t)
				o := options(server)
				modes[mode](o)
				if err := gdrive.Create(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				one, two := another(t, o), another(t, o)
				names(t, one, "a/") // each has found the folder before searches begin to lag
				names(t, two, "a/")
				devices := []*enginetest.Counter{enginetest.NewCounter(t, wrap(server, one, 1), 1), enginetest.NewCounter(t, wrap(server, two, 2), 1)}
				const rounds, each = 6, 6
				var group sync.WaitGroup
				for i, d := range devices {
					group.Go(func() {
						for round := range rounds {
							d.Write(1+(2*round+i)*each, each)
							d.Try(engine.Work{})
						}
					})
				}
				group.Wait()
				server.Inject(nil)
				server.SetLag(0)
				const all = 2 * rounds * each
				enginetest.Settle(t, devices, all)
				for i, d := range devices {
					d.Holds(fmt.Sprint("device ", i+1), all)
				}
				cold := enginetest.NewCounter(t, another(t, o), 1)
				cold.Try(engine.Work{})
				cold.Holds("a cold device", all)
				found, err := cold.Verify(t.Context(), engine.VerifyOptions{Deep: true})
				if err != nil || len(found.Problems) > 0 {
					t.Errorf("%d problems, %v: %+v", len(found.Problems), err, found.Problems)
				}
			})
		}
	}
}

// TestCosts: what passes cost in requests, once ids are there.
func TestCosts(t *testing.T) {
	server := start(t)
	o := options(server)
	d := enginetest.NewCounter(t, open(t, o), 0)
	d.Write(1, 20)
	d.Try(engine.Work{})
	for range 3 {
		d.Try(engine.Work{})
	}
	server.Counts()
	d.Try(engine.Work{})
	wantCounts(t, "an idle pass", server, map[string]int{"files.list": 1})
	d.Write(21, 1)
	d.Try(engine.Work{})
	t.Logf("a flush of one message: %v", server.Counts())
	d.Try(engine.Work{})
	t.Logf("the pass after it: %v", server.Counts())
	d.Try(engine.Work{})
	wantCounts(t, "idle again", server, map[string]int{"files.list": 1})
	cold := enginetest.NewCounter(t, another(t, o), 0)
	cold.Try(engine.Work{})
	cold.Holds("cold", 21)
	t.Logf("a cold device: %v", server.Counts())
}
