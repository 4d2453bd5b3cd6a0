package agent

import (
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// TestIPFSOptions: every setting reaches the store, and the seed is neither the key nor another account's.
func TestIPFSOptions(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	place := config.Provider{
		Kind: "ipfs", Endpoint: "http://host:5001", Device: 2, Devices: 5, Username: "alice", SecretFile: secret, CAFile: "ca", Proxy: "http://proxy",
		PinService: "mine", PinGateway: "https://gateway", UnpinAfter: config.Duration(time.Hour), Parallel: 3,
	}
	key := [32]byte{7}
	unlock := PlaceOptions{Unlock: func() ([32]byte, error) { return key, nil }}
	settings, _, err := providerSettings(config.Account{Name: "alice.eth", Provider: place}, unlock)
	if err != nil {
		t.Fatal(err)
	}
	got := settings.IPFS
	if got.Endpoint != place.Endpoint || got.Device != 2 || got.Devices != 5 || got.Username != "alice" || got.Secret != "password" || got.CAFile != "ca" ||
		got.Proxy != place.Proxy || got.PinService != "mine" || got.PinGateway != place.PinGateway || got.UnpinAfter != time.Hour || got.Parallel != 3 {
		t.Errorf("%+v", got)
	}
	locked := errors.New("locked")
	_, _, err = providerSettings(config.Account{Name: "alice.eth", Provider: config.Provider{Kind: "ipfs"}},
		PlaceOptions{Unlock: func() ([32]byte, error) { return key, locked }})
	if !errors.Is(err, locked) {
		t.Error(err)
	}
}

// TestIPFSSeedIsFrozen: with another seed an account's devices would not find what is there.
func TestIPFSSeedIsFrozen(t *testing.T) {
	seed, err := ipfsSeed([32]byte{7}, "alice.eth")
	if text := hex.EncodeToString(seed[:]); err != nil || text != "dc99458da3dd961755efb16a72bd69830ef9c403bc4534fdeb2874b43fa4595d" {
		t.Errorf("%s %v", text, err)
	}
	if same, err := ipfsSeed([32]byte{7}, "Alice.ETH"); err != nil || same != seed {
		t.Errorf("another writing of the name has another seed: %v", err)
	}
	if other, err := ipfsSeed([32]byte{7}, "bob.eth"); err != nil || other == seed {
		t.Errorf("another account has the same seed: %v", err)
	}
	if _, err := ipfsSeed([32]byte{7}, "ab--cd.eth"); !errors.Is(err, identity.ErrName) {
		t.Errorf("a bad name: %v", err)
	}
}

// TestPlaceWarns: what a place can't do in the background stands in the status, and once in the log, until it can.
func TestPlaceWarns(t *testing.T) {
	node := kubotest.New().Add()
	t.Cleanup(node.Close)
	store, err := ipfs.New(&ipfs.Options{Endpoint: node.URL, Seed: [32]byte{7}, Device: 1, Devices: 1, Publish: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	node.Refuse(func(command string) int {
		if command == "name/publish" {
			return http.StatusInternalServerError
		}
		return 0
	})
	d := newDevice(t, "alice.eth")
	d.places["alice.eth"] = store
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.Append(t.Context(), "", "", strings.NewReader(envelopes(2))); err != nil {
		t.Fatal(err)
	}
	until(t, client, "alice.eth", func(s api.AccountStatus) bool {
		return !s.LastSuccess.IsZero() && strings.Contains(s.Warning, "nothing could be published")
	})
	node.Refuse(nil)
	until(t, client, "alice.eth", func(s api.AccountStatus) bool { return s.Warning == "" })
	if err := stop(); err != nil {
		t.Error(err)
	}
	log := d.log.String()
	if strings.Count(log, "nothing could be published") != 1 || strings.Count(log, "what the place warned of is over") != 1 {
		t.Error(log)
	}
}
