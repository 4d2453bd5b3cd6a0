package webdav_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/providers/webdav"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// rounds is how many times each device passes while both write.
const rounds = 6

// attempts are for one call of a store.
const attempts = 8

// faults are what may stand between a device and its place.
func faults(seed uint64) map[string]func(providers.Store) providers.Store {
	faulty := func(store providers.Store) providers.Store {
		return providertest.NewFaulty(store, &providertest.FaultyOptions{
			Seed: seed, Rate: 0.1, Errors: []error{providers.ErrTransient, &providers.RateLimitError{Wait: time.Second}},
		})
	}
	torn := func(store providers.Store) providers.Store {
		return providertest.NewTorn(store, &providertest.TornOptions{Seed: seed, Rate: 0.1})
	}
	stale := func(store providers.Store) providers.Store {
		return providertest.NewStale(store, &providertest.StaleOptions{Seed: seed, Operations: 8, Random: true})
	}
	slow := func(store providers.Store) providers.Store {
		return providertest.NewSlow(store, &providertest.SlowOptions{Seed: seed, Longest: 3 * time.Millisecond})
	}
	return map[string]func(providers.Store) providers.Store{
		"none":   func(store providers.Store) providers.Store { return store },
		"faulty": faulty, "torn": torn, "stale": stale, "slow": slow,
		"all": func(store providers.Store) providers.Store { return faulty(torn(stale(slow(store)))) },
	}
}

// TestIdlePass: a pass that finds nothing new costs one request, and a flush no more than the objects that it writes and
// reads back.
func TestIdlePass(t *testing.T) {
	seen := &requests{}
	o := login(serve(t, handler(t.TempDir(), seen.add)) + "/dm3")
	d := enginetest.NewWriter(t, place(t, o), &enginetest.Log{}, attempts)
	messages := enginetest.Said(t, 2*enginetest.PerRound)
	d.Take(t, messages[:enginetest.PerRound], nil)
	d.Settled(t, "the device", d.Given)
	seen.take()
	for range 3 {
		if _, err := d.Engine.Pass(t.Context(), engine.Work{}); err != nil {
			t.Fatal(err)
		}
		seen.want(t, "idle", "PROPFIND")
	}
	d.Take(t, messages[enginetest.PerRound:], nil)
	t.Logf("a pass with %d messages: %v", enginetest.PerRound, seen.take())
	d.Settled(t, "the device", d.Given)
	seen.take()
	cold := enginetest.NewWriter(t, newStore(t, o), &enginetest.Log{}, attempts)
	if _, err := cold.Engine.Pass(t.Context(), engine.Work{}); err != nil {
		t.Fatal(err)
	}
	if found := cold.Count(t, d.Given); found != len(d.Given) {
		t.Errorf("a cold device has %d of %d", found, len(d.Given))
	}
	t.Logf("a cold device, with all %d messages read: %v", len(d.Given), seen.take())
}

// TestDevices: two devices at work at once, with faults between them and the place. All messages are there at the end, on
// both and on a third one that comes to the place as it is.
func TestDevices(t *testing.T) {
	for _, name := range []string{"none", "faulty", "torn", "stale", "slow"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			twoDevices(t, login(serve(t, handler(t.TempDir(), nil))+"/dm3"), name)
		})
	}
}

// TestDevicesServers is the same on real servers, with all faults at once.
func TestDevicesServers(t *testing.T) {
	for _, server := range servers() {
		t.Run(server.variable, func(t *testing.T) {
			t.Parallel()
			twoDevices(t, server.options(t), "all")
		})
	}
}

func twoDevices(t *testing.T, o *webdav.Options, fault string) {
	t.Helper()
	messages := enginetest.Said(t, 2*rounds*enginetest.PerRound)
	var logs [3]enginetest.Log
	one := enginetest.NewWriter(t, faults(1)[fault](place(t, o)), &logs[0], attempts)
	other := enginetest.NewWriter(t, faults(2)[fault](newStore(t, o)), &logs[1], attempts)
	var group sync.WaitGroup
	group.Go(func() { one.Take(t, messages[:rounds*enginetest.PerRound], nil) })
	group.Go(func() { other.Take(t, messages[rounds*enginetest.PerRound:], nil) })
	group.Wait()
	if t.Failed() {
		return
	}
	all := append(slices.Clone(one.Given), other.Given...)
	one.Settled(t, "one", all)
	other.Settled(t, "the other", all)
	one.Settled(t, "one, again", all)
	third := enginetest.NewWriter(t, newStore(t, o), &logs[2], attempts)
	third.Settled(t, "a cold one", all)
	for i := range logs {
		if logs[i].Holds(testSecret) || logs[i].Holds(testEncoded) {
			t.Error("the secret is in a log")
		}
	}
}
