package main

import (
	"context"
	"errors"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
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
}

// load reads the configuration and shows its warnings, once.
func (p *program) load() (*config.Config, error) {
	if p.loaded != nil {
		return p.loaded, nil
	}
	c, err := config.Load(p.configFile, &config.Options{Environ: p.environ})
	if err != nil {
		return nil, err
	}
	for _, sentence := range c.Warnings {
		p.warn(sentence)
	}
	p.loaded = c
	return c, nil
}

// open finds the account that the flags name and opens it.
func (p *program) open(ctx context.Context) (*session, error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	account, err := c.Account(p.account)
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

func (p *program) dial(c *config.Config, account *config.Account) (*session, error) {
	client, err := agent.Dial(c.Socket)
	if err != nil {
		return nil, err
	}
	return &session{Account: client.Account(account.Name), name: account.Name, byAgent: true, close: client.Close}, nil
}

func (p *program) openHere(ctx context.Context, c *config.Config, account *config.Account) (*session, error) {
	opened, err := agent.OpenAccount(ctx, *account, agent.AccountOptions{Config: c, Warn: p.warn, Attempts: attempts})
	if err != nil {
		return nil, err
	}
	return &session{Account: opened, name: account.Name, close: opened.Close}, nil
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
