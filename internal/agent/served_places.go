package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var (
	_ api.LoginKeeper  = served{}
	_ api.PlaceChecker = served{}
)

// placed is the account at one of its places, by the name that the interface has for it.
func (s served) placed(place string) (account config.Account, mirror string, err error) {
	account = s.runner.config
	if place == api.OwnPlace {
		return account, "", nil
	}
	m := account.Mirror(place)
	if m == nil {
		return account, "", fmt.Errorf("agent: %w: %s", api.ErrNoPlace, place)
	}
	return account.At(m), m.Name, nil
}

// Logins implements api.LoginKeeper.
func (s served) Logins(ctx context.Context) ([]api.Login, error) {
	status := s.runner.status()
	warnings := map[string]string{api.OwnPlace: status.Warning}
	names := []string{api.OwnPlace}
	for _, m := range status.Mirrors {
		warnings[m.Name] = m.Warning
		names = append(names, m.Name)
	}
	var list []api.Login
	for _, name := range names {
		account, mirror, err := s.placed(name)
		if err != nil || account.Provider.Kind != config.KindDrive {
			continue // dropped meanwhile, or none is needed
		}
		one := api.Login{Place: name, Kind: account.Provider.Kind, Warning: warnings[name]}
		o := PlaceOptions{Config: s.runner.options.Config, Log: s.runner.log, Unlock: func() ([32]byte, error) { return s.runner.options.Unlock(ctx, account) }}
		own, err := openLogin(o.Config, account, o)
		if err != nil {
			return list, fmt.Errorf("agent: looking at a login: %w", err)
		}
		one.Ends, _ = own.Expiry()
		one.Needed = !one.Ends.After(s.runner.options.Now()) // nobody is logged in, or it has ended
		one.Command = own.Command()
		if err := own.Close(); err != nil {
			return list, fmt.Errorf("agent: looking at a login: %w", err)
		}
		one.Started = s.runner.agent.logins.Status(account.Name, mirror).State == api.LoginWaiting
		list = append(list, one)
	}
	return list, nil
}

// StartLogin implements api.LoginKeeper.
func (s served) StartLogin(ctx context.Context, place string) (api.LoginStart, error) {
	account, mirror, err := s.placed(place)
	if err != nil {
		return api.LoginStart{}, err
	}
	if account.Provider.Kind != config.KindDrive {
		return api.LoginStart{}, fmt.Errorf("agent: %w: the place %s needs no login", api.ErrNoPlace, place)
	}
	status, err := s.runner.agent.StartLogin(ctx, account.Name, mirror)
	return api.LoginStart{URL: status.Address, Expires: status.Until}, err
}

// CheckPlace implements api.PlaceChecker.
func (s served) CheckPlace(ctx context.Context, place string, progress func(engine.Progress)) (api.PlaceCheck, error) {
	account, _, err := s.placed(place)
	if err != nil {
		return api.PlaceCheck{}, err
	}
	check := api.PlaceCheck{Kind: account.Provider.Kind, Place: account.Provider.Place(), Promises: []api.PlaceFact{}, Results: []api.PlaceAnswer{}}
	store, err := s.runner.options.Open(ctx, account)
	if err != nil {
		return check, fmt.Errorf("agent: opening the place: %w", err)
	}
	for _, p := range setup.Promises(store.Properties()) {
		check.Promises = append(check.Promises, api.PlaceFact(p))
	}
	if err := setup.Reach(ctx, store); err != nil {
		return check, errors.Join(err, store.Close())
	}
	check.Swept, err = setup.Check(ctx, store, func(r setup.CheckResult) {
		check.Results = append(check.Results, api.PlaceAnswer(r))
		if progress != nil {
			progress(engine.Progress{Step: r.Name, Done: int64(len(check.Results)), Unit: "questions"})
		}
	}, s.runner.options.Warn)
	return check, errors.Join(err, store.Close())
}
