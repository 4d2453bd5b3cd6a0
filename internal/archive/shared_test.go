//go:build unix

package archive

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestNoLinkIsFollowed: whoever shares the folder puts a link under the name that a new file has for a moment. Neither
// is what it leads to written, nor does its mode change.
func TestNoLinkIsFollowed(t *testing.T) {
	folder := t.TempDir()
	path, precious := filepath.Join(folder, "history"), filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, work := range []struct {
		name string
		do   func() error
	}{
		{"create", func() error { return Create(path) }},
		{"compact", func() error {
			store, err := Open(path, nil)
			if err != nil {
				return err
			}
			return errors.Join(store.Put(t.Context(), "a/b", []byte("kept")), os.Chmod(path, 0o640), store.Compact(t.Context()), store.Close())
		}},
	} {
		t.Run(work.name, func(t *testing.T) {
			if err := os.Symlink(precious, path+temporarySuffix); err != nil {
				t.Fatal(err)
			}
			if err := work.do(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(precious)
			text, unread := os.ReadFile(precious)
			if err := errors.Join(err, unread); err != nil || info.Mode().Perm() != 0o600 || !bytes.Equal(text, []byte("precious")) {
				t.Errorf("what the link led to: %q, %v, %v", text, info.Mode(), err)
			}
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("the file: %v, %v", info, err)
			}
		})
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("written anew, the file lost its mode: %v, %v", info, err)
	}
}
