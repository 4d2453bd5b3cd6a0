package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/internal/webui"
	"github.com/dm3sync/dm3sync/providers"
)

// ErrStop says that something hung so that the stop did not wait for it. The
// process should end now; nothing is lost by that.
var ErrStop = errors.New("did not stop in time")

// Agent runs all accounts of a configuration. See the package's comment.
type Agent struct {
	config    *config.Config                // of the start: its folders hold for the agent's life
	current   atomic.Pointer[config.Config] // what is in force: of the start, or of the last reload
	options   Options
	log       *slog.Logger
	activity  *activity.Log
	started   time.Time
	context   context.Context // of Run; for runners that a reload starts
	accounts  sync.WaitGroup  // of runners
	reloading chan struct{}   // taken while a reload works, or Run begins
	loopback  loopback
	addresses func() string // of the machine, to compare
	metrics   chan struct{} // asks for another look at [metrics]
	desktop   *watch.Desktop
	watcher   *watch.Watcher // of Run
	setup     *setup.Setup   // nil where nothing can be set up
	logins    setup.Logins

	governor    *governor
	passphrases passphrases
	opener      func(context.Context, config.Account) (providers.Store, error) // as New was given it; nil: the default
	page        *webui.Site
	handler     http.Handler // of everything, made once by Run

	mu       sync.Mutex
	runners  []*runner
	launched map[string]*running // by account
	stopping bool
}

// New prepares an agent for a configuration that config.Load returned; one without
// accounts waits until Reload finds some. Nothing is opened before Run.
func New(c *config.Config, o Options) (*Agent, error) {
	o.Config, o.Progress = c, nil
	o.Warm = int64(c.Cache.BlobBudget) / 2
	a := &Agent{config: c, launched: make(map[string]*running), reloading: make(chan struct{}, 1), metrics: make(chan struct{}, 1), addresses: machineAddresses}
	a.current.Store(c)
	if o.Unlock == nil {
		o.Unlock = a.unlock
	}
	a.opener = o.Open
	o = o.withDefaults()
	a.governor = newGovernor(c, &o)
	o.Up, o.Down, o.Frugal, o.Room = &a.governor.up, &a.governor.down, a.governor.frugal, a.governor.room
	a.options, a.log, a.activity, a.started = o, o.Log, o.Activity, o.Now()
	a.loopback.agent = a
	a.setup = a.newSetup()
	var err error
	if a.page, err = webui.New(webui.Options{Backend: a, Setup: a.setup, Version: o.Version, Now: o.Now, Log: o.Log}); err != nil {
		return nil, err
	}
	for _, account := range c.Accounts {
		a.runners = append(a.runners, a.newRunner(account, o))
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
	a.begin(ctx)
	var services sync.WaitGroup
	services.Go(func() {
		if err := api.Serve(ctx, listener, a.socketHandler()); err != nil {
			cancel(err) // an agent that nobody can reach is none
		}
	})
	services.Go(func() { a.loopback.run(ctx) })
	services.Go(func() { a.watchNetwork(ctx) })
	services.Go(func() { a.watcher.Run(ctx) })
	services.Go(func() { a.serveMetrics(ctx) })
	services.Go(func() { a.report(ctx) })
	services.Go(func() { a.reloadWhenAsked(ctx) })
	services.Go(func() { a.govern(ctx) })
	services.Go(func() { keepSmall(ctx) })
	<-ctx.Done()
	a.accounts.Go(a.page.Close)
	a.mu.Lock()
	a.stopping = true
	a.mu.Unlock()
	notify(notifyStopping)
	a.log.Info("agent stops")
	a.accounts.Go(a.closeSetup)
	err = a.waitFor(&a.accounts)
	services.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = errors.Join(cause, err)
	}
	return err
}

// begin makes what Run needs and starts the accounts. A reload that comes meanwhile waits.
func (a *Agent) begin(ctx context.Context) {
	a.reloading <- struct{}{}
	defer func() { <-a.reloading }()
	a.loopback.begin(ctx)
	a.watcher = a.newWatcher()
	a.handler = a.newHandler()
	a.mu.Lock()
	a.context = ctx
	a.mu.Unlock()
	a.sayWaiting()
	a.look(ctx)
	for _, r := range a.all() {
		a.launch(ctx, r)
	}
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
	for _, r := range a.all() {
		if r.running.Load() {
			hanging = append(hanging, r.config.Name)
		}
	}
	return fmt.Errorf("agent: %w: %s", ErrStop, strings.Join(hanging, ", "))
}

// Account implements api.Backend.
func (a *Agent) Account(name string) (api.Account, error) {
	runners := a.all()
	if name == "" {
		switch len(runners) {
		case 0:
			return nil, fmt.Errorf("agent: %w: %s", api.ErrNoAccount, waitsForSetup)
		case 1:
			return runners[0].ready()
		}
		return nil, fmt.Errorf("agent: %w: there are several, name one", api.ErrRequest)
	}
	r, err := a.named(name)
	if err != nil {
		return nil, err
	}
	return r.ready()
}

// Activity implements api.Backend: it is the same feed for as long as the agent
// lives.
func (a *Agent) Activity() *activity.Log { return a.activity }

// Status implements api.Backend.
func (a *Agent) Status() api.Status {
	status := api.Status{Version: a.options.Version, PID: os.Getpid(), Started: a.started.Round(0), Limits: a.governor.now().Causes, Accounts: []api.AccountStatus{}}
	for _, r := range a.all() {
		status.Accounts = append(status.Accounts, r.status())
	}
	return status
}
