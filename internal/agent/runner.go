package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/limits"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
	"github.com/dm3sync/dm3sync/sync/schedule"
)

const (
	// openRetry and openRetryLimit bound the waits between attempts to open an
	// account whose secret or cache is not available; nor are they longer than
	// its interval.
	openRetry      = time.Second
	openRetryLimit = time.Minute

	// stuckAfter is how long an account may fail, or get nothing done, before
	// its status calls it stuck: well above any retry.
	stuckAfter = 15 * time.Minute

	// readyWait is how long a call waits for the first attempt to open an
	// account to end, as just after the agent's start.
	readyWait = 5 * time.Second
)

// runner runs one account, from opening it to its last flush.
type runner struct {
	config   config.Account
	options  Options
	folder   string // of the account's cache
	log      *slog.Logger
	schedule *schedule.Schedule
	started  time.Time
	running  atomic.Bool
	agent    *Agent        // whose it is; nil outside of one
	again    chan struct{} // asks for an attempt to open at once
	nodeNow  chan struct{} // asks for a look at the dm3 node at once
	tried    chan struct{} // closed when the first attempt to open has ended
	once     sync.Once     // closes tried
	ailing   []string      // objects that the place did not give whole, after the last pass; of pass alone
	full     bool          // the last pass that got through, or was refused for lack of room, ended so; of pass alone
	asked    time.Time     // when the place was last asked for its room; of pass alone
	failing  failures      // passes; of pass alone

	pauseChanged func() // told after setPause

	holding sync.Mutex // of who changes what may run, until the schedules know it; never taken with mu held
	telling sync.Mutex // of who tells the feed, from looking at the status on; never taken with mu or holding held

	mu      sync.Mutex
	account *Account // nil until open
	mirrors []*mirrorRunner
	reason  string        // why it is not open
	kind    obstacle.Kind // of that; None while nothing is wrong
	spool   spoolStatus
	paused  pausing
	verdict limits.Verdict
	stuck   bool     // as last logged
	told    standing // as the feed last heard
}

func newRunner(account config.Account, o Options) *runner {
	r := &runner{
		config: account, options: o, reason: reasonStarting, told: standing{reason: reasonStarting}, started: o.Now(),
		tried: make(chan struct{}), again: make(chan struct{}, 1), nodeNow: make(chan struct{}, 1),
	}
	r.folder = o.Config.Folder(&account)
	r.log = o.Log.With("account", account.Name)
	s := account.Schedule
	r.schedule = schedule.New(schedule.Options{
		Idle:       time.Duration(s.Idle),
		Longest:    time.Duration(s.Longest),
		Interval:   time.Duration(s.Interval),
		Jitter:     s.Jitter,
		Scrub:      time.Duration(s.Scrub),
		FirstScrub: firstScrub(r.stampFile(), time.Duration(s.Scrub), o.Now()),
		Wait:       rateLimitWait,
		Wall:       o.Now,
	})
	r.readPause()
	return r
}

// rateLimitWait is what a provider asked to wait.
func rateLimitWait(err error) time.Duration {
	if limit := (*providers.RateLimitError)(nil); errors.As(err, &limit) {
		return limit.Wait
	}
	return 0
}

// run returns when ctx has ended, the last flush is over, and everything of the
// account is closed. A provider that ignores contexts can delay that for ever.
func (r *runner) run(ctx context.Context) {
	r.running.Store(true)
	defer r.running.Store(false)
	account := r.open(ctx)
	if account == nil {
		return
	}
	account.onAppend(r.schedule.Appended)
	mirrors := r.newMirrorRunners(account)
	r.setMirrors(mirrors)
	r.hold()
	var group sync.WaitGroup
	group.Go(func() { _ = r.schedule.Run(ctx, r.pass) }) // ends with ctx only
	for _, m := range mirrors {
		group.Go(func() { _ = m.schedule.Run(ctx, m.pass) })
	}
	group.Go(func() { r.watchStore(ctx) })
	if r.config.Spool != "" {
		group.Go(func() { r.spoolOf(account).run(ctx) })
	}
	if account.bridge != nil {
		group.Go(func() { r.bridgeOf(ctx, account) })
	}
	group.Go(func() { r.index(ctx, account) })
	<-ctx.Done()
	group.Wait()
	r.lastFlush(ctx, account)
	r.flushMirrors(ctx, account)
	r.setAccount(nil, reasonStopped, obstacle.None)
	if err := account.Close(); err != nil {
		r.log.Error("closing failed", "error", err)
	}
}

// open opens the account, however long it takes. It returns nil when ctx ends.
func (r *runner) open(ctx context.Context) *Account {
	limit := max(openRetry, min(openRetryLimit, time.Duration(r.config.Schedule.Interval)))
	var failing failures
	for wait := openRetry; ; wait = min(2*wait, limit) {
		o := r.options.AccountOptions
		o.Log = r.log
		account, err := OpenAccount(ctx, r.config, o)
		if err == nil {
			account.keepSearch()
			r.setAccount(account, "", obstacle.None)
			r.log.Info("account is open")
			giveBack()
			return account
		}
		if ctx.Err() != nil {
			return nil
		}
		r.setAccount(nil, err.Error(), obstacleTo(err))
		r.log.Log(ctx, failing.level(err, slog.LevelError), "account can't be opened, will try again", "wait", wait, "error", err)
		if !r.waitToOpen(ctx, wait) {
			return nil
		}
	}
}

// waitToOpen waits before the next attempt; false when ctx ends.
func (r *runner) waitToOpen(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.again:
	case <-ctx.Done():
		return false
	}
	return true
}

// setAccount publishes the account, or why and for what kind of thing it is not open.
func (r *runner) setAccount(account *Account, reason string, kind obstacle.Kind) {
	r.mu.Lock()
	r.account, r.reason, r.kind = account, reason, kind
	r.mu.Unlock()
	r.once.Do(func() { close(r.tried) })
	r.tellNow()
}

// spoolOf is the account's spool. It has a history of its own, whose engine
// waits while the journal is full: files can be larger than the journal.
func (r *runner) spoolOf(account *Account) *spool {
	patient := patientEngine{notifyingEngine{account.engine, account}, r.schedule.Kick}
	names := append([]string{r.config.Name}, r.config.Aliases...)
	return newSpool(r.config.Spool, history.New(patient, names), spoolOptions{
		settle: r.options.SpoolSettle, report: r.setSpool, log: r.log,
	})
}

func (r *runner) setSpool(s spoolStatus) {
	r.mu.Lock()
	r.spool = s
	r.mu.Unlock()
}

// pass is one pass that is due.
func (r *runner) pass(ctx context.Context, t schedule.Trigger) error {
	began := time.Now()
	report, err := r.account.Sync(ctx, engine.Work{Flush: t.Flush, Scrub: t.Scrub}, nil)
	giveBack()
	r.tellMirrors(report)
	defer r.tellNow()
	log := r.log.With("reason", t.Reason, "scrub", t.Scrub, "took", time.Since(began).Round(time.Millisecond),
		"pulled", report.Pulled, "pushed", report.Pushed, "confirmed", report.Confirmed, "pending", report.Pending)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		log.Log(ctx, r.failing.level(err, slog.LevelWarn), "pass failed", "error", err)
		r.askPlace(ctx, err)
		return err
	case report.Pulled+report.Pushed+report.Confirmed+report.Compacted+report.Removed > 0:
		log.Info("pass done", "compacted", report.Compacted, "removed", report.Removed)
	default:
		log.Debug("pass found nothing to do")
	}
	if failed := r.failing.over(); failed > 0 {
		r.log.Info("passes succeed again", "failed", failed)
	}
	if report.Pushed > 0 {
		r.schedule.Look() // or, after a start or a failure, its confirmation would wait for the interval
	}
	if t.Scrub {
		r.stamp()
	}
	r.askPlace(ctx, nil)
	return nil
}

// watchStore hands on what the provider tells by itself.
func (r *runner) watchStore(ctx context.Context) {
	for wait := openRetry; ; wait = min(2*wait, openRetryLimit) {
		changes, err := r.account.store.Watch(ctx)
		if err == nil && changes == nil {
			return // it cannot tell: the interval has to do
		}
		if err == nil {
			wait = openRetry
			r.schedule.Kick() // whatever was missed before
			r.schedule.Watch(ctx, changes)
		}
		if providers.Sleep(ctx, wait) != nil {
			return
		}
	}
}

// lastFlush pushes what waits, for a bounded time.
func (r *runner) lastFlush(ctx context.Context, account *Account) {
	if account.engine.Status().Pending == 0 || r.schedule.Paused() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.FlushWait)
	defer cancel()
	if _, err := account.engine.Pass(ctx, engine.Work{Flush: true}); err != nil {
		r.log.Warn("last flush failed; what was appended waits in the journal", "error", err)
	}
}

// status never waits.
func (r *runner) status() api.AccountStatus {
	r.mu.Lock()
	account, reason, kind, spool := r.account, r.reason, r.kind, r.spool
	r.mu.Unlock()
	status := api.AccountStatus{Name: r.config.Name, Provider: r.config.Provider.Kind, Place: r.config.Provider.Place(), Reason: reason}
	status.Account, status.State, status.Obstacle = r.config.Name, "closed", kind
	if account != nil {
		status, _ = account.Status(context.Background()) // never fails
	}
	pause := r.pausing()
	status.Paused, status.PausedUntil, status.Small = r.schedule.Paused(), pause.Until, r.held().Mode == limits.Small
	status.Held = status.Paused && !pause.On
	status.NextPass = r.schedule.Next().Round(0)
	status.SpoolError, status.SpoolRejected = spool.failure, spool.rejected
	r.judge(&status, account)
	return status
}

// judge says whether the account is stuck: not by whether it runs, but by
// whether passes succeed or get anything done.
func (r *runner) judge(status *api.AccountStatus, account *Account) {
	now := r.options.Now()
	limit := max(stuckAfter, 3*time.Duration(r.config.Schedule.Interval))
	since := latest(r.started, status.LastSuccess)
	if account != nil {
		since = latest(since, account.movement.counts(now, limit))
	}
	idle := status.Paused || status.Small && status.Pending == 0 // then no pass is due
	if !idle && now.Sub(since) >= limit {
		status.Stuck, status.Since = true, since.Round(0)
	}
}

// observe logs when the account becomes stuck or comes loose.
func (r *runner) observe() api.AccountStatus {
	r.telling.Lock()
	defer r.telling.Unlock()
	status := r.status()
	r.tellStatus(&status)
	r.mu.Lock()
	changed := status.Stuck != r.stuck
	r.stuck = status.Stuck
	r.mu.Unlock()
	switch {
	case changed && status.Stuck:
		r.log.Error("sync is stuck", "since", status.Since, "pending", status.Pending, "error", status.LastError)
	case changed:
		r.log.Info("sync moves again")
	}
	return status
}

// stampFile is a file whose time is that of the last scrub.
func (r *runner) stampFile() string { return filepath.Join(r.folder, "last-scrub") }

// firstScrub is how long after the start the first scrub is due, so that
// restarts do not put it off for ever. It is never at once: a start has enough
// to do.
func firstScrub(stamp string, every time.Duration, now time.Time) time.Duration {
	soonest := every / 24
	info, err := os.Stat(stamp)
	if err != nil {
		return soonest
	}
	return min(max(every-now.Sub(info.ModTime()), soonest), every)
}

// stamp notes that a scrub is done. Failing that only brings the next one
// forward.
func (r *runner) stamp() {
	now := time.Now()
	err := os.WriteFile(r.stampFile(), nil, 0o600)
	if err == nil {
		err = os.Chtimes(r.stampFile(), now, now)
	}
	if err != nil {
		r.log.Warn("noting the scrub failed", "error", err)
	}
}
