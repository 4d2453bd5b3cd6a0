package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

func TestSealedSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "place.sealed")
	key := [32]byte{1}
	unlock := func(key [32]byte, err error) *keyring.Options {
		return &keyring.Options{Unlock: func() ([32]byte, error) { return key, err }}
	}
	if err := keyring.WriteSealed(path, [32]byte{9}, "replaced"); err != nil {
		t.Fatal(err)
	}
	if err := keyring.WriteSealed(path, key, "hunter2 ä"); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil || bytes.Contains(whole, []byte("hunter2")) {
		t.Fatalf("file %q, %v", whole, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	source := keyring.Source{Sealed: path}
	if secret, err := keyring.Read(source, unlock(key, nil)); err != nil || secret != "hunter2 ä" {
		t.Errorf("%q, %v", secret, err)
	}
	locked := errors.New("no wallet here")
	for name, c := range map[string]struct {
		options *keyring.Options
		text    string
		want    error
	}{
		"another key":    {unlock([32]byte{2}, nil), string(whole), keyring.ErrSource},
		"no key":         {nil, string(whole), keyring.ErrSource},
		"a locked key":   {unlock(key, locked), string(whole), locked},
		"cut off":        {unlock(key, nil), string(whole[:40]), keyring.ErrSource},
		"one bit":        {unlock(key, nil), flipped(string(whole)), keyring.ErrSource},
		"something else": {unlock(key, nil), "hunter2\n", keyring.ErrSource},
		"not base64":     {unlock(key, nil), "dm3sync-sealed-1:!!!!\n", keyring.ErrSource},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		secret, err := keyring.Read(source, c.options)
		if !errors.Is(err, c.want) || secret != "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", name, secret, err)
		}
	}
	if err := keyring.WriteSealed(filepath.Join(path, "below"), key, "hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("writing below a file: %v", err)
	}
}

// flipped changes one letter in the middle.
func flipped(text string) string {
	at := len(text) / 2
	letter := byte('A')
	if text[at] == letter {
		letter = 'B'
	}
	return text[:at] + string(letter) + text[at+1:]
}
