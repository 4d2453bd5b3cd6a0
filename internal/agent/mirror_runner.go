package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/schedule"
)

// mirrorRunner keeps one mirror of a running account up to date, on a schedule of its
// own: a mirror that is slow or down delays neither the account nor another mirror.
type mirrorRunner struct {
	runner   *runner
	place    *mirrored
	schedule *schedule.Schedule
	failing  failures // passes; of pass alone
}

// newMirrorRunners makes one for each mirror of an open account.
func (r *runner) newMirrorRunners(account *Account) (all []*mirrorRunner) {
	for _, m := range account.mirrors {
		s := r.config.Schedule
		all = append(all, &mirrorRunner{runner: r, place: m, schedule: schedule.New(schedule.Options{
			Idle: time.Duration(s.Idle), Longest: time.Duration(s.Longest),
			Interval: time.Duration(m.config.Interval), Jitter: s.Jitter,
			Scrub: time.Duration(s.Scrub), Wait: rateLimitWait, Wall: r.options.Now,
		})})
	}
	return all
}

// setMirrors publishes the mirrors of an account that was opened.
func (r *runner) setMirrors(all []*mirrorRunner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mirrors = all
}

func (r *runner) mirrorRunners() []*mirrorRunner {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mirrors
}

// kick makes the account, all its mirrors, and the bridge to its node try at once.
func (r *runner) kick() {
	r.schedule.Kick()
	r.kickNode()
	for _, m := range r.mirrorRunners() {
		m.schedule.Kick()
	}
}

// tellMirrors hands on what a pass of the account did: what it wrote or fetched is to be
// copied, and what it misses may be had from a mirror.
func (r *runner) tellMirrors(report engine.Report) {
	mirrors := r.mirrorRunners()
	if len(mirrors) == 0 {
		return
	}
	ailing := r.account.engine.Ailing()
	news := !slices.Equal(ailing, r.ailing) && len(ailing) > 0
	r.ailing = ailing
	for _, m := range mirrors {
		if report.Pulled+report.Pushed+report.Compacted+report.Removed > 0 {
			m.schedule.Appended()
		}
		if news {
			m.schedule.Kick()
		}
	}
}

// pass is one pass that is due. The look that a schedule owes after a flush is for what
// other devices write, which comes to a mirror by the account. A shared place is looked at
// often, so there new heads decide whether everything is listed.
func (m *mirrorRunner) pass(ctx context.Context, t schedule.Trigger) error {
	account := m.runner.account
	work := mirror.Work{Look: t.Full && t.Reason != schedule.ReasonLook, Whole: t.Scrub}
	if m.place.config.Shared && t.Reason == schedule.ReasonInterval {
		work.Look = false
	}
	began := time.Now()
	long := account.mayBeLong(activity.JobMirror, mirrorText(m.place.config.Name), nil)
	remove := account.mirroring.add(long.progress)
	report, err := account.mirrorPass(ctx, m.place, work)
	remove()
	long.end(err)
	log := m.runner.log.With("mirror", m.place.config.Name, "reason", t.Reason, "took", time.Since(began).Round(time.Millisecond),
		"copied", report.Copied, "restored", report.Restored, "removed", report.Removed, "mended", report.Mended, "waiting", report.Waiting)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		log.Log(ctx, m.failing.level(err, slog.LevelWarn), "pass of a mirror failed", "error", err)
		return err
	case m.failing.over() > 0:
		log.Info("passes of a mirror succeed again")
	case report.Copied+report.Restored+report.Removed+report.Mended > 0:
		log.Info("pass of a mirror done")
	default:
		log.Debug("pass of a mirror found nothing to do")
	}
	if report.Heads > 0 {
		m.runner.schedule.Kick() // the account pulls them, and what follows comes here by itself
		return nil
	}
	return account.follow(ctx, report)
}

// flushMirrors copies what the last flush wrote, to all mirrors at once and for a
// bounded time.
func (r *runner) flushMirrors(ctx context.Context, account *Account) {
	if r.schedule.Paused() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.FlushWait/2)
	defer cancel()
	var group sync.WaitGroup
	for _, m := range account.mirrors {
		if m.mirror.Status().State != "complete" {
			continue // what is not in step now will not be at once
		}
		group.Go(func() {
			if _, err := account.mirrorPass(ctx, m, mirror.Work{}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				r.log.Warn("last copying to a mirror failed; the next start goes on", "mirror", m.config.Name, "error", err)
			}
		})
	}
	group.Wait()
}
