// Package schedule decides when a pass runs: after appends, on notices, at an
// interval, after sleep, and after failures. It is timing and nothing else: it
// knows no engine and no provider, only a function to call.
//
// Import order: below sync/engine and internal/agent; it imports only the standard
// library.
//
// No decision about data hangs on these clocks; a pass that runs too early or
// too late is still right (design.md, part 4, invariant 10).
package schedule

import (
	"context"
	"sync"
	"time"
)

// Trigger says which kind of pass is due, and why. Either Flush or Full is set.
type Trigger struct {
	Flush  bool   // push what was appended; no look at others is owed yet
	Full   bool   // pull, merge, push, confirm
	Scrub  bool   // with Full: list everything, too
	Reason string // one of the Reason constants
}

// Why a pass runs, for logs and status.
const (
	ReasonStart    = "start"
	ReasonAppend   = "append"
	ReasonLook     = "look"     // after the last flush, others are looked at
	ReasonNotice   = "notice"   // the provider said that something changed
	ReasonInterval = "interval" // time is up
	ReasonScrub    = "scrub"
	ReasonRetry    = "retry" // after a failure
	ReasonWake     = "wake"  // the machine slept
	ReasonKick     = "kick"  // somebody asked, or the network came back
)

// Schedule runs one account's passes. Its methods are safe for concurrent use
// and never wait for a pass, except Run and Watch.
type Schedule struct {
	options Options
	wake    chan struct{} // capacity 1: something changed that next must see

	mu   sync.Mutex
	plan plan
	next time.Time // when the loop acts next, for Next
}

// New returns a schedule that does nothing until Run. Zero options have the
// defaults that [Options] names.
func New(o Options) *Schedule {
	return &Schedule{options: o.withDefaults(), wake: make(chan struct{}, 1)}
}

// Run calls pass, one at a time, whenever one is due, until ctx ends, and
// returns ctx's error. The first pass runs at once. The context of a pass ends
// with ctx. A schedule runs once.
func (s *Schedule) Run(ctx context.Context, pass func(context.Context, Trigger) error) error {
	clock := newSleepClock(s.options.Wall)
	s.mu.Lock()
	s.plan.start(time.Now(), s.options)
	s.mu.Unlock()
	for ctx.Err() == nil {
		trigger, due := s.step(clock.slept())
		if !due {
			s.wait(ctx)
			continue
		}
		err := pass(ctx, trigger)
		if ctx.Err() != nil {
			break // the stop made it fail, or it does not matter any more
		}
		s.mu.Lock()
		s.plan.finish(trigger, err, time.Now(), s.options)
		s.mu.Unlock()
	}
	return ctx.Err()
}

// step decides: a trigger that is due now, or else when to look again.
func (s *Schedule) step(slept bool) (Trigger, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if slept {
		s.plan.kick = ReasonWake
	}
	trigger, at := s.plan.decide(now, s.options)
	s.next = at
	if at.IsZero() || at.After(now) {
		return Trigger{}, false
	}
	s.next = time.Time{}
	s.plan.begin(trigger)
	return trigger, true
}

// wait returns when the next decision is due, something changed, a tick for the
// detection of sleep has passed, or ctx ended.
func (s *Schedule) wait(ctx context.Context) {
	pause := s.options.Tick
	if at := s.Next(); !at.IsZero() {
		pause = min(pause, time.Until(at))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wake:
	case <-ctx.Done():
	}
}

// Appended says that something waits in the journal: a flush follows when Idle
// has passed without another call, at the latest Longest after the first.
func (s *Schedule) Appended() {
	s.mu.Lock()
	first := s.plan.appended(time.Now())
	s.mu.Unlock()
	if first { // later calls only move the time, which wait finds out itself
		s.signal()
	}
}

// Notice says that the provider may have changed: a full pass follows after
// Idle, counted from the first notice.
func (s *Schedule) Notice() {
	s.mu.Lock()
	first := s.plan.noticed.IsZero()
	if first {
		s.plan.noticed = time.Now()
	}
	s.mu.Unlock()
	if first {
		s.signal()
	}
}

// Look says that the running pass, or the last one, wrote what only another look
// can confirm: a full pass follows soon, as it does after every flush.
func (s *Schedule) Look() {
	s.mu.Lock()
	if s.plan.look.IsZero() {
		s.plan.look = time.Now().Add(lookAfter * s.options.Idle)
	}
	s.mu.Unlock()
	s.signal()
}

// Kick makes a full pass run at once, or right after the running one, whatever
// the waiting time after a failure. A pause stays a pause.
func (s *Schedule) Kick() {
	s.mu.Lock()
	s.plan.kick = ReasonKick
	s.mu.Unlock()
	s.signal()
}

// Pause stops (true) or resumes (false) all passes; a running one goes on. What
// was due while paused runs at once when resumed.
func (s *Schedule) Pause(paused bool) {
	s.mu.Lock()
	s.plan.paused = paused
	s.mu.Unlock()
	s.signal()
}

// Small makes only flushes run (true), of what was appended, or everything again (false). What
// else became due meanwhile runs then.
func (s *Schedule) Small(small bool) {
	s.mu.Lock()
	changed := s.plan.small != small
	s.plan.setSmall(small)
	s.mu.Unlock()
	if changed {
		s.signal()
	}
}

// Paused reports whether the schedule is paused.
func (s *Schedule) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan.paused
}

// Next is when the next pass is due as far as is known; the zero time when none
// is known: paused, not running, or in the middle of a pass.
func (s *Schedule) Next() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// Watch calls Notice for each value of changes, and returns when changes is
// closed or ctx ends. A nil channel never delivers.
func (s *Schedule) Watch(ctx context.Context, changes <-chan struct{}) {
	for {
		select {
		case _, open := <-changes:
			if !open {
				return
			}
			s.Notice()
		case <-ctx.Done():
			return
		}
	}
}

func (s *Schedule) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // one signal is enough
	}
}
