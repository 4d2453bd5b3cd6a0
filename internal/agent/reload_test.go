package agent

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// changing lets the device's configuration have other accounts from then on; nothing is
// reloaded by that.
func (d *device) changing() (accounts func(...config.Account)) {
	fresh := *d.config
	fresh.File = filepath.Join(d.config.Data, "config.toml")
	d.options.Load = func() (*config.Config, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		now := fresh
		return &now, nil
	}
	return func(accounts ...config.Account) {
		d.mu.Lock()
		defer d.mu.Unlock()
		fresh.Accounts = accounts
	}
}

const hour = config.Duration(time.Hour)

func names(status api.Status) (all []string) {
	for _, account := range status.Accounts {
		all = append(all, account.Name)
	}
	return all
}

// TestNoAccount: an agent that nobody has set up answers, says what to do, and takes up the
// first account when it is told to read the configuration again.
func TestNoAccount(t *testing.T) {
	d := newDevice(t, "alice.eth")
	alice := d.config.Accounts[0]
	d.config.Accounts = nil
	change := d.changing()
	client, stop := d.start()
	status, err := client.Status(t.Context())
	if err != nil || status.Accounts == nil || len(status.Accounts) != 0 {
		t.Fatalf("%+v, %v", status, err)
	}
	for _, name := range []string{"", "alice.eth"} {
		if _, err := client.Account(name).Conversations(t.Context()); !errors.Is(err, api.ErrNoAccount) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := client.Account("").Conversations(t.Context()); err == nil || !strings.Contains(err.Error(), "dm3sync init") {
		t.Errorf("no way out: %v", err)
	}
	if !d.logged("waits to be set up") || !d.logged("dm3sync ui") {
		t.Error("the log does not say what to do")
	}
	change(alice)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isOpen)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(3))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isPushed)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestReloadAddsAndDrops: an account that goes makes its last flush and is closed, one that
// comes is opened, the others don't notice.
func TestReloadAddsAndDrops(t *testing.T) {
	d := newDevice(t, "alice.eth", "bob.eth", "carol.eth")
	alice, bob, carol := d.config.Accounts[0], d.config.Accounts[1], d.config.Accounts[2]
	alice.Schedule = config.Schedule{Idle: hour, Longest: hour, Interval: hour} // nothing but the last flush
	d.config.Accounts = []config.Account{alice, bob}
	change := d.changing()
	client, stop := d.start()
	until(t, client, "alice.eth", isPushed)
	held := len(objectNames(t, d.places["alice.eth"]))
	until(t, client, "bob.eth", isPushed)
	if _, err := client.Append(t.Context(), "alice.eth", "", strings.NewReader(envelopes(5))); err != nil {
		t.Fatal(err)
	}
	before := traffic(t, client, "bob.eth")
	carol.Spool = alice.Spool // it passes on
	change(carol, bob)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, client, "carol.eth", isPushed)
	status, err := client.Status(t.Context())
	if err != nil || !slices.Equal(names(status), []string{"carol.eth", "bob.eth"}) {
		t.Errorf("%v, %v", names(status), err)
	}
	if _, err := client.Account("alice.eth").Conversations(t.Context()); !errors.Is(err, api.ErrNoAccount) {
		t.Errorf("a dropped account answers: %v", err)
	}
	if after := traffic(t, client, "bob.eth"); after.Requests() < before.Requests() {
		t.Error("an account that did not change was opened anew")
	}
	if now := len(objectNames(t, d.places["alice.eth"])); now <= held {
		t.Errorf("no last flush: %d objects, %d before", now, held)
	}
	opened, err := OpenAccount(t.Context(), alice, withConfig(d)) // closed: its cache is free
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	change(alice, bob) // and back again
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", func(s api.AccountStatus) bool { return s.Open && s.Conversations == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func traffic(t *testing.T, client *Client, name string) providers.Counts {
	t.Helper()
	status, err := client.Account(name).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Traffic
}

// TestReloadRefuses: nothing changes when the configuration can't be read, or has lost its file.
func TestReloadRefuses(t *testing.T) {
	d := newDevice(t, "alice.eth")
	answers := make(chan func() (*config.Config, error), 1)
	d.options.Load = func() (*config.Config, error) { return (<-answers)() }
	client, stop := d.start()
	until(t, client, "alice.eth", isPushed)
	gone := *d.config
	gone.Accounts, gone.File = nil, ""
	for name, c := range map[string]struct {
		load func() (*config.Config, error)
		word string
	}{
		"no file":    {func() (*config.Config, error) { return &gone, nil }, "is gone"},
		"unreadable": {func() (*config.Config, error) { return nil, fs.ErrPermission }, "permission"},
	} {
		answers <- c.load
		if err := client.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", name, err)
		}
		until(t, client, "alice.eth", isOpen)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestReloadIsPatient: an account that hangs while it closes holds up no one who gives up
// waiting, and the change happens when it is closed.
func TestReloadIsPatient(t *testing.T) {
	d := newDevice(t, "alice.eth", "bob.eth")
	alice, bob := d.config.Accounts[0], d.config.Accounts[1]
	d.config.Accounts = []config.Account{alice}
	change := d.changing()
	release := make(chan struct{})
	asked := make(chan struct{}, 1)
	d.places["alice.eth"] = providertest.NewSlow(memory.New(nil), &providertest.SlowOptions{
		Sleep: func(context.Context, time.Duration) error {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-release
			return nil
		},
	})
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	<-asked // from here on it hangs
	change(bob)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Reload(ctx) }()
	wait(t, "the account to be told", func() bool { return d.logged("no longer in the configuration") })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	wait(t, "the new account", func() bool {
		status, err := client.Status(t.Context())
		return err == nil && slices.Equal(names(status), []string{"bob.eth"})
	})
	until(t, client, "bob.eth", isPushed)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestReloadAtTheStart: whoever asks for a reload while the agent begins is served when it has begun, and starts no account twice.
func TestReloadAtTheStart(t *testing.T) {
	d := newDevice(t, "alice.eth")
	fresh := *d.config
	fresh.Interface.Listen = servertest.FreeAddress(t)
	d.options.Load = func() (*config.Config, error) { return &fresh, nil }
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		for a.Reload(t.Context()) != nil && t.Context().Err() == nil {
			runtime.Gosched() // the moment is short
		}
	}()
	client, stop := d.startAs(a)
	<-reloaded
	until(t, client, "alice.eth", isPushed)
	if status := ask(t, browser(t), http.MethodGet, "http://"+fresh.Interface.Listen+"/v1/status"); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
