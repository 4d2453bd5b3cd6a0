package acceptance

import (
	"net/http"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// newDriveFolder makes an empty folder in a Drive of its own.
func newDriveFolder(t *testing.T, between func(http.Handler) http.Handler) place {
	t.Helper()
	server := drivetest.New()
	t.Cleanup(server.Close)
	options := &gdrive.Options{Tokens: server, Endpoint: server.URL}
	if err := gdrive.Create(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if between != nil {
		options.Endpoint = serve(t, between(server))
	}
	return place{name: "drive", store: func(t *testing.T) providers.Store {
		store, err := gdrive.New(options)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}
