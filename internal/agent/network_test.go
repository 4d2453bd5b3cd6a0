package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/sync/schedule"
)

// TestNetworkChanges: a network that came or changed makes accounts and bridges try at once, one that went makes nothing,
// and after sleep the bridge tries, which counts no time asleep. Otherwise nothing runs before its time.
func TestNetworkChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addresses atomic.Value
		var asleep atomic.Int64
		addresses.Store("192.0.2.7/24")
		now := func() time.Time { return time.Now().Round(0).Add(time.Duration(asleep.Load())) }
		o := Options{AccountOptions: AccountOptions{Config: &config.Config{Data: t.TempDir()}, Log: slog.New(slog.DiscardHandler), Now: now}}
		r := newRunner(config.Account{Name: "alice.eth"}, o)
		r.schedule = schedule.New(schedule.Options{Interval: time.Hour, Wall: time.Now}) // of this, sleep is not the matter
		a := &Agent{options: o, log: o.Log, runners: []*runner{r}, addresses: func() string { return addresses.Load().(string) }}
		passes := 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			_ = r.schedule.Run(ctx, func(context.Context, schedule.Trigger) error { passes++; return nil })
		}()
		go a.watchNetwork(ctx)
		looks := 0
		expect := func(what string, wantPasses, wantLooks int) {
			t.Helper()
			time.Sleep(networkEvery + time.Second)
			synctest.Wait()
			for len(r.nodeNow) > 0 {
				<-r.nodeNow
				looks++
			}
			if passes != wantPasses || looks != wantLooks {
				t.Errorf("%s: %d passes and %d looks at the node, want %d and %d", what, passes, looks, wantPasses, wantLooks)
			}
		}
		expect("the first", 1, 0)
		expect("nothing has changed", 1, 0)
		addresses.Store("")
		expect("the network went", 1, 0)
		addresses.Store("192.0.2.7/24")
		expect("it came back", 2, 1)
		addresses.Store("198.51.100.9/24")
		expect("another one", 3, 2)
		asleep.Store(int64(8 * time.Hour))
		expect("a night asleep", 3, 3)
		asleep.Store(int64(time.Hour)) // a clock that is set back is no sleep
		expect("the clock back", 3, 3)
		expect("nothing again", 3, 3)
	})
}

// TestWaitForNode: a look that somebody asks for is at once; a change of the tree waits for its moment.
func TestWaitForNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{}, 1)
		asked <- struct{}{}
		changed := make(chan struct{})
		close(changed)
		for name, c := range map[string]struct {
			changed, asked <-chan struct{}
			now            bool
			took           time.Duration
		}{
			"due":     {nil, nil, false, time.Hour},
			"asked":   {nil, asked, true, 0},
			"changed": {changed, nil, false, nodeQuiet},
		} {
			began := time.Now()
			if now, err := waitForNode(t.Context(), time.Hour, c.changed, c.asked); now != c.now || err != nil || time.Since(began) != c.took {
				t.Errorf("%s: %v, %v after %s", name, now, err, time.Since(began))
			}
		}
	})
}
