package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// TestStopIsBounded: with the settings that everybody has, the last flush is given up after ten seconds, and the whole
// stop after fifteen, whatever hangs; what is done earlier is not waited for.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{AccountOptions: AccountOptions{Config: &config.Config{Data: t.TempDir()}, Log: slog.New(slog.DiscardHandler)}}.withDefaults()
		r := newRunner(config.Account{Name: "alice.eth"}, o)
		a := &Agent{options: o, runners: []*runner{r}}
		var accounts sync.WaitGroup
		release := make(chan struct{})
		accounts.Go(func() { time.Sleep(3 * time.Second) })
		began := time.Now()
		if err := a.waitFor(&accounts); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		r.running.Store(true)
		accounts.Go(func() { <-release })
		began = time.Now()
		if err := a.waitFor(&accounts); !errors.Is(err, ErrStop) || !strings.Contains(err.Error(), "alice.eth") || time.Since(began) != 15*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(release)
		if o.FlushWait != 10*time.Second {
			t.Errorf("the last flush has %s", o.FlushWait)
		}
	})
}

// TestLastFlushIsGivenUp: a place that does not answer costs the time that the last flush has, and what waits stays.
func TestLastFlushIsGivenUp(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.places["alice.eth"] = hanging(t, false)
	d.config.Accounts[0].Schedule = config.Schedule{Idle: hour, Longest: hour, Interval: hour}
	d.options.Config, d.options.FlushWait = d.config, time.Second
	r := newRunner(d.config.Accounts[0], d.options.withDefaults())
	account, err := OpenAccount(t.Context(), r.config, r.options.AccountOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	if _, err := account.Append(t.Context(), strings.NewReader(envelopes(2)), history.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	r.lastFlush(ended, account) // returns, or the test's own time ends it
	if pending := account.engine.Status().Pending; pending != 2 {
		t.Errorf("%d messages wait", pending)
	}
	if !d.logged("last flush failed; what was appended waits in the journal") {
		t.Error("the log does not say that it was given up")
	}
}

// loginVault is a keyring that opens when somebody logs in.
type loginVault struct {
	keyring.Vault
	mu   sync.Mutex
	open bool
}

func (v *loginVault) Get(context.Context, string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.open {
		return "", keyring.ErrNoVault
	}
	return "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38=", nil
}

// TestStartsBeforeLogin: an agent that starts with the machine waits for a keyring that opens at the login, says so, and
// opens the account then; another account, whose secret is there, does not wait for it.
func TestStartsBeforeLogin(t *testing.T) {
	d := newDevice(t, "alice.eth", "bob.eth")
	vault := &loginVault{}
	own := d.options.Unlock
	d.options.Unlock = nil
	d.options.Vault = vault
	d.config.Accounts[0].Secret = config.Secret{Form: "storage-key", Keyring: "alice"}
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.runners {
		unlock := r.options.Unlock
		r.options.Unlock = func(ctx context.Context, account config.Account) ([32]byte, error) {
			if account.Name == "bob.eth" {
				return own(ctx, account)
			}
			return unlock(ctx, account)
		}
	}
	client, stop := d.startAs(a)
	until(t, client, "bob.eth", isPushed)
	until(t, client, "alice.eth", func(s api.AccountStatus) bool {
		return !s.Open && s.Obstacle == obstacle.Secret && strings.Contains(s.Reason, "log in to the desktop")
	})
	vault.mu.Lock()
	vault.open = true
	vault.mu.Unlock()
	until(t, client, "alice.eth", isPushed)
	if err := stop(); err != nil {
		t.Error(err)
	}
}
