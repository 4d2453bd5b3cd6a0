package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
)

// shelf is a keyring in memory.
type shelf struct {
	mu      sync.Mutex
	entries map[string]string
	broken  error
	forgets bool
}

func newShelf() *shelf { return &shelf{entries: map[string]string{}} }

func (s *shelf) Get(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.entries[name]
	switch {
	case s.broken != nil:
		return "", s.broken
	case !ok:
		return "", keyring.ErrNoEntry
	}
	return text, nil
}

func (s *shelf) Set(_ context.Context, name, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return s.broken
	case len(secret) > keyring.MaxEntry:
		return keyring.ErrTooLong
	case !s.forgets:
		s.entries[name] = secret
	}
	return nil
}

func (s *shelf) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, name)
	return s.broken
}

func (s *shelf) setBroken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// keep keeps a record as a new login does.
func keep(t *testing.T, l *Login, r record, inFile bool) Result {
	t.Helper()
	result, err := l.keepNew(t.Context(), r, inFile)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestKeptInTheKeyring(t *testing.T) {
	vault := newShelf()
	l := openOffline(t, vault)
	if result := keep(t, l, given(time.Now()), false); result.Kept != "kept in the system's keyring" || result.Avoided != nil {
		t.Errorf("%+v", result)
	}
	file, err := os.ReadFile(l.store.path)
	if err != nil || bytes.Contains(file, []byte("token")) || len(vault.entries) != 1 {
		t.Errorf("%s, %v, %d entries", file, err, len(vault.entries))
	}
	second := openAt(t, filepath.Dir(l.store.path), vault)
	if token, err := second.Token(); err != nil || token.AccessToken != "access-token-1" {
		t.Errorf("another process: %v", err)
	}
	// A refresh there is noticed here, where the file alone is looked at.
	next := given(time.Now())
	next.Access = "access-token-2"
	if _, err := second.keepThenUse(t.Context(), second.known, next); err != nil {
		t.Fatal(err)
	}
	if token, err := l.Token(); err != nil || token.AccessToken != "access-token-2" || len(vault.entries) != 1 {
		t.Errorf("not noticed: %v", err)
	}
	// A new login takes the place of the old one, wherever that was.
	keep(t, l, given(time.Now()), false)
	if len(vault.entries) != 1 {
		t.Errorf("%d entries", len(vault.entries))
	}
	if result := keep(t, l, given(time.Now()), true); !strings.HasPrefix(result.Kept, "sealed in ") || result.Avoided != nil || len(vault.entries) != 0 {
		t.Errorf("%+v, %d entries", result, len(vault.entries))
	}
}

// TestKeyringWithoutRoom: a long access token stays in memory; the login itself is kept.
func TestKeyringWithoutRoom(t *testing.T) {
	vault := newShelf()
	l := openOffline(t, vault)
	long := given(time.Now())
	long.Access = secret(strings.Repeat("a", keyring.MaxEntry))
	if result := keep(t, l, long, false); result.Avoided != nil {
		t.Fatal(result.Avoided)
	}
	if token, err := l.Token(); err != nil || token.AccessToken != string(long.Access) {
		t.Errorf("the token of this process: %v", err)
	}
	if kept, _, err := l.store.load(t.Context()); err != nil || kept.Access != "" || kept.Refresh != long.Refresh {
		t.Errorf("what is kept: %v", err)
	}
}

// TestNoKeyring: without one, and with one that fails or forgets, the token is sealed in a file.
func TestNoKeyring(t *testing.T) {
	for name, vault := range map[string]keyring.Vault{
		"none": nil, "broken": &shelf{broken: keyring.ErrNoVault}, "forgets": &shelf{forgets: true, entries: map[string]string{}},
	} {
		l := openOffline(t, vault)
		result := keep(t, l, given(time.Now()), false)
		if result.Kept != "sealed in "+l.store.path || result.Avoided == nil {
			t.Errorf("%s: %+v", name, result)
		}
		if token, err := openAt(t, l.store.folder, vault).Token(); err != nil || token.AccessToken != "access-token-1" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyringAway: a keyring that is locked or not there for the moment is no reason to log in again.
func TestKeyringAway(t *testing.T) {
	vault := newShelf()
	l := openOffline(t, vault)
	keep(t, l, given(time.Now()), false)
	vault.setBroken(keyring.ErrNoVault)
	for name, v := range map[string]keyring.Vault{"locked": vault, "none": nil} {
		if _, err := openAt(t, l.store.folder, v).Token(); !errors.Is(err, providers.ErrTransient) || !errors.Is(err, keyring.ErrNoVault) || errors.Is(err, ErrNeeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if token, err := l.Token(); err != nil || token.AccessToken == "" {
		t.Errorf("a process that has the token needs no keyring: %v", err)
	}
	vault.setBroken(nil)
	clear(vault.entries)
	if _, err := openAt(t, l.store.folder, vault).Token(); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "has it no more") {
		t.Errorf("%v", err)
	}
}

func TestSealedFile(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	first, err := os.ReadFile(l.store.path)
	if err != nil || bytes.Contains(first, []byte("token-1")) || bytes.Contains(first, []byte("client")) {
		t.Fatalf("%v: %s", err, first)
	}
	entries, err := os.ReadDir(l.store.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	if len(entries) != 2 { // and the lock
		t.Errorf("%d files", len(entries))
	}
	keep(t, l, given(time.Now()), true)
	if second, err := os.ReadFile(l.store.path); err != nil || bytes.Equal(first, second) {
		t.Errorf("a nonce came twice, %v", err)
	}
}

// TestSpoiledFile: what can't be opened asks for a new login, in words that say why, and never for the provider's patience.
func TestSpoiledFile(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	good, err := os.ReadFile(l.store.path)
	if err != nil {
		t.Fatal(err)
	}
	var k kept
	if err := json.Unmarshal(good, &k); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(k.Sealed)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		file   any
		needed bool
		text   string
	}{
		"torn":      {string(good[:len(good)/2]), true, "damaged"},
		"empty":     {"", true, "damaged"},
		"flipped":   {kept{Version: 1, Sealed: flipped}, true, "another [account.secret]"},
		"short":     {kept{Version: 1, Sealed: []byte("short")}, true, "damaged"},
		"two ways":  {kept{Version: 1, Sealed: flipped, Entry: "e"}, true, "damaged"},
		"no way":    {kept{Version: 1}, true, "damaged"},
		"from 2040": {kept{Version: 2}, false, "newer dm3sync"},
	} {
		text, ok := c.file.(string)
		if !ok {
			data, _ := json.Marshal(c.file)
			text = string(data)
		}
		if err := os.WriteFile(l.store.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openAt(t, l.store.folder, nil).Token()
		if errors.Is(err, ErrNeeded) != c.needed || err == nil || !strings.Contains(err.Error(), c.text) || errors.Is(err, providers.ErrTransient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A new login mends it, but not what a newer program keeps.
	if err := os.WriteFile(l.store.path, []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.keepNew(t.Context(), given(time.Now()), true); err == nil || !strings.Contains(err.Error(), "newer dm3sync") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(l.store.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	keep(t, l, given(time.Now()), true)
	if _, err := openAt(t, l.store.folder, nil).Token(); err != nil {
		t.Error(err)
	}
}

func TestOtherSecret(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	other := openAt(t, l.store.folder, nil)
	other.store.unlock = func() ([32]byte, error) { return [32]byte{1}, nil }
	if _, err := other.Token(); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "another [account.secret]") {
		t.Errorf("%v", err)
	}
	other.store.unlock = func() ([32]byte, error) { return [32]byte{}, keyring.ErrSource }
	if _, err := other.Token(); !errors.Is(err, keyring.ErrSource) || errors.Is(err, ErrNeeded) {
		t.Errorf("%v", err)
	}
}

// TestChangedConfiguration: a login is good only for the client and the scopes that it was made for.
func TestChangedConfiguration(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	other := openAt(t, l.store.folder, nil)
	other.place.ClientID = "another"
	if _, err := other.Token(); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "another client_id") {
		t.Errorf("%v", err)
	}
	other = openAt(t, l.store.folder, nil)
	other.place.Scopes = []string{scopeAppData}
	if _, err := other.Token(); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "does not cover") {
		t.Errorf("%v", err)
	}
}

// TestLockIsWaitedFor: who finds the lock taken waits, and leaves when the context ends.
func TestLockIsWaitedFor(t *testing.T) {
	l := openOffline(t, nil)
	keep(t, l, given(time.Now()), true)
	unlock, err := l.store.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	other := openAt(t, l.store.folder, nil)
	if _, err := other.store.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	got := make(chan error)
	go func() {
		free, err := other.store.lock(t.Context())
		if err == nil {
			free()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestTypesPrintNoSecret: with no verb, and in no log.
func TestTypesPrintNoSecret(t *testing.T) {
	l := openOffline(t, nil)
	a, err := l.newAttempt("http://127.0.0.1:1/")
	if err != nil {
		t.Fatal(err)
	}
	r := given(time.Now())
	l.known, l.rejected = &r, r.Access
	values := []any{l, *a, a, r, &r, r.Refresh, l.place, &l.place, Options{Place: l.place}, unkept{r.Refresh, r}, &unkept{r.Refresh, r}, answer{code: r.Refresh}}
	out := &bytes.Buffer{}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(out, nil), slog.NewTextHandler(out, nil)} {
		for _, value := range values {
			slog.New(handler).Info("value", "value", value)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		for _, value := range values {
			fmt.Fprintf(out, verb+"\n", value)
			fmt.Fprintf(out, verb+"\n", []any{value})
		}
	}
	for _, s := range []string{string(r.Refresh), string(r.Access), string(a.verifier), string(a.state), "hunter2", fmt.Sprintf("%x", string(r.Refresh))} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%s came out:\n%s", s, out)
		}
	}
}
