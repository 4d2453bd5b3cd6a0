package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
)

var _ api.Reloader = (*Agent)(nil)

// waitsForSetup is what an agent without accounts says.
const waitsForSetup = "no account is set up yet; run `dm3sync ui` to set one up in a browser, or `dm3sync init` in a terminal"

// running is a runner with the means to end it.
type running struct {
	runner *runner
	stop   context.CancelFunc
	done   chan struct{}
}

// all are the runners of now.
func (a *Agent) all() []*runner {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.runners)
}

// newRunner prepares a runner that knows its agent, and is held to what holds for all.
func (a *Agent) newRunner(account config.Account, o Options) *runner {
	r := newRunner(account, o)
	r.agent = a
	r.pauseChanged = a.governor.lookNow
	r.hold()
	return r
}

// sayWaiting logs what to do while there is no account.
func (a *Agent) sayWaiting() {
	if len(a.all()) == 0 {
		a.log.Info("the agent waits to be set up: " + waitsForSetup)
	}
}

// launch starts a runner, unless the agent stops.
func (a *Agent) launch(ctx context.Context, r *runner) {
	ctx, stop := context.WithCancel(ctx)
	one := &running{runner: r, stop: stop, done: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping {
		stop()
		return
	}
	a.launched[r.config.Name] = one
	a.accounts.Go(func() {
		defer close(one.done)
		defer stop()
		r.run(ctx)
	})
}

// Reload reads the configuration again. Accounts that are new are opened, those that are
// no longer there make a last flush and are closed, and those whose tables have changed
// are closed and opened anew, as are all where [cache] or [search] have; nothing of theirs is
// removed. [limits], [interface], [notice] and [metrics] are in force at once. It implements
// [api.Reloader], and returns when the accounts that go are closed; when ctx ends before, the
// rest goes on by itself. Another data folder or socket is refused, and nothing is changed;
// what else needs a restart is named in the log.
func (a *Agent) Reload(ctx context.Context) error {
	if a.options.Load == nil {
		return fmt.Errorf("agent: %w: this agent can't read its configuration again; restart it", api.ErrRequest)
	}
	select {
	case a.reloading <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("agent: another reload still waits for an account to close: %w", ctx.Err())
	}
	plan, err := a.planReload()
	if err != nil {
		<-a.reloading
		return err
	}
	closed := make(chan struct{})
	go func() {
		plan.carryOut()
		<-a.reloading
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("agent: an account takes long to close; the change goes on by itself: %w", ctx.Err())
	}
}

// reload is what one reload does.
type reload struct {
	agent *Agent
	fresh *config.Config
	ends  []*running // accounts that go, or are opened anew
	next  []*runner  // all accounts afterwards
	opens []*runner  // those of them that are opened
}

// planReload compares the configuration with what runs.
func (a *Agent) planReload() (*reload, error) {
	a.mu.Lock()
	begun := a.context != nil && !a.stopping
	a.mu.Unlock()
	if !begun {
		return nil, fmt.Errorf("agent: reloading: %w", errors.New("the agent is not running"))
	}
	fresh, err := a.options.Load()
	if err != nil {
		return nil, fmt.Errorf("agent: reading the configuration again: %w", err)
	}
	before := a.all()
	switch {
	case fresh.Data != a.config.Data || fresh.Socket != a.config.Socket:
		return nil, fmt.Errorf("agent: %w: the configuration has other folders than before; restart the agent", api.ErrRequest)
	case len(fresh.Accounts) == 0 && fresh.File == "" && len(before) > 0:
		return nil, fmt.Errorf("agent: %w: the configuration file is gone; put it back, or stop the agent", api.ErrRequest)
	}
	plan := &reload{agent: a, fresh: fresh}
	current := a.current.Load()
	rebuilt := fresh.Cache != current.Cache || !reflect.DeepEqual(fresh.Search, current.Search) // of every account
	o := a.options
	o.Config, o.Open = fresh, a.opener // what is opened by default knows the configuration
	o = o.withDefaults()
	for _, account := range fresh.Accounts {
		i := slices.IndexFunc(before, func(r *runner) bool { return r.config.Name == account.Name })
		if i >= 0 && !rebuilt && sameAccount(account, before[i].config) {
			plan.next = append(plan.next, before[i])
			continue
		}
		r := a.newRunner(account, o)
		plan.next, plan.opens = append(plan.next, r), append(plan.opens, r)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range before {
		one := a.launched[r.config.Name]
		if slices.Contains(plan.next, r) || one == nil {
			continue
		}
		changed := slices.ContainsFunc(plan.opens, func(next *runner) bool { return next.config.Name == r.config.Name })
		r.log.Info(map[bool]string{
			true:  "the account's configuration has changed: opening it anew",
			false: "the account is no longer in the configuration: closing it",
		}[changed])
		plan.ends = append(plan.ends, one)
	}
	return plan, nil
}

// carryOut closes what goes, all of it before anything is opened: a name or a spool may
// pass from one account to another.
func (p *reload) carryOut() {
	a := p.agent
	a.apply(p.fresh)
	for _, one := range p.ends {
		one.stop()
	}
	for _, one := range p.ends {
		<-one.done
	}
	a.mu.Lock()
	for _, one := range p.ends {
		delete(a.launched, one.runner.config.Name)
	}
	a.runners = p.next
	a.mu.Unlock()
	for _, r := range p.opens {
		r.log.Info("the account is in the configuration: opening it")
		r.hold() // the machine may have been judged since it was prepared
		a.launch(a.context, r)
	}
	a.sayWaiting()
}

// sameAccount tells whether nothing has changed that an open account works with. Its heartbeat is read where it is called.
func sameAccount(a, b config.Account) bool {
	a.Notice = b.Notice
	return reflect.DeepEqual(a, b)
}

// apply lets what holds for the whole agent be in force, and names what can't be.
func (a *Agent) apply(fresh *config.Config) {
	before := a.current.Swap(fresh)
	a.governor.configure(fresh.Limits)
	a.loopback.configure()
	a.lookAtMetrics()
	if fresh.Log != before.Log {
		a.log.Warn("[log] has changed: that needs a restart of the agent; everything else is in force")
	}
	for _, sentence := range fresh.Warnings {
		if !slices.Contains(before.Warnings, sentence) {
			a.log.Warn(sentence)
		}
	}
}
