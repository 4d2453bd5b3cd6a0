package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/config"
)

// TestPut: a file that another program changed meanwhile is not written over, nor one that appeared or went.
func TestPut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := config.Put(file, nil, []byte("first\n")); err != nil {
		t.Fatal(err)
	}
	if err := config.Put(file, nil, []byte("second\n")); !errors.Is(err, config.ErrChanged) {
		t.Errorf("over a file that appeared: %v", err)
	}
	if err := config.Put(file, []byte("older\n"), []byte("second\n")); !errors.Is(err, config.ErrChanged) {
		t.Errorf("over a change: %v", err)
	}
	if err := config.Put(file+"x", []byte("older\n"), []byte("second\n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("where a file went: %v", err)
	}
	expectFile(t, file, "first\n", 0o600)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.toml")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if err := config.Put(link, []byte("first\n"), []byte("second\n")); err != nil {
		t.Fatal(err)
	}
	expectFile(t, file, "second\n", 0o640)
	if target, err := os.Readlink(link); err != nil || target != file {
		t.Errorf("the link leads to %q: %v", target, err)
	}
}

func expectFile(t *testing.T, path, text string, mode fs.FileMode) {
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
}

// TestLoadText: a text that is in no file yet means what it will mean there, where a link leads to it, too.
func TestLoadText(t *testing.T) {
	path := write(t, minimal)
	link := filepath.Join(t.TempDir(), "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	for _, file := range []string{path, link} {
		want, err := config.Load(file, environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.LoadText(file, []byte(minimal), environment("HOME=/home/alice"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := config.LoadText("none.toml", []byte("a = = b"), environment()); !errors.Is(err, config.ErrConfig) {
		t.Errorf("error %v", err)
	}
}
