package acceptance

import (
	"net/http"
	"testing"

	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/dm3node"
)

// newNode makes an account at a dm3 node of its own.
func newNode(t *testing.T, between func(http.Handler) http.Handler) place {
	t.Helper()
	server := nodetest.New(t)
	account := server.Account(1)
	address := server.URL
	if between != nil {
		address = serve(t, between(server))
	}
	return place{name: "dm3node", store: func(t *testing.T) providers.Store {
		store, err := dm3node.New(&dm3node.Options{
			URL: address, Account: account.Name, Sign: account.Sign, Normalise: identity.Normalize, Partition: "acceptance",
			Warn: func(sentence string) { t.Error(sentence) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}
