package main

import (
	"context"
	"errors"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// attempts is how often a verb makes a provider call that fails for the moment:
// somebody waits for the answer, and a drive that is not mounted does not come by
// itself. The agent has more patience.
const attempts = 3

// session is one account that a verb works with: behind the agent's socket when
// one runs, else opened here.
type session struct {
	api.Account
	name    string // the account's normalised name
	byAgent bool
	close   func() error
	// askPlace asks the place for its room, and whether its login will go on
	// working; nil where the agent does that.
	askPlace func(context.Context) error
}

// load reads the configuration and shows its warnings, once.
func (p *program) load() (*config.Config, error) {
	return p.loadOnce(func() (*config.Config, error) {
		return config.Load(p.configFile, &config.Options{Environ: p.environ})
	})
}

// loadOnce reads the configuration unless it was read before, and shows its warnings.
func (p *program) loadOnce(read func() (*config.Config, error)) (*config.Config, error) {
	if p.loaded != nil {
		return p.loaded, nil
	}
	c, err := read()
	if err != nil {
		return nil, err
	}
	for _, sentence := range c.Warnings {
		p.warn(sentence)
	}
	p.loaded = c
	return c, nil
}

// chosen is the configuration, and the account in it that the flags name.
func (p *program) chosen() (*config.Config, *config.Account, error) {
	c, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	account, err := c.Account(p.account)
	return c, account, err
}

// open finds the account that the flags name and opens it.
func (p *program) open(ctx context.Context) (*session, error) {
	if p.file != "" {
		return p.openFile(ctx, p.file)
	}
	c, account, err := p.chosen()
	if err != nil {
		return nil, err
	}
	s, err := p.dial(c, account)
	if !errors.Is(err, api.ErrNoAgent) {
		return s, err
	}
	s, err = p.openHere(ctx, c, account)
	if !errors.Is(err, cache.ErrInUse) {
		return s, err
	}
	// An agent may have started between the two attempts.
	if s, dialErr := p.dial(c, account); dialErr == nil {
		return s, nil
	}
	return nil, err
}

// runningAgent is a connection to the agent of the configuration that load gives: api.ErrNoAgent where none runs.
func runningAgent(load func() (*config.Config, error)) (*agent.Client, error) {
	c, err := load()
	if err != nil {
		return nil, err
	}
	return agent.Dial(c.Socket)
}

func (p *program) dial(c *config.Config, account *config.Account) (*session, error) {
	client, err := agent.Dial(c.Socket)
	if err != nil {
		return nil, err
	}
	return &session{Account: client.Account(account.Name), name: account.Name, byAgent: true, close: client.Close}, nil
}

func (p *program) openHere(ctx context.Context, c *config.Config, account *config.Account) (*session, error) {
	opened, err := agent.OpenAccount(ctx, *account, agent.AccountOptions{Config: c, Warn: p.warn, Attempts: attempts, Unlock: p.unlock})
	if err != nil {
		return nil, err
	}
	return &session{Account: opened, name: account.Name, close: opened.Close, askPlace: opened.AskPlace}, nil
}

// unlock reads an account's storage key.
func (p *program) unlock(_ context.Context, account config.Account) ([32]byte, error) {
	s := account.Secret
	return keyring.StorageKey(s.Source(), keyring.Form(s.Form), s.Nonce, p.keyring())
}

// with opens the account, calls work and closes it again.
func (p *program) with(ctx context.Context, work func(*session) error) (err error) {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
	}()
	return work(s)
}
