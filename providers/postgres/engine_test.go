package postgres_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// rounds is how many times each device passes while both write.
const rounds = 6

// attempts are for one call of a store.
const attempts = 3

// TestDevices: two devices at work at once, one of them behind the pooler, whose connections break in the midst of anything. All
// messages are there at the end, on both and on a third one, and no log holds the password.
func TestDevices(t *testing.T) {
	_, direct := ready(t, servertest.Named(t, postgrestest.Server))
	pooled := postgrestest.Through(t, servertest.Named(t, postgrestest.Pooler), direct)
	messages := enginetest.Said(t, 2*rounds*enginetest.PerRound)
	var logs [3]enginetest.Log
	var devices []*enginetest.Writer
	var group sync.WaitGroup
	for i, o := range []*postgres.Options{direct, pooled} {
		r, behind := newRelay(t, o)
		d := enginetest.NewWriter(t, newStore(t, behind), &logs[i], attempts)
		devices = append(devices, d)
		random := rand.New(rand.NewPCG(uint64(i), 17))
		group.Go(func() {
			defer r.down.Store(-1)
			d.Take(t, messages[i*rounds*enginetest.PerRound:][:rounds*enginetest.PerRound], func() {
				if random.IntN(2) == 0 {
					r.cut()
				}
				r.down.Store(random.Int64N(20_000))
			})
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	all := slices.Concat(devices[0].Given, devices[1].Given)
	devices[0].Settled(t, "one", all)
	devices[1].Settled(t, "the other", all)
	devices[0].Settled(t, "one, again", all)
	third := enginetest.NewWriter(t, newStore(t, direct), &logs[2], attempts)
	third.Settled(t, "a cold one", all)
	if !logs[0].Holds("trying again") || !logs[1].Holds("trying again") {
		t.Error("nothing broke: this test shows nothing")
	}
	for i := range logs {
		if logs[i].Holds("testsecret") {
			t.Error("the secret is in a log")
		}
	}
	wrong := *direct
	wrong.Secret = "wrongsecret"
	if _, err := enginetest.NewWriter(t, newStore(t, &wrong), &logs[2], attempts).Engine.Pass(t.Context(), engine.Work{}); !errors.Is(err, providers.ErrUnauthorised) || logs[2].Holds("wrongsecret") {
		t.Errorf("with the wrong password: %v", err)
	}
}
