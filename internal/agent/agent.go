package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// ErrStop says that something hung so that the stop did not wait for it. The
// process should end now; nothing is lost by that.
var ErrStop = errors.New("did not stop in time")

// Agent runs all accounts of a configuration. See the package's comment.
type Agent struct {
	config  *config.Config
	options Options
	log     *slog.Logger
	runners []*runner
	started time.Time
}

// New prepares an agent for a configuration that config.Load returned. Nothing
// is opened before Run.
func New(c *config.Config, o Options) (*Agent, error) {
	if len(c.Accounts) == 0 {
		return nil, fmt.Errorf("agent: %w: there is no account", config.ErrConfig)
	}
	o.Config, o.Progress = c, nil
	o.Warm = int64(c.Cache.BlobBudget) / 2
	o = o.withDefaults()
	a := &Agent{config: c, options: o, log: o.Log, started: o.Now()}
	for _, account := range c.Accounts {
		a.runners = append(a.runners, newRunner(account, o))
	}
	return a, nil
}

// Run runs the agent until ctx ends (the caller turns SIGTERM and SIGINT into
// that), then stops: no more requests and passes, what is under way is ended,
// and each account makes a last flush of bounded time. It returns nil after a
// stop, also when the last flush failed, since the journal keeps what it did
// not push; [ErrStop] when something hung; [ErrRunning] when another agent has
// the data folder. systemd is told when the agent is ready and that it is alive.
func (a *Agent) Run(ctx context.Context) (err error) {
	lock, err := lockFolder(a.config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	listener, err := listen(a.config.Socket)
	if err != nil {
		return err
	}
	a.log.Info("agent starts", "version", a.options.Version, "accounts", len(a.runners))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var services, accounts sync.WaitGroup
	services.Go(func() {
		if err := api.Serve(ctx, listener, a); err != nil {
			cancel(err) // an agent that nobody can reach is none
		}
	})
	services.Go(func() { a.watchNetwork(ctx) })
	services.Go(func() { a.report(ctx) })
	for _, r := range a.runners {
		accounts.Go(func() { r.run(ctx) })
	}
	<-ctx.Done()
	notify(notifyStopping)
	a.log.Info("agent stops")
	err = a.waitFor(&accounts)
	services.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = errors.Join(cause, err)
	}
	return err
}

// waitFor waits for the accounts, but not for ever.
func (a *Agent) waitFor(accounts *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		accounts.Wait()
		close(done)
	}()
	timer := time.NewTimer(a.options.StopWait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
	}
	var hanging []string
	for _, r := range a.runners {
		if r.running.Load() {
			hanging = append(hanging, r.config.Name)
		}
	}
	return fmt.Errorf("agent: %w: %s", ErrStop, strings.Join(hanging, ", "))
}

// Account implements api.Backend.
func (a *Agent) Account(name string) (api.Account, error) {
	if name == "" {
		if len(a.runners) > 1 {
			return nil, fmt.Errorf("agent: %w: there are several, name one", api.ErrRequest)
		}
		return a.runners[0].ready()
	}
	normal, err := identity.Normalize(name)
	if err != nil {
		return nil, fmt.Errorf("agent: %w: %w", api.ErrNoAccount, err)
	}
	for _, r := range a.runners {
		if r.config.Name == normal || slices.Contains(r.config.Aliases, normal) {
			return r.ready()
		}
	}
	return nil, fmt.Errorf("agent: %w: %s", api.ErrNoAccount, normal)
}

// Status implements api.Backend.
func (a *Agent) Status() api.Status {
	status := api.Status{Version: a.options.Version, PID: os.Getpid(), Started: a.started.Round(0)}
	for _, r := range a.runners {
		status.Accounts = append(status.Accounts, r.status())
	}
	return status
}
