package acceptance

import (
	"net/http"
	"os"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// databases are the server that the environment names, and the pooler before it. Requests don't go through HTTP: calls are
// counted, each of which is one statement.
func databases() (all []constructor) {
	for _, server := range []struct{ name, variable string }{{"postgres", postgrestest.Server}, {"pgbouncer", postgrestest.Pooler}} {
		if os.Getenv(server.variable) == "" && !servertest.Required() {
			continue
		}
		all = append(all, func(t *testing.T, _ func(http.Handler) http.Handler) place {
			return newDatabase(t, server.name, servertest.Named(t, server.variable))
		})
	}
	return all
}

// newDatabase makes an empty database with dm3sync's tables.
func newDatabase(t *testing.T, name, address string) place {
	t.Helper()
	options := postgrestest.Options(t, postgrestest.Database(t, servertest.Named(t, postgrestest.Server)))
	options = postgrestest.Through(t, address, options)
	if err := postgres.Create(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	return place{name: name, store: func(t *testing.T) providers.Store {
		store, err := postgres.New(options)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}
