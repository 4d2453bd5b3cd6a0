//go:build unix

package local_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
)

// TestPipeIsNoObject puts a named pipe where an object could be, as whoever shares the folder
// can: opening it as a file would wait for a writer for ever.
func TestPipeIsNoObject(t *testing.T) {
	store, folder := open(t, nil)
	put(t, store, "a/b")
	if err := syscall.Mkfifo(filepath.Join(folder, "a", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := store.Get(t.Context(), "a/pipe"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := store.GetRange(t.Context(), "a/pipe", 0, 10); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("a range: %q, %v", data, err)
	}
	if listed := names(t, store, "a/"); len(listed) != 1 {
		t.Errorf("listed %q", listed)
	}
	put(t, store, "a/pipe") // what is no object is in nobody's way
	if data, err := store.Get(t.Context(), "a/pipe"); err != nil || string(data) != "a/pipe" {
		t.Errorf("%q, %v", data, err)
	}
}
