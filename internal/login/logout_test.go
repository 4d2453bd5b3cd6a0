package login

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
)

func TestLogout(t *testing.T) {
	for name, vault := range map[string]keyring.Vault{"file": nil, "keyring": newShelf()} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.vault = vault
			l, running := r.open(), r.open()
			r.login(l)
			token, err := running.Token()
			if err != nil {
				t.Fatal(r.err(err))
			}
			refresh := string(r.kept().Refresh)
			result, err := l.Logout(t.Context(), LogoutOptions{})
			if err != nil || !result.Removed || !result.Revoked || result.Untold != nil {
				t.Fatalf("%+v, %v", result, r.err(err))
			}
			if r.works(token.AccessToken) || r.works(refresh) {
				t.Error("the server still takes a token")
			}
			for _, l := range []*Login{l, running, r.open()} {
				if _, err := l.Token(); !errors.Is(r.err(err), ErrNeeded) || l.Kept() != "" {
					t.Errorf("%v", err)
				}
			}
			if s, ok := vault.(*shelf); ok && len(s.entries) != 0 {
				t.Error("the keyring still has it")
			}
			if again, err := l.Logout(t.Context(), LogoutOptions{}); err != nil || again.Removed {
				t.Errorf("%+v, %v", again, r.err(err))
			}
		})
	}
}

// TestLogoutServerDown: the token stays until the server knows, unless somebody insists.
func TestLogoutServerDown(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	for name, handler := range map[string]func(){"hangs up": func() { r.front.breakWith(hangUp) }, "503": func() { r.front.breakWith(echo(503)) }} {
		handler()
		result, err := l.Logout(t.Context(), LogoutOptions{})
		if !errors.Is(r.err(err), providers.ErrTransient) || !strings.Contains(err.Error(), "--force") || result.Removed || l.Kept() == "" {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
	result, err := l.Logout(t.Context(), LogoutOptions{Force: true})
	if err != nil || !result.Removed || result.Revoked || !errors.Is(r.err(result.Untold), providers.ErrTransient) || l.Kept() != "" {
		t.Errorf("%+v, %v", result, r.err(err))
	}
}

func TestLogoutLocal(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	token, err := l.Token()
	if err != nil {
		t.Fatal(r.err(err))
	}
	_, before := r.front.count()
	result, err := l.Logout(t.Context(), LogoutOptions{Local: true})
	if _, requests := r.front.count(); err != nil || !result.Removed || result.Revoked || result.Untold != nil || requests != before || !r.works(token.AccessToken) {
		t.Errorf("%+v, %v, %d requests", result, r.err(err), requests-before)
	}
}

// TestLogoutOfSpoiled: what can't be read can't be revoked, and goes only when somebody insists.
func TestLogoutOfSpoiled(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	if err := os.WriteFile(l.store.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Logout(t.Context(), LogoutOptions{}); err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "--force") {
		t.Errorf("%v", err)
	}
	if result, err := l.Logout(t.Context(), LogoutOptions{Force: true}); err != nil || !result.Removed || result.Untold == nil {
		t.Errorf("%+v, %v", result, err)
	}
}
