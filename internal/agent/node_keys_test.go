package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge/deliverytest"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// TestCheckNodeKeys: a node that knows the account is told from one that knows nobody, or another, of its name.
func TestCheckNodeKeys(t *testing.T) {
	node := nodetest.New(t)
	alice, bob := deliverytest.Person(node.Account(1)), deliverytest.Person(node.Account(2))
	check := func(name, address string, of deliverytest.Person) error {
		account := config.Account{Name: name, Node: config.Node{URL: address, Name: name}}
		return CheckNodeKeys(t.Context(), account, address, of.Profile.StorageKey(), time.Now)
	}
	for what, c := range map[string]struct{ got, want error }{
		"its own":   {check(alice.Name, node.URL, alice), nil},
		"another's": {check(alice.Name, node.URL, bob), ErrOtherProfile},
		"nobody's":  {check("nobody.eth", node.URL, alice), dm3api.ErrNoProfile},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if err := check(alice.Name, "http://"+servertest.FreeAddress(t), alice); obstacle.Of(err) != obstacle.Unreachable {
		t.Errorf("offline: %v", err)
	}
}
