package acceptance

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/providers"
)

// newSingleFile makes an empty file. Every device opens it for itself, as processes do.
func newSingleFile(t *testing.T, _ func(http.Handler) http.Handler) place {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alice.dm3sync")
	if err := archive.Create(path); err != nil {
		t.Fatal(err)
	}
	return place{name: "file", store: func(t *testing.T) providers.Store {
		store, err := archive.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}
