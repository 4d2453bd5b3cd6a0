package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

const (
	settleRounds = 64 // rounds of a pass that shall settle, at most
	idleRounds   = 3  // rounds without progress after which it gives up
)

// Pass pulls, merges, pushes and confirms once, or, with Settle, until all is
// confirmed and in shape. Passes run one at a time; others wait their turn or
// for ctx. An error leaves the journal as it was: nothing is lost, and the next
// pass goes on. It matches the sentinels of providers and ErrBlocked.
func (e *Engine) Pass(ctx context.Context, w Work) (Report, error) {
	if err := e.takeTurn(ctx); err != nil {
		return Report{}, err
	}
	defer func() { <-e.turn }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.stopped, cancel)()

	e.setState("working", nil)
	report, err := e.run(ctx, w)
	e.scratch = nil // a pass that works needs it again and again, one at rest never
	e.finish(err)
	e.mu.Lock()
	report.Pending = e.count
	e.mu.Unlock()
	if err != nil {
		return report, fmt.Errorf("engine: pass: %w", err)
	}
	return report, nil
}

func (e *Engine) takeTurn(ctx context.Context) error {
	select {
	case <-e.stopped.Done():
		return ErrClosed
	default:
	}
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped.Done():
		return ErrClosed
	}
}

func (e *Engine) run(ctx context.Context, w Work) (Report, error) {
	var report Report
	if w.Restore {
		if err := e.restore(ctx); err != nil {
			return report, err
		}
	}
	if w.Scrub || e.leftover {
		if err := e.scrub(ctx); err != nil {
			return report, err
		}
	}
	if err := e.adoptLoose(ctx); err != nil {
		return report, err
	}
	if !w.Settle {
		_, err := e.round(ctx, w, &report)
		return report, err
	}
	still := 0
	for range settleRounds {
		moved, err := e.round(ctx, Work{}, &report)
		if err != nil {
			return report, err
		}
		if e.settled() {
			return report, nil
		}
		if still++; moved {
			still = 0
		}
		if still > idleRounds {
			return report, nil
		}
		if err := e.yield(ctx, still); err != nil {
			return report, err
		}
	}
	return report, nil
}

// yield gives another device, while it does the maintenance, time to go on:
// nothing depends on it but that two do not do the same work.
func (e *Engine) yield(ctx context.Context, still int) error {
	if still == 0 || e.leads() {
		return nil
	}
	timer := time.NewTimer(e.o.Grace << (still - 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// round is pull, confirm, push and maintenance, once.
func (e *Engine) round(ctx context.Context, w Work, report *Report) (moved bool, err error) {
	before := *report
	if !w.Flush || e.flushes+1 >= e.o.LookEvery {
		if err := e.look(ctx, report); err != nil {
			return false, err
		}
	}
	if err := e.push(ctx, report); err != nil {
		return false, err
	}
	e.flushes++
	if err := e.maintain(ctx, report); err != nil {
		return false, err
	}
	if !w.Flush {
		if err := e.tidy(ctx); err != nil {
			return false, err
		}
	}
	return before != *report, nil
}

// tidy is what only passes that looked at the heads do.
func (e *Engine) tidy(ctx context.Context) error {
	if err := e.removeLater(ctx); err != nil {
		return err
	}
	if err := e.removeReceived(ctx); err != nil {
		return err
	}
	if err := e.sight(ctx, false); err != nil {
		return err
	}
	if err := e.forgetDeleted(ctx); err != nil {
		return err
	}
	return e.warm(ctx)
}

// settled tells whether nothing waits for another round of this device. What
// is out of shape waits for the device that leads.
func (e *Engine) settled() bool {
	leads := e.leads()
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.pending) == 0 && len(e.owed) == 0 && (len(e.touched) == 0 || !leads)
}

func (e *Engine) setState(state string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.State = state
	e.status.LastError, e.status.Obstacle = "", obstacle.Of(err)
	if err != nil {
		e.status.LastError = err.Error()
	}
	if errors.Is(err, ErrBlocked) {
		e.status.Obstacle = obstacle.Blocked
	}
}

func (e *Engine) finish(err error) {
	state := "idle"
	if errors.Is(err, ErrBlocked) {
		state = "blocked"
	}
	e.setState(state, err)
	e.saveProblems()
	e.mu.Lock()
	e.status.LastPass = e.o.Now()
	if err == nil {
		e.status.LastSuccess = e.status.LastPass
		e.bounds = widest()
	}
	e.mu.Unlock()
	e.keepStatus()
}

// keepStatus writes down how the account is.
func (e *Engine) keepStatus() {
	e.mu.Lock()
	kept, marshalErr := json.Marshal(e.status)
	e.mu.Unlock()
	if marshalErr != nil {
		return
	}
	if err := e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "meta", "status", kept) }); err != nil {
		e.o.Log.Warn("the status of the pass was not kept", "error", err)
	}
}

// openStatus reads how the last pass of an earlier run ended.
func (e *Engine) openStatus() error {
	plain, ok, err := e.record("meta", "status")
	if err != nil || !ok {
		return err
	}
	var kept Status
	if json.Unmarshal(plain, &kept) == nil {
		e.status.State, e.status.LastError, e.status.Obstacle = kept.State, kept.LastError, kept.Obstacle
		if kept.Obstacle == obstacle.None && kept.LastError != "" { // kept by a program that did not tell kinds
			e.status.Obstacle = obstacle.Other
		}
		e.status.LastPass, e.status.LastSuccess = kept.LastPass, kept.LastSuccess
	}
	return nil
}

// Status says how the account is, from local knowledge alone.
func (e *Engine) Status() Status {
	stats := e.o.Cache.Journal().Stats()
	e.mu.Lock()
	defer e.mu.Unlock()
	status := e.status
	if status.State == "" {
		status.State = "idle"
	}
	status.Account, status.Pending, status.PendingBytes = e.o.Account, e.count, e.bytes
	count := e.countLocked()
	status.Conversations, status.HiddenConversations = count.shown, count.hidden
	status.Heads, status.Devices = len(e.heads), 1+len(e.others)
	for _, conversation := range e.catalogue.Conversations {
		status.Chunks += len(conversation.Chunks)
	}
	e.fillProblems(&status)
	status.JournalDamaged, status.CacheRebuilt = stats.DamagedFrames, e.o.Cache.Rebuilt()
	return status
}
