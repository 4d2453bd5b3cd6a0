package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var errNotMounted = errors.New("not mounted")

func TestLazyStoreOpensWhenItCan(t *testing.T) {
	place := memory.New(nil)
	var err error = errNotMounted
	tries := 0
	l := newLazyStore(config.Provider{Kind: "folder", Carried: true}, func(context.Context) (providers.Store, error) {
		tries++
		return place, err
	})
	ctx := t.Context()
	l.tryOpening(ctx)
	if p := l.Properties(); p.Durable || p.CurrentListings || p.Deletes || !p.Carried || p.Parallel < 1 || p.MaxObject < 1 {
		t.Errorf("%+v promises too much", p)
	}
	for name, call := range map[string]func() error{
		"put":    func() error { return l.Put(ctx, "x", nil) },
		"get":    func() error { _, err := l.Get(ctx, "x"); return err },
		"range":  func() error { _, err := l.GetRange(ctx, "x", 0, 1); return err },
		"delete": func() error { return l.Delete(ctx, "x") },
		"watch":  func() error { _, err := l.Watch(ctx); return err },
		"list": func() error {
			for _, err := range l.List(ctx, "") {
				return err
			}
			return nil
		},
	} {
		if err := call(); !errors.Is(err, errNotMounted) || errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tries != 7 {
		t.Errorf("%d tries", tries)
	}
	err = nil
	if err := l.Put(ctx, "x", []byte("data")); err != nil {
		t.Fatal(err)
	}
	if data, err := l.Get(ctx, "x"); err != nil || string(data) != "data" || tries != 8 {
		t.Errorf("%q, %v, %d tries", data, err, tries)
	}
	if l.Properties() != place.Properties() {
		t.Errorf("%+v", l.Properties())
	}
	if changes, err := l.Watch(ctx); changes != nil || err != nil {
		t.Error("a store that cannot tell tells")
	}
}

func TestLazyStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		place := &closing{Store: memory.New(nil)}
		tries := 0
		l := newLazyStore(config.Provider{}, func(context.Context) (providers.Store, error) {
			tries++
			<-release // whatever its context says
			return place, nil
		})
		began := time.Now()
		l.tryOpening(t.Context())
		if time.Since(began) != openingMoment {
			t.Errorf("opening took %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Get(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(release)
		synctest.Wait()
		if !place.closed || tries != 1 {
			t.Errorf("closed %v after %d tries", place.closed, tries)
		}
	})
}

type closing struct {
	providers.Store
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return c.Store.Close()
}

// A verb of the command line gives up early; an agent, which names no number,
// is patient.
func TestAttempts(t *testing.T) {
	away := &providertest.FaultyOptions{Script: func(providertest.Call) providertest.Fault { return providertest.Fault{Before: providers.ErrTransient} }}
	synctest.Test(t, func(t *testing.T) {
		for attempts, want := range map[int]int64{0: 5, 1: 1, 3: 3} {
			counter := providers.Count(providertest.NewFaulty(memory.New(nil), away))
			store := decorate(counter, config.Provider{}, &AccountOptions{Attempts: attempts, Log: slog.New(slog.DiscardHandler)})
			if _, err := store.Get(t.Context(), "x"); !errors.Is(err, providers.ErrTransient) {
				t.Errorf("%d attempts: %v", attempts, err)
			}
			if got := counter.Counts().Gets; got != want {
				t.Errorf("%d attempts: %d calls, want %d", attempts, got, want)
			}
		}
	})
}

// What the options say of attempts reaches the store of the engine.
func TestAccountAttempts(t *testing.T) {
	d := newDevice(t, "alice.eth")
	o := d.options.AccountOptions
	o.Config, o.Attempts = d.config, 2
	d.places["alice.eth"] = providertest.NewFaulty(d.places["alice.eth"], &providertest.FaultyOptions{Rate: 1})
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], o)
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	if _, err := account.Sync(t.Context(), engine.Work{}, nil); err == nil || !strings.Contains(err.Error(), "failed 2 times") {
		t.Error(err)
	}
}
