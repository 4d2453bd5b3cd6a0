package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/providers"
)

var _ api.LoginStarter = (*Agent)(nil)

// newSetup prepares what the page needs to set accounts up; nil where the agent does not know
// its configuration's file.
func (a *Agent) newSetup() *setup.Setup {
	if a.options.File == "" || a.options.Load == nil {
		return nil
	}
	environ := a.options.Environ
	if environ == nil {
		environ = os.Environ()
	}
	vault := a.options.Vault
	if vault == nil {
		vault = keyring.System(nil)
	}
	return setup.New(setup.Options{
		File: a.options.File, Environ: environ, Vault: vault, Now: a.options.Now, Reload: a.Reload, Places: places{a}, Unlocked: a.passphrases.keep,
	})
}

// Setup is what sets accounts up from the page; nil where the agent can't.
func (a *Agent) Setup() *setup.Setup { return a.setup }

// closeSetup gives up what the page began: logins, and the trial of a place.
func (a *Agent) closeSetup() {
	a.logins.Close()
	if a.setup != nil {
		a.setup.Close()
	}
}

// places opens places for package setup.
type places struct{ agent *Agent }

func (p places) options(c *config.Config, key [32]byte) PlaceOptions {
	o := p.agent.options
	return PlaceOptions{Config: c, Warn: o.Warn, Log: o.Log, Unlock: func() ([32]byte, error) { return key, nil }}
}

// Open implements setup.Places.
func (p places) Open(ctx context.Context, c *config.Config, account config.Account, key [32]byte) (providers.Store, error) {
	return OpenProvider(ctx, account, p.options(c, key))
}

// Create implements setup.Places.
func (p places) Create(ctx context.Context, c *config.Config, account config.Account, key [32]byte) error {
	_, err := CreatePlace(ctx, account, p.options(c, key))
	return err
}

// Login implements setup.Places.
func (p places) Login(c *config.Config, account config.Account, key [32]byte) (*login.Login, error) {
	return openLogin(c, account, p.options(c, key))
}

// openLogin prepares the login of a place as those who use it find it again.
func openLogin(c *config.Config, account config.Account, o PlaceOptions) (*login.Login, error) {
	return login.ForAccount(c, &account, login.AccountOptions{Keyring: &keyring.Options{Warn: o.Warn}, Unlock: o.Unlock, Log: o.Log})
}

// named finds the runner of an account, open or not, by name or alias; the empty name is the only one.
func (a *Agent) named(name string) (*runner, error) {
	runners := a.all()
	if name == "" && len(runners) == 1 {
		return runners[0], nil
	}
	normal, err := identity.Normalize(name)
	if err != nil {
		return nil, fmt.Errorf("agent: %w: %w", api.ErrNoAccount, err)
	}
	for _, r := range runners {
		if r.config.Name == normal || slices.Contains(r.config.Aliases, normal) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("agent: %w: %s", api.ErrNoAccount, normal)
}

// loginOf finds the runner of an account, open or not, and the account at the place whose login is meant.
func (a *Agent) loginOf(name, mirror string) (*runner, config.Account, error) {
	r, err := a.named(name)
	if err != nil {
		return nil, config.Account{}, err
	}
	account := r.config
	if mirror != "" {
		m := account.Mirror(mirror)
		if m == nil {
			return nil, account, fmt.Errorf("agent: %w: no mirror is called %s", api.ErrRequest, mirror)
		}
		account = account.At(m)
	}
	if account.Provider.Kind != config.KindDrive {
		return nil, account, fmt.Errorf("agent: %w: a place of kind %s takes no login", api.ErrRequest, account.Provider.Kind)
	}
	return r, account, nil
}

// StartLogin implements api.LoginStarter.
func (a *Agent) StartLogin(ctx context.Context, name, mirror string) (api.LoginStatus, error) {
	r, account, err := a.loginOf(name, mirror)
	if err != nil {
		return api.LoginStatus{}, err
	}
	unlock := func() ([32]byte, error) { return a.options.Unlock(context.WithoutCancel(ctx), account) }
	o := PlaceOptions{Config: r.options.Config, Warn: r.options.Warn, Log: r.log, Unlock: unlock}
	open := func() (*login.Login, error) { return openLogin(o.Config, account, o) }
	status, err := a.logins.Start(account.Name, mirror, a.options.Now, open, func(ctx context.Context) error {
		r.log.Info("logged in to the place", "mirror", mirror)
		_, err := CreatePlace(ctx, account, o)
		r.kickAll()
		return err
	})
	if err != nil {
		return status, fmt.Errorf("agent: beginning a login: %w", err)
	}
	return status, nil
}

// kickAll lets passes begin at once, those of mirrors too.
func (r *runner) kickAll() {
	r.schedule.Kick()
	for _, m := range r.mirrorRunners() {
		m.schedule.Kick()
	}
}

// Login implements api.LoginStarter.
func (a *Agent) Login(_ context.Context, name, mirror string) (api.LoginStatus, error) {
	_, account, err := a.loginOf(name, mirror)
	if err != nil {
		return api.LoginStatus{}, err
	}
	return a.logins.Status(account.Name, mirror), nil
}

// AnswerLogin implements api.LoginStarter.
func (a *Agent) AnswerLogin(ctx context.Context, name, mirror, address string) error {
	_, account, err := a.loginOf(name, mirror)
	if err != nil {
		return err
	}
	return a.logins.Answer(ctx, account.Name, mirror, address)
}

// StopLogin implements api.LoginStarter.
func (a *Agent) StopLogin(_ context.Context, name, mirror string) error {
	_, account, err := a.loginOf(name, mirror)
	if err != nil {
		return err
	}
	a.logins.Stop(account.Name, mirror)
	return nil
}
