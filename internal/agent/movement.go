package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// errStalled ends a pass in which nothing moved.
var errStalled = errors.New("nothing moved for a long time, so it was given up and will be tried again")

// A pass is given up when neither its progress nor the traffic with the
// provider changes for that long. Slow is fine, and long is fine.
const (
	stallAfter = 10 * time.Minute
	stallLook  = 15 * time.Second
)

// movement is what an account got done, and when.
type movement struct {
	mu      sync.Mutex
	last    time.Time // some progress, in whatever pass
	useful  time.Time // a pass ended that moved messages or heads, failed or not
	began   time.Time // the running pass, if any
	running int
}

// note says that the running pass came further.
func (m *movement) note(now time.Time) {
	m.mu.Lock()
	m.last = now
	m.mu.Unlock()
}

// get is when a pass last came further.
func (m *movement) get() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// begin says that a pass begins.
func (m *movement) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running++; m.running == 1 {
		m.began = now
	}
}

// end says that a pass ended, and what it did.
func (m *movement) end(now time.Time, r engine.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running--
	if r.Pulled+r.Pushed+r.Confirmed > 0 {
		m.useful = now
	}
}

// counts is when something last happened that speaks against being stuck.
// Progress inside a pass is no such thing, for a pass that fails again and again
// makes some each time, until the pass has run for half of limit.
func (m *movement) counts(now time.Time, limit time.Duration) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running > 0 && now.Sub(m.began) >= limit/2 {
		return latest(m.useful, m.last)
	}
	return m.useful
}

func latest(times ...time.Time) (newest time.Time) {
	for _, t := range times {
		if t.After(newest) {
			newest = t
		}
	}
	return newest
}

// listeners hands progress on to all who listen.
type listeners struct {
	mu   sync.Mutex
	next int
	list map[int]func(engine.Progress)
}

// add returns how to stop listening; f is not called after that returned.
func (l *listeners) add(f func(engine.Progress)) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = make(map[int]func(engine.Progress))
	}
	number := l.next
	l.next++
	l.list[number] = f
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.list, number)
	}
}

func (l *listeners) tell(p engine.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		f(p)
	}
}

// guarded runs work with progress listened to, and cancels it when nothing
// moves any more.
func (a *Account) guarded(ctx context.Context, progress func(engine.Progress), work func(context.Context) error) error {
	if progress != nil {
		defer a.progress.add(progress)()
	}
	state := func() moved { return moved{a.movement.get(), a.counter.Counts()} }
	return guard(ctx, state, work)
}

// moved changes whenever something moves.
type moved struct {
	progress time.Time
	traffic  providers.Counts
}

// guard runs work and cancels its context when state stays the same for
// stallAfter. It returns when work does.
func guard[T comparable](ctx context.Context, state func() T, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	group.Go(func() { cancelStalled(ctx, cancel, state) })
	err := work(ctx)
	stalled := errors.Is(context.Cause(ctx), errStalled)
	cancel(nil)
	group.Wait()
	if err != nil && stalled {
		return fmt.Errorf("agent: %w: %w: %w", providers.ErrTransient, errStalled, err)
	}
	return err
}

func cancelStalled[T comparable](ctx context.Context, cancel context.CancelCauseFunc, state func() T) {
	ticker := time.NewTicker(stallLook)
	defer ticker.Stop()
	last, since := state(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now := state(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) >= stallAfter {
			cancel(errStalled)
			return
		}
	}
}
