package keyring_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// TestLocked: a locked file gives its secret for its passphrase alone, from whoever gives that, and shows neither.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "alice.locked")
	if err := keyring.WriteLocked(path, "too short", storageKey); !errors.Is(err, keyring.ErrPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	if err := keyring.WriteLocked(path, "correct horse", storageKey); err != nil {
		t.Fatal(err)
	}
	if err := keyring.WriteLocked(path, "another horse", storageKey); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another one: %v", err)
	}
	text, err := os.ReadFile(path)
	if info, statErr := os.Stat(path); err != nil || statErr != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(text), storageKey) {
		t.Errorf("%v, %v, %s", err, statErr, text)
	}
	credentials := filepath.Join(t.TempDir(), "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(credentials, "dm3sync-passphrase"), "correct horse\n", 0o400)
	damaged := filepath.Join(t.TempDir(), "damaged")
	write(t, damaged, string(text[:40])+"A"+string(text[41:]), 0o600)
	cut := filepath.Join(t.TempDir(), "cut")
	write(t, cut, string(text[:30]), 0o600)
	given := func(passphrase string) *keyring.Options {
		return &keyring.Options{LookupEnv: environment(nil), Passphrase: func(string) string { return passphrase }}
	}
	for _, c := range []struct {
		title, path string
		options     *keyring.Options
		err         error
	}{
		{"given", path, given("correct horse"), nil},
		{"variable", path, &keyring.Options{LookupEnv: environment(map[string]string{"DM3SYNC_PASSPHRASE": "correct horse"})}, nil},
		{"credential", path, &keyring.Options{LookupEnv: environment(map[string]string{"CREDENTIALS_DIRECTORY": credentials})}, nil},
		{"nobody gave one", path, given(""), keyring.ErrLocked},
		{"wrong", path, given("wrong horse"), keyring.ErrLocked},
		{"damaged", damaged, given("correct horse"), keyring.ErrLocked},
		{"cut off", cut, given("correct horse"), keyring.ErrSource},
		{"absent", path + "x", given("correct horse"), keyring.ErrSource},
	} {
		t.Run(c.title, func(t *testing.T) {
			secret, err := keyring.Read(keyring.Source{Locked: c.path}, c.options)
			if !errors.Is(err, c.err) || err == nil && secret != storageKey {
				t.Errorf("%v, right secret: %v", err, secret == storageKey)
			}
			if err != nil && (strings.Contains(err.Error(), "horse") || !errors.Is(err, keyring.ErrSource)) {
				t.Errorf("%v", err)
			}
		})
	}
}
