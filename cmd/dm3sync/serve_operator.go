package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
)

// serveOperator prepares the service of accounts whose keys are not here.
func (p *program) serveOperator(ctx context.Context, c *config.Config, create bool, log *slog.Logger) (served, error) {
	s := &c.Serve
	secret, err := keyring.Read(s.Secret(), &keyring.Options{Warn: p.warn})
	if err != nil {
		return served{}, fmt.Errorf("reading the token secret: %w", err)
	}
	if len(secret) < storage.MinSecret {
		return served{}, fmt.Errorf("%w: the token secret has fewer than %d characters; make one with `openssl rand -base64 48`", config.ErrConfig, storage.MinSecret)
	}
	all, o := config.Account{Name: "serve", Provider: s.Provider}, agent.PlaceOptions{
		Config: c, Warn: p.warn, Log: log,
		// No account's key is here. Where a place keeps accounts apart by something
		// made of the key, all instances of a service are one account.
		Unlock: func() ([32]byte, error) { return sha256.Sum256([]byte("dm3sync serve")), nil },
	}
	if create {
		if _, err := agent.CreatePlace(ctx, all, o); err != nil {
			return served{}, fmt.Errorf("%w: %w", errServePlace, err)
		}
	}
	place, err := agent.OpenProvider(ctx, all, o)
	if err != nil {
		return served{}, fmt.Errorf("%w: %w", errServePlace, err)
	}
	// A place that is not there for the moment is waited for; one that refuses, or was not made ready, will not do.
	switch err := setup.Reach(ctx, place); {
	case errors.Is(err, providers.ErrTransient), errors.Is(err, providers.ErrRateLimited):
		p.warn(fmt.Sprintf("%v; requests fail until that has ended", err))
	case err != nil:
		return served{}, errors.Join(fmt.Errorf("%w: %w", errServePlace, err), place.Close())
	}
	service, err := p.operatorOn(providers.Retry(place, &providers.RetryOptions{Attempts: attempts}), s, secret, log)
	if err != nil {
		return served{}, errors.Join(err, place.Close())
	}
	return service, nil
}

// operatorOn prepares the service on a place, which it closes.
func (p *program) operatorOn(place providers.Store, s *config.Serve, secret string, log *slog.Logger) (served, error) {
	o := storage.RegisterOptions{Store: place, Fixed: make(map[string][32]byte)}
	if s.Registration == config.RegistrationOpen {
		o.Domains = s.AddressDomains
	}
	for _, account := range s.Accounts {
		key, err := identity.ParseKey(account.SigningKey)
		if err != nil {
			return served{}, fmt.Errorf("%w: signing_key of %s: %w", config.ErrConfig, account.Name, err)
		}
		o.Fixed[account.Name] = key
	}
	register := storage.NewRegister(o)
	records, err := storage.NewRecords(storage.RecordsOptions{Store: place, Now: p.now, Log: log})
	if err != nil {
		return served{}, err
	}
	login, err := storage.NewLogin(storage.LoginOptions{
		Secret: []byte(secret), Claims: place, SigningKey: register.SigningKey, Now: p.now, Random: rand.Reader,
	})
	if err != nil {
		return served{}, errors.Join(err, records.Close())
	}
	options := p.serviceOptions(s, log)
	options.Backend, options.Login, options.Profiles = records, login, register.Profiles(login)
	return served{
		handler: storage.NewHandler(options), login: login,
		close: func() error { return errors.Join(records.Close(), place.Close()) },
	}, nil
}
