package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// withMirrors makes a device with an account that has mirrors, each at a place of its
// own; places are found by the mirror's name, the account's own by "".
func withMirrors(t *testing.T, mirrors ...string) (d *device, places map[string]providers.Store) {
	d = newDevice(t, "alice.eth")
	account := &d.config.Accounts[0]
	places = map[string]providers.Store{"": d.places["alice.eth"]}
	for _, name := range mirrors {
		places[name] = memory.New(nil)
		account.Mirrors = append(account.Mirrors, config.Mirror{
			Name: name, Interval: config.Duration(100 * time.Millisecond), Provider: config.Provider{Kind: "memory", Path: name},
		})
	}
	d.options.Open = func(ctx context.Context, account config.Account) (providers.Store, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if store := places[account.Provider.Path]; store != nil {
			return store, nil
		}
		return nil, fmt.Errorf("it is down: %w", providers.ErrTransient)
	}
	return d, places
}

func objectNames(t *testing.T, place providers.Store) (all []string) {
	t.Helper()
	for object, err := range place.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, object.Name)
	}
	slices.Sort(all)
	return all
}

// mirrorIs waits until a mirror's status fits.
func mirrorIs(t *testing.T, client *Client, name string, fits func(mirror.Status) bool) {
	t.Helper()
	until(t, client, "alice.eth", func(s api.AccountStatus) bool {
		return slices.ContainsFunc(s.Mirrors, func(m mirror.Status) bool { return m.Name == name && fits(m) })
	})
}

// TestMirrorsOfAgent: a running agent keeps a mirror in step and heals it; one that is down
// delays nothing, and is named.
func TestMirrorsOfAgent(t *testing.T) {
	d, places := withMirrors(t, "second", "down")
	places["down"] = nil
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(20))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isPushed)
	mirrorIs(t, client, "second", func(m mirror.Status) bool { return m.State == "complete" && m.Objects > 0 })
	mirrorIs(t, client, "down", func(m mirror.Status) bool {
		return m.State == "failing" && strings.Contains(m.LastError, "it is down") && m.Obstacle == obstacle.Unreachable
	})
	if err := places["second"].Delete(t.Context(), objectNames(t, places["second"])...); err != nil {
		t.Fatal(err)
	}
	mirrorIs(t, client, "second", func(m mirror.Status) bool { return m.Alarms.Healed["wiped"] == 1 && m.State == "complete" })
	d.mu.Lock()
	places["down"] = memory.New(nil)
	d.mu.Unlock()
	mirrorIs(t, client, "down", func(m mirror.Status) bool {
		return m.State == "complete" && m.LastError == "" && m.Obstacle == obstacle.None
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	fresh := newDevice(t, "alice.eth")
	fresh.places["alice.eth"] = places["second"]
	a, err := OpenAccount(t.Context(), fresh.config.Accounts[0], withConfig(fresh))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Sync(t.Context(), settle, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := a.Conversations(t.Context()); err != nil || len(list) != 1 || list[0].Messages != 20 {
		t.Errorf("the mirror alone shows %+v, %v", list, err)
	}
}

// TestReload: the agent takes over another place for an account while it runs, and what
// it holds of the old one still counts; anything else it leaves to a restart.
func TestReload(t *testing.T) {
	d, places := withMirrors(t, "second")
	fresh := *d.config
	d.options.Load = func() (*config.Config, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		now := fresh
		return &now, nil
	}
	change := func(accounts ...config.Account) {
		d.mu.Lock()
		defer d.mu.Unlock()
		fresh.Accounts = accounts
	}
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(5))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isPushed)
	mirrorIs(t, client, "second", func(m mirror.Status) bool { return m.State == "complete" && m.Objects > 0 })
	exchanged := fresh.Accounts[0]
	exchanged.Mirrors = []config.Mirror{{Name: "old", Shared: true, Interval: config.Duration(100 * time.Millisecond), Provider: exchanged.Provider}}
	exchanged.Provider = fresh.Accounts[0].Mirrors[0].Provider
	change(exchanged)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isOpen)
	mirrorIs(t, client, "old", func(m mirror.Status) bool { return m.State == "complete" && m.Shared })
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(9))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isPushed)
	if err := client.Reload(t.Context()); err != nil { // nothing has changed
		t.Fatal(err)
	}
	d.mu.Lock()
	fresh.Data = t.TempDir()
	d.mu.Unlock()
	if err := client.Reload(t.Context()); !errors.Is(err, api.ErrRequest) || !strings.Contains(err.Error(), "restart") {
		t.Error(err)
	}
	mirrorIs(t, client, "old", func(mirror.Status) bool {
		return slices.Equal(objectNames(t, places[""]), objectNames(t, places["second"]))
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if folders, err := filepath.Glob(filepath.Join(d.config.Data, "accounts", "*")); err != nil || len(folders) != 1 {
		t.Errorf("%q, %v", folders, err)
	}
}

// TestMirrorWork: what is asked of mirrors by name is done, and one that is not there is
// a wrong request.
func TestMirrorWork(t *testing.T) {
	d, _ := withMirrors(t, "second", "third")
	a, err := OpenAccount(t.Context(), d.config.Accounts[0], withConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Append(t.Context(), strings.NewReader(envelopes(20)), appendOptions); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Sync(t.Context(), settle, nil); err != nil {
		t.Fatal(err)
	}
	reports, err := a.Mirror(t.Context(), api.MirrorWork{Name: "third", Whole: true, Verify: true}, nil)
	if err != nil || len(reports) != 1 || reports[0].Copied == 0 || reports[0].Verified == nil || reports[0].Verified.Objects != reports[0].Verified.Read {
		t.Errorf("%+v, %v", reports, err)
	}
	if reports, err = a.Mirror(t.Context(), api.MirrorWork{}, nil); err != nil || len(reports) != 2 {
		t.Errorf("%+v, %v", reports, err)
	}
	if _, err := a.Mirror(t.Context(), api.MirrorWork{Name: "fourth"}, nil); !errors.Is(err, api.ErrRequest) {
		t.Error(err)
	}
	status, _ := a.Status(t.Context())
	got := map[string]string{}
	for _, m := range status.Mirrors {
		got[m.Name] = m.State
	}
	if !maps.Equal(got, map[string]string{"second": "complete", "third": "complete"}) {
		t.Errorf("%v", got)
	}
}

var (
	settle        = engine.Work{Settle: true}
	appendOptions = history.AppendOptions{}
)

// withConfig are the options to open the device's account here.
func withConfig(d *device) AccountOptions {
	o := d.options.AccountOptions
	o.Config = d.config
	return o
}
