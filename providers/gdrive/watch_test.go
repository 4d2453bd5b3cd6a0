package gdrive_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// stepped is a clock for a watch: each step lets it look once more, and gives the pause that it asked for.
type stepped struct{ asked, wake chan time.Duration }

func (s *stepped) sleep(ctx context.Context, wait time.Duration) error {
	select {
	case s.asked <- wait:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step waits until the watch is asleep, and wakes it; the next step therefore comes after one look.
func (s *stepped) step() (wait time.Duration) {
	wait = <-s.asked
	s.wake <- 0
	return wait
}

// look makes the watch look once, and tells whether it told of something.
func look(s *stepped, changed <-chan struct{}) bool {
	s.step()
	wait := <-s.asked // it has looked
	go func() { s.asked <- wait }()
	select {
	case <-changed:
		return true
	default:
		return false
	}
}

// watching starts a watch that has its cursor.
func watching(t *testing.T, server *drivetest.Server, o *gdrive.Options) (*gdrive.Store, *stepped, <-chan struct{}) {
	t.Helper()
	clock := &stepped{asked: make(chan time.Duration), wake: make(chan time.Duration)}
	if err := gdrive.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Sleep = clock.sleep
	o.Poll = time.Minute
	store := another(t, o)
	changed, err := providers.Watch(t.Context(), providers.Count(store))
	if err != nil {
		t.Fatal(err)
	}
	if look(clock, changed) {
		t.Error("something is told at the start")
	}
	server.Counts()
	return store, clock, changed
}

// TestWatch: what others do is told, with one request each time, what is done here is not.
func TestWatch(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			server := start(t)
			o := options(server)
			change(o)
			plain := *o
			store, clock, changed := watching(t, server, o)
			other := another(t, &plain)
			if look(clock, changed) {
				t.Error("nothing has happened")
			}
			wantCounts(t, "a look", server, map[string]int{"changes.list": 1})
			put(t, store, "a/1")
			if look(clock, changed) {
				t.Error("an own put is told")
			}
			put(t, other, "a/2", "a/3")
			if !look(clock, changed) {
				t.Error("puts of another device are not told")
			}
			if err := other.Delete(t.Context(), "a/2"); err != nil {
				t.Fatal(err)
			}
			if !look(clock, changed) {
				t.Error("a deletion is not told")
			}
			if look(clock, changed) {
				t.Error("something is told twice")
			}
		})
	}
}

// TestWatchLostCursor: what happened meanwhile is not known, so it is told that something may have.
func TestWatchLostCursor(t *testing.T) {
	server := start(t)
	_, clock, changed := watching(t, server, options(server))
	server.LoseCursors()
	if !look(clock, changed) {
		t.Error("a lost cursor is not told")
	}
	if look(clock, changed) {
		t.Error("it is told twice")
	}
}

// TestWatchFailures: while it can't look it asks more seldom, and no sooner than the server says; then it goes on.
func TestWatchFailures(t *testing.T) {
	server := start(t)
	o := options(server)
	plain := *o
	_, clock, changed := watching(t, server, o)
	var fault atomic.Pointer[drivetest.Fault]
	fault.Store(&drivetest.Fault{Status: 503, Reason: "backendError"})
	server.Inject(func(call drivetest.Call) *drivetest.Fault {
		if call.Operation == "changes.list" {
			return fault.Load()
		}
		return nil
	})
	put(t, another(t, &plain), "a/1")
	for _, want := range []float64{1, 2, 4, 8, 10, 10} {
		if wait := clock.step(); wait.Minutes() != want {
			t.Errorf("waits %v, want %v min", wait, want)
		}
	}
	fault.Store(&drivetest.Fault{Status: 403, Reason: "userRateLimitExceeded", RetryAfter: "1800"})
	clock.step()
	if wait := clock.step(); wait != 30*time.Minute {
		t.Errorf("the server wants half an hour, it waits %v", wait)
	}
	fault.Store(nil)
	clock.step()
	if !look(clock, changed) {
		select {
		case <-changed:
		default:
			t.Error("the put is lost")
		}
	}
	if wait := clock.step(); wait != time.Minute {
		t.Errorf("afterwards it waits %v", wait)
	}
}

// TestWatchEnds: the channel is closed with the context.
func TestWatchEnds(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	ctx, cancel := context.WithCancel(t.Context())
	changed, err := store.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range changed {
	}
}
