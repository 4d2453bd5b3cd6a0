package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/limits"
	"github.com/dm3sync/dm3sync/providers"
)

// lookEvery is how often the machine is looked at: its network, battery and disk.
const lookEvery = 15 * time.Second

// lowBudget is the part of the blob budget that is left where the disk is low.
const lowBudget = 8

// governor holds all accounts to the [limits]. Its methods are safe for concurrent use,
// but look, which one goroutine calls at a time.
type governor struct {
	judge    limits.Judge
	up, down providers.Pace
	changed  chan struct{} // asks for a look at once

	mu       sync.Mutex
	settings config.Limits
	verdict  limits.Verdict
}

func newGovernor(c *config.Config, o *Options) *governor {
	return &governor{
		judge:   limits.Judge{Machine: o.Machine, Folder: c.Data, Now: o.Now},
		changed: make(chan struct{}, 1), settings: c.Limits,
	}
}

// configure takes other settings.
func (g *governor) configure(settings config.Limits) {
	g.mu.Lock()
	g.settings = settings
	g.mu.Unlock()
	g.lookNow()
}

// lookNow asks for a look at once, or right after the running one.
func (g *governor) lookNow() {
	select {
	case g.changed <- struct{}{}:
	default: // one is enough
	}
}

// now is what holds.
func (g *governor) now() limits.Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.verdict
	v.Causes = slices.Clone(v.Causes)
	return v
}

// frugal tells whether nothing should be fetched ahead.
func (g *governor) frugal() bool { return g.now().LowDisk }

// room tells why nothing can be appended now. The disk is asked each time: the last look may be older than the room that
// was made since.
func (g *governor) room() error {
	g.mu.Lock()
	settings := g.settings
	g.mu.Unlock()
	why := g.judge.Full(&settings)
	if why == "" {
		return nil
	}
	g.lookNow() // the status should tell it, too
	return fmt.Errorf("agent: %s: %w", why, syscall.ENOSPC)
}

// look judges the machine, and says in the log what begins and ends.
func (a *Agent) look(ctx context.Context) {
	g := a.governor
	g.mu.Lock()
	settings, before := g.settings, g.verdict
	g.mu.Unlock()
	v := g.judge.Look(ctx, &settings)
	g.mu.Lock()
	g.verdict = v
	g.mu.Unlock()
	g.up.Set(v.BytesPerSecond)
	g.down.Set(v.BytesPerSecond)
	for _, cause := range v.Causes {
		if !slices.ContainsFunc(before.Causes, func(c limits.Cause) bool { return c.Kind == cause.Kind }) {
			a.log.Info("a limit begins: " + cause.Text)
		}
	}
	for _, cause := range before.Causes {
		if !slices.ContainsFunc(v.Causes, func(c limits.Cause) bool { return c.Kind == cause.Kind }) {
			a.log.Info("a limit ends", "limit", cause.Kind)
		}
	}
	for _, r := range a.all() {
		r.hold()
	}
}

// govern looks at the machine, and ends pauses that are over, until ctx ends.
func (a *Agent) govern(ctx context.Context) {
	for {
		timer := time.NewTimer(min(lookEvery, a.untilResume()))
		select {
		case <-timer.C:
		case <-a.governor.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		a.look(ctx)
	}
}

// untilResume is how long the next pause that ends by itself still lasts.
func (a *Agent) untilResume() time.Duration {
	wait := lookEvery
	for _, r := range a.all() {
		if paused := r.pausing(); paused.On && !paused.Until.IsZero() {
			wait = min(wait, max(paused.Until.Sub(a.options.Now()), 0))
		}
	}
	return wait
}

// hold makes an account do what the verdict of now leaves, and ends its pause where that is over.
func (r *runner) hold() {
	if over := r.takeVerdict(); over {
		r.log.Info("the pause is over")
		r.tellNow()
	}
}

// takeVerdict is hold without telling of it. Whoever comes last, the latest verdict holds.
func (r *runner) takeVerdict() (over bool) {
	r.holding.Lock()
	defer r.holding.Unlock()
	var v limits.Verdict
	if r.agent != nil {
		v = r.agent.governor.now()
	}
	now := r.options.Now()
	r.mu.Lock()
	over = r.paused.On && !r.paused.Until.IsZero() && !now.Before(r.paused.Until)
	if over {
		r.paused = pausing{}
	}
	r.verdict = v
	account := r.account
	r.mu.Unlock()
	if over {
		if err := r.keepPause(); err != nil {
			r.log.Warn("the pause is over, but not for the next start", "error", err)
		}
	}
	if account != nil {
		budget := int64(r.options.Config.Cache.BlobBudget)
		if v.LowDisk {
			budget = max(budget/lowBudget, 1)
		}
		if budget > 0 {
			account.cache.Blobs().SetBudget(budget)
		}
	}
	r.applyHold()
	return over
}

// applyHold tells the schedules what may run. The caller has holding.
func (r *runner) applyHold() {
	r.mu.Lock()
	paused := r.paused.On || r.verdict.Mode == limits.Pause
	small := r.verdict.Mode == limits.Small
	mirrors := r.mirrors
	r.mu.Unlock()
	if r.schedule.Paused() != paused {
		r.schedule.Pause(paused)
	}
	r.schedule.Small(small)
	for _, m := range mirrors { // what they copy is safe already
		if m.schedule.Paused() != (paused || small) {
			m.schedule.Pause(paused || small)
		}
	}
}

// held is the verdict that holds for the account.
func (r *runner) held() limits.Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdict
}

// resting tells whether what is not urgent should wait.
func (r *runner) resting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused.On || r.verdict.Mode != limits.Run
}

// pauseFile holds the account's pause over restarts.
func (r *runner) pauseFile() string { return filepath.Join(r.folder, "paused") }
