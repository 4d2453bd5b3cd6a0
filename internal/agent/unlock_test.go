package agent

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// TestUnlock: an account whose secret is locked waits for the passphrase, says how to give it, and opens as soon as it is there.
func TestUnlock(t *testing.T) {
	d := newDevice(t, "alice.eth", "bob.eth")
	path := filepath.Join(d.config.Data, "alice.locked")
	if err := keyring.WriteLocked(path, "correct horse", "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38="); err != nil {
		t.Fatal(err)
	}
	d.config.Accounts[0].Secret = config.Secret{Form: "storage-key", Locked: path}
	d.config.Accounts[0].Schedule.Interval = hour // nothing but the passphrase makes it try again soon
	key := filepath.Join(d.config.Data, "bob.key")
	if err := os.WriteFile(key, []byte("BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38="), 0o600); err != nil {
		t.Fatal(err)
	}
	d.config.Accounts[1].Secret = config.Secret{Form: "storage-key", File: key}
	d.options.Unlock = nil
	a, err := New(d.config, d.options)
	if err != nil {
		t.Fatal(err)
	}
	client, stop := d.startAs(a)
	until(t, client, "bob.eth", isPushed)
	until(t, client, "alice.eth", func(s api.AccountStatus) bool {
		return s.Obstacle == obstacle.Locked && strings.Contains(s.Reason, "DM3SYNC_PASSPHRASE")
	})
	for name, passphrase := range map[string]string{"alice.eth": "wrong horse", "bob.eth": "correct horse", "carol.eth": "correct horse"} {
		want := map[string]error{"alice.eth": keyring.ErrLocked, "bob.eth": api.ErrRequest, "carol.eth": api.ErrNoAccount}[name]
		if err := a.Unlock(t.Context(), name, passphrase); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Unlock(t.Context(), "alice.eth", "correct horse"); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isPushed)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(d.log.String(), "horse") {
		t.Error("the log has the passphrase")
	}
}

// TestUnlockOverTheSocket: who holds the socket may give the passphrase; over loopback there is no such thing, whatever
// is shown.
func TestUnlockOverTheSocket(t *testing.T) {
	d := newDevice(t, "alice.eth")
	path := filepath.Join(d.config.Data, "alice.locked")
	if err := keyring.WriteLocked(path, "correct horse", "BNrveta+05PRUcJNhPmKj3JwmIQtGljZ8jS2wLCUk38="); err != nil {
		t.Fatal(err)
	}
	d.config.Accounts[0].Secret = config.Secret{Form: "storage-key", Locked: path}
	d.config.Accounts[0].Schedule.Interval = hour
	d.config.Interface.Listen = servertest.FreeAddress(t)
	d.options.Unlock = nil
	_, client := d.startAgent()
	isLocked := func(s api.AccountStatus) bool { return s.Obstacle == obstacle.Locked }
	until(t, client, "alice.eth", isLocked)
	wait(t, "the interface", func() bool { return listens(d.config.Interface.Listen) })
	token, err := client.ReplaceToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.config.Interface.Listen+"/v1/access/unlock",
		strings.NewReader(`{"account":"alice.eth","passphrase":"correct horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	until(t, client, "alice.eth", isLocked)
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("over loopback: %d", answer.StatusCode)
	}
	for passphrase, want := range map[string]error{"": api.ErrRequest, "wrong horse": keyring.ErrLocked} {
		if err := client.Unlock(t.Context(), "alice.eth", passphrase); !errors.Is(err, want) || strings.Contains(err.Error(), "horse") {
			t.Errorf("%q: %v", passphrase, err)
		}
	}
	if err := client.Unlock(t.Context(), "carol.eth", "correct horse"); !errors.Is(err, api.ErrNoAccount) {
		t.Errorf("another account: %v", err)
	}
	if err := client.Unlock(t.Context(), "", strings.Repeat("horse", 10_000)); !errors.Is(err, api.ErrRequest) {
		t.Errorf("a huge one: %v", err)
	}
	if err := client.Unlock(t.Context(), "", "correct horse"); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", isOpen)
	if d.logged("horse") {
		t.Error("the log has the passphrase")
	}
}
