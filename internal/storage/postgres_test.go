package storage_test

import (
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
)

// databasePlaces are two clients, with connections of their own, of one partition in a
// new database at the server that the environment names, with a password.
func databasePlaces(t *testing.T) (places [2]providers.Store) {
	t.Helper()
	o := postgrestest.Options(t, postgrestest.Database(t, servertest.Named(t, postgrestest.Server)))
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for i := range places {
		place, err := postgres.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { place.Close() })
		places[i] = place
	}
	return places
}

// TestPostgresInstances: two instances on one real database answer an app's session as one
// does, and take a challenge once.
func TestPostgresInstances(t *testing.T) {
	t.Run("session", func(t *testing.T) { twoInstances(t, databasePlaces(t)) })
	t.Run("challenges", func(t *testing.T) {
		places := databasePlaces(t)
		challengesCountOnce(t, 20, places[0], places[1])
	})
}
