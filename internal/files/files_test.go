package files_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/dm3sync/dm3sync/internal/files"
)

// expect compares a file with what it should be, and its folder: nothing else may be left there.
func expect(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || string(data) != text {
		t.Errorf("%q: %v", data, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != mode {
		t.Errorf("mode %v", info.Mode())
	}
	only(t, path)
}

func only(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("%s is left", entry.Name())
		}
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	for _, c := range []struct {
		text string
		mode fs.FileMode
	}{{"first", files.Private}, {"the second is longer", 0o666}, {"", 0o640}, {"third", files.Private}} {
		if err := files.Replace(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		expect(t, path, c.text, c.mode)
	}
}

// TestReadersFindAWholeFile: whoever has the old file open keeps it whole, and nobody else meets half of the new one.
func TestReadersFindAWholeFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file that somebody has open")
	}
	path := filepath.Join(t.TempDir(), "name")
	texts := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<17)}
	write := func(n int) {
		if err := files.Replace(path, texts[n%2], files.Private); err != nil {
			t.Error(err)
		}
	}
	write(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 40 {
			write(n)
		}
	}()
	for {
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(data, texts[0]) && !bytes.Equal(data, texts[1]) {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		select {
		case <-done:
			only(t, path)
			return
		default:
		}
	}
}

// TestReplaceFails: what was there stays, and nothing is left beside it.
func TestReplaceFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil { // no file takes its place
		t.Fatal(err)
	}
	if err := files.Replace(path, []byte("text"), files.Private); err == nil {
		t.Error("a folder was replaced")
	}
	only(t, path)
	if err := files.Replace(filepath.Join(path, "none", "name"), []byte("text"), files.Private); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestReplaceALink(t *testing.T) {
	folder := t.TempDir()
	target, link := filepath.Join(t.TempDir(), "target"), filepath.Join(folder, "link")
	if err := os.WriteFile(target, []byte("kept"), files.Private); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip("no links here: ", err)
	}
	if err := files.Replace(link, []byte("new"), files.Private); err != nil {
		t.Fatal(err)
	}
	expect(t, link, "new", files.Private)
	expect(t, target, "kept", files.Private)
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	if err := files.Create(path, []byte("first"), files.Private); err != nil {
		t.Fatal(err)
	}
	if err := files.Create(path, []byte("second"), files.Private); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	expect(t, path, "first", files.Private)
}

func TestSyncFolder(t *testing.T) {
	folder := t.TempDir()
	if err := files.SyncFolder(folder); err != nil {
		t.Error(err)
	}
	if err := files.SyncFolder(filepath.Join(folder, "none")); runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
