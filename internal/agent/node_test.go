package agent

import (
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/dm3node"
)

// TestNodeOptions: the store at a dm3 node gets what signs, not the key; its names are the account's own.
func TestNodeOptions(t *testing.T) {
	key := [32]byte{1, 2, 3}
	account := config.Account{Name: "alice.eth", Provider: config.Provider{Kind: config.KindNode, URL: "http://127.0.0.1:1/api", Username: "0xAB.addr.dm3.eth"}}
	place := PlaceOptions{Unlock: func() ([32]byte, error) { return key, nil }}
	options, err := nodeOptions(account, place)
	if err != nil {
		t.Fatal(err)
	}
	keys := identity.FromStorageKey(key)
	signature, err := options.Sign(t.Context(), "challenge")
	if err != nil || !keys.Verify("challenge", signature) || options.Account != "0xab.addr.dm3.eth" || options.URL != account.Provider.URL {
		t.Errorf("%+v %v", options, err)
	}
	account.Provider.Username = ""
	again, err := nodeOptions(account, place)
	if err != nil || again.Account != "alice.eth" || again.Partition != options.Partition || len(again.Partition) != 66 {
		t.Errorf("%+v %v", again, err)
	}
	other := account
	other.Name = "bob.eth"
	if options, err := nodeOptions(other, place); err != nil || options.Partition == again.Partition {
		t.Error("two accounts of one key share a partition", err)
	}
	account.Name = "alice😀.eth"
	if _, err := nodeOptions(account, place); err == nil || strings.Contains(err.Error(), "😀") {
		t.Error(err)
	}
}

// TestNodeOpens: the configuration opens the store, without a request.
func TestNodeOpens(t *testing.T) {
	account := config.Account{Name: "alice.eth", Provider: config.Provider{Kind: config.KindNode, URL: "http://127.0.0.1:1"}}
	store, err := OpenProvider(t.Context(), account, PlaceOptions{Unlock: func() ([32]byte, error) { return [32]byte{1}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if p := store.Properties(); p.Kind != dm3node.Kind || !p.Durable || p.MaxObject >= dm3api.StockBody {
		t.Errorf("%+v", p)
	}
	if _, err := store.Get(t.Context(), "0x00/x"); !providers.Retriable(err) {
		t.Error(err)
	}
}
