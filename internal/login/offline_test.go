package login

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// openOffline opens a login that must ask nobody.
func openOffline(t *testing.T, vault keyring.Vault) *Login {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "account"), vault)
}

func openAt(t *testing.T, folder string, vault keyring.Vault) *Login {
	t.Helper()
	l, err := Open(Options{
		Place: Place{
			Title: "Google Drive", ClientID: "client", ClientSecret: "hunter2", Command: commandLogin, Scopes: []string{scopeFiles},
			AuthURL: "http://server/auth", TokenURL: "http://127.0.0.1:1/token", RevokeURL: "http://127.0.0.1:1/revoke",
			Parameters: map[string]string{"access_type": "offline", "prompt": "consent"},
		},
		Folder: folder, Unlock: unlockTest, Vault: vault,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// given is a record as a login makes it.
func given(now time.Time) record {
	return record{Client: "client", Scope: scopeFiles, Refresh: "refresh-token-1", Access: "access-token-1", Ends: now.Add(time.Hour), Used: now}
}

func serveOnce(handler http.Handler, address string) *httptest.ResponseRecorder {
	recorded := httptest.NewRecorder()
	handler.ServeHTTP(recorded, httptest.NewRequest(http.MethodGet, address, nil))
	return recorded
}
