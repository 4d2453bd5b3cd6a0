package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errPass = errors.New("pass failed")

// rig runs a schedule in a synctest bubble and writes down its passes.
type rig struct {
	*Schedule
	t      *testing.T
	began  time.Time
	cancel context.CancelFunc

	mu     sync.Mutex
	log    []string
	fail   error         // what the next passes return
	length time.Duration // how long a pass takes
}

func start(t *testing.T, o Options) *rig {
	ctx, cancel := context.WithCancel(t.Context())
	r := &rig{Schedule: New(o), t: t, began: time.Now(), cancel: cancel}
	done := make(chan error)
	go func() { done <- r.Run(ctx, r.pass) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	return r
}

func (r *rig) pass(ctx context.Context, trigger Trigger) error {
	r.mu.Lock()
	kind := "flush"
	if trigger.Full {
		kind = "full"
	}
	if trigger.Scrub {
		kind = "scrub"
	}
	r.log = append(r.log, fmt.Sprintf("%v %s %s", time.Since(r.began), kind, trigger.Reason))
	length, fail := r.length, r.fail
	r.mu.Unlock()
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	return fail
}

func (r *rig) set(fail error, length time.Duration) {
	r.mu.Lock()
	r.fail, r.length = fail, length
	r.mu.Unlock()
}

func (r *rig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want compares what ran since the last call with the given passes.
func (r *rig) want(passes ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.log, passes) {
		r.t.Errorf("passes:\n  %s\nwant:\n  %s", strings.Join(r.log, "\n  "), strings.Join(passes, "\n  "))
	}
	r.log = nil
}

func bubble(t *testing.T, name string, o Options, f func(*testing.T, *rig)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, start(t, o)) })
	})
}

func TestAppends(t *testing.T) {
	bubble(t, "one append is flushed after the idle time, then looked after", Options{}, func(_ *testing.T, r *rig) {
		r.sleep(10 * time.Second)
		r.Appended()
		r.sleep(30 * time.Second)
		r.want("0s full start", "12s flush append", "22s full look")
	})
	bubble(t, "steady appends are flushed at the longest wait", Options{Interval: time.Hour}, func(_ *testing.T, r *rig) {
		r.sleep(500 * time.Millisecond)
		for range 58 { // never at the same instant as a pass
			r.Appended()
			r.sleep(700 * time.Millisecond)
		}
		r.want("0s full start", "15.5s flush append", "25.5s full look", "40.7s flush append")
	})
	bubble(t, "appends during a pass are flushed after it", Options{}, func(_ *testing.T, r *rig) {
		r.want("0s full start")
		r.set(nil, 10*time.Second)
		r.Kick()
		r.sleep(time.Second)
		r.Appended()
		r.sleep(20 * time.Second)
		r.want("0s full kick", "10s flush append")
	})
	bubble(t, "a full pass that wrote something is looked after, too", Options{}, func(_ *testing.T, r *rig) {
		r.sleep(10 * time.Second)
		r.Look()
		r.sleep(time.Second)
		r.Look()
		r.sleep(20 * time.Second)
		r.set(nil, 5*time.Second)
		r.Kick()
		r.sleep(time.Second)
		r.Look() // by the pass itself
		r.sleep(20 * time.Second)
		r.want("0s full start", "20s full look", "31s full kick", "42s full look")
	})
	bubble(t, "a full pass takes the appends along", Options{Interval: 10 * time.Second}, func(_ *testing.T, r *rig) {
		r.sleep(9 * time.Second)
		r.Appended()
		r.sleep(9 * time.Second)
		r.want("0s full start", "10s full interval")
	})
}

func TestIntervalAndScrub(t *testing.T) {
	bubble(t, "the interval counts from the last full pass", Options{}, func(_ *testing.T, r *rig) {
		r.set(nil, 5*time.Second)
		r.sleep(150 * time.Second)
		r.want("0s full start", "1m0s full interval", "2m5s full interval")
	})
	jitter := Options{Jitter: 0.5, Random: func() float64 { return 0.9 }}
	bubble(t, "jitter moves it", jitter, func(_ *testing.T, r *rig) {
		r.sleep(100 * time.Second)
		r.want("0s full start", "1m24s full interval")
	})
	scrub := Options{Interval: 24 * time.Hour, Scrub: 10 * time.Hour, FirstScrub: time.Hour}
	bubble(t, "scrubs come at their own interval", scrub, func(_ *testing.T, r *rig) {
		r.sleep(12 * time.Hour)
		r.want("0s full start", "1h0m0s scrub scrub", "11h0m0s scrub scrub")
	})
	failing := Options{Interval: 24 * time.Hour, Scrub: 24 * time.Hour, FirstScrub: time.Hour}
	bubble(t, "a failing scrub does not take the place of plain passes", failing, func(_ *testing.T, r *rig) {
		r.sleep(time.Minute)
		r.set(errPass, 0)
		r.sleep(time.Hour - time.Minute)
		r.set(nil, 0)
		r.sleep(90 * time.Minute)
		r.want("0s full start", "1h0m0s scrub scrub", "1h0m5s full retry", "2h0m0s scrub scrub")
	})
}

func TestNotices(t *testing.T) {
	bubble(t, "notices are gathered", Options{}, func(t *testing.T, r *rig) {
		changes := make(chan struct{})
		go r.Watch(t.Context(), changes)
		r.sleep(10 * time.Second)
		for range 5 {
			changes <- struct{}{}
			r.sleep(100 * time.Millisecond)
		}
		r.sleep(10 * time.Second)
		close(changes)
		r.want("0s full start", "12s full notice")
	})
	bubble(t, "a nil channel delivers nothing", Options{}, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.Watch(ctx, nil)
		r.want("0s full start")
	})
}

func TestFailures(t *testing.T) {
	bubble(t, "waits grow up to the limit, then start anew", Options{RetryLimit: 30 * time.Second}, func(_ *testing.T, r *rig) {
		r.want("0s full start")
		r.set(errPass, 0)
		r.Kick()
		r.sleep(80 * time.Second)
		r.want("0s full kick", "5s full retry", "15s full retry", "35s full retry", "1m5s full retry")
		r.set(nil, 0)
		r.sleep(20 * time.Second)
		r.want("1m35s full retry")
		r.set(errPass, 0)
		r.Appended()
		r.sleep(10 * time.Second)
		r.want("1m42s flush append", "1m47s full retry")
	})
	long := Options{Jitter: 0.5, Random: func() float64 { return 0.9 }}
	bubble(t, "no wait is longer than the interval", long, func(_ *testing.T, r *rig) {
		r.set(errPass, 0)
		r.Kick()
		r.sleep(4 * time.Minute)
		r.set(nil, 0)
		r.sleep(time.Minute)
		r.want("0s full start", "0s full kick", "7s full retry", "21s full retry", "49s full retry",
			"1m45s full retry", "2m45s full retry", "3m45s full retry", "4m45s full retry")
	})
	bubble(t, "appends and notices do not shorten the wait", Options{}, func(_ *testing.T, r *rig) {
		r.want("0s full start")
		r.set(errPass, 0)
		r.Kick()
		for range 19 {
			r.Appended()
			r.Notice()
			r.sleep(time.Second)
		}
		r.want("0s full kick", "5s full retry", "15s full retry")
	})
	bubble(t, "a kick does", Options{}, func(_ *testing.T, r *rig) {
		r.set(errPass, 0)
		r.sleep(60 * time.Second)
		r.want("0s full start", "1m0s full interval")
		r.sleep(time.Second)
		r.Kick()
		r.sleep(time.Second)
		r.want("1m1s full kick")
	})
	wait := Options{Wait: func(error) time.Duration { return time.Hour }, RetryLimit: time.Minute}
	bubble(t, "the place's own wait is kept", wait, func(_ *testing.T, r *rig) {
		r.set(errPass, 0)
		r.sleep(time.Minute)
		r.set(nil, 0)
		r.sleep(70 * time.Minute)
		r.want("0s full start", "1m0s full interval", "1h1m0s full retry", "1h2m0s full interval",
			"1h3m0s full interval", "1h4m0s full interval", "1h5m0s full interval", "1h6m0s full interval",
			"1h7m0s full interval", "1h8m0s full interval", "1h9m0s full interval", "1h10m0s full interval", "1h11m0s full interval")
	})
}

func TestKickAndPause(t *testing.T) {
	bubble(t, "kicks during a pass make one more", Options{}, func(_ *testing.T, r *rig) {
		r.set(nil, 10*time.Second)
		r.sleep(60 * time.Second)
		r.want("0s full start", "1m0s full interval")
		r.Kick()
		r.Kick()
		r.sleep(30 * time.Second)
		r.want("1m10s full kick")
	})
	bubble(t, "a pause holds everything back", Options{}, func(t *testing.T, r *rig) {
		r.want("0s full start")
		r.Pause(true)
		r.Appended()
		r.Notice()
		r.Kick()
		r.sleep(2 * time.Hour)
		r.want()
		if !r.Paused() || !r.Next().IsZero() {
			t.Errorf("paused %v, next %v", r.Paused(), r.Next())
		}
		r.Pause(false)
		r.want("2h0m0s full kick")
	})
	bubble(t, "next tells when", Options{}, func(t *testing.T, r *rig) {
		if got := time.Until(r.Next()); got != time.Minute {
			t.Errorf("next pass in %v", got)
		}
		r.Appended()
		synctest.Wait()
		if got := time.Until(r.Next()); got != 2*time.Second {
			t.Errorf("next pass in %v", got)
		}
	})
}

func TestWakingUp(t *testing.T) {
	var mu sync.Mutex
	var ahead time.Duration // how far the wall clock runs ahead
	wall := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	bubble(t, "a jump of the wall clock", Options{Interval: time.Hour, Wall: wall}, func(t *testing.T, r *rig) {
		r.sleep(40 * time.Second)
		mu.Lock()
		ahead = 8 * time.Hour // asleep over night
		mu.Unlock()
		r.sleep(60 * time.Second)
		r.want("0s full start", "1m0s full wake")
		mu.Lock()
		ahead = -time.Hour // a clock that is set back is no sleep
		mu.Unlock()
		r.sleep(60 * time.Second)
		r.want()
	})
}

// A clock that jumps about costs a pass for each jump forward, and holds none up.
func TestClockJumps(t *testing.T) {
	var ahead atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	const week, decades = 7 * 24 * time.Hour, 30 * 365 * 24 * time.Hour
	bubble(t, "a week asleep, then back to the seventies, then right again", Options{Interval: 10 * time.Minute, Wall: wall}, func(_ *testing.T, r *rig) {
		r.sleep(40 * time.Second)
		ahead.Store(int64(week))
		r.sleep(60 * time.Second)
		ahead.Store(-int64(decades))
		r.sleep(60 * time.Second)
		r.Appended() // the wrong time keeps nothing waiting
		r.sleep(60 * time.Second)
		ahead.Store(0)
		r.sleep(40 * time.Minute)
		r.want("0s full start", "1m0s full wake", "2m42s flush append", "2m52s full look", "3m52s full wake",
			"13m52s full interval", "23m52s full interval", "33m52s full interval")
	})
	bubble(t, "jumping all the time", Options{Interval: 10 * time.Minute, Wall: wall}, func(_ *testing.T, r *rig) {
		for i := range 12 {
			ahead.Store(int64(i%2) * int64(week))
			r.sleep(30 * time.Second)
		}
		r.want("0s full start", "1m0s full wake", "2m0s full wake", "3m0s full wake", "4m0s full wake", "5m0s full wake", "6m0s full wake")
	})
}

func TestStopDuringPass(t *testing.T) {
	bubble(t, "the pass sees the end of the context", Options{}, func(t *testing.T, r *rig) {
		r.want("0s full start")
		r.set(nil, 1000*time.Hour)
		r.Kick()
		r.sleep(time.Minute)
		r.cancel()
		r.sleep(time.Second)
		r.want("0s full kick")
	})
}
