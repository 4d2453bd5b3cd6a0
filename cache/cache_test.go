package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestMain lets a test run this binary as the process that gets killed.
func TestMain(m *testing.M) {
	if folder := os.Getenv(crashFolderVariable); folder != "" {
		appendUntilKilled(folder)
		return
	}
	os.Exit(m.Run())
}

func mustOpen(t *testing.T, folder string, options Options) *Cache {
	t.Helper()
	c, err := Open(folder, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return c
}

func TestOpenIsExclusive(t *testing.T) {
	folder := t.TempDir()
	c := mustOpen(t, folder, Options{})
	_, err := Open(folder, Options{})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("second Open: %v, want ErrInUse", err)
	}
	for _, want := range []string{folder, strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	again := mustOpen(t, folder, Options{})
	if again.lock.unclean {
		t.Error("a clean close was taken for a crash")
	}
}

func TestOpenFormat(t *testing.T) {
	for text, want := range map[string]error{
		formatText:             nil,
		"":                     nil, // torn
		"dm3sync cache ":       nil,
		"dm3sync cache 1":      nil,
		"dm3sync cache 2":      nil,
		"dm3sync \x00ache 2\n": nil,
		"dm3sync cache \x00\n": nil,
		"dm3sync cache 2\n":    ErrNewerVersion,
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, formatFile), []byte(text), fileMode); err != nil {
			t.Fatal(err)
		}
		c, err := Open(folder, Options{})
		if !errors.Is(err, want) {
			t.Errorf("format %q: %v, want %v", text, err, want)
		}
		if err == nil {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A refused Open must leave the folder free.
func TestOpenFailureUnlocks(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "journal")
	if err := os.WriteFile(path, nil, fileMode); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(folder, Options{}); err == nil {
		t.Fatal("a file in place of the journal was accepted")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, folder, Options{})
}

// What one process leaves in all three parts, the next one finds.
func TestReopenKeepsEverything(t *testing.T) {
	folder := t.TempDir()
	c := mustOpen(t, folder, Options{})
	if c.Rebuilt() {
		t.Error("a new cache calls itself rebuilt")
	}
	if _, err := c.Journal().Append(context.Background(), []byte("entry")); err != nil {
		t.Fatal(err)
	}
	if err := c.Records().Update(func(tx *Tx) error { return tx.Put("b", "k", []byte("record")) }); err != nil {
		t.Fatal(err)
	}
	if err := c.Blobs().Put("0xab/c", []byte("blob"), false); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = mustOpen(t, folder, Options{})
	if got := replayed(t, c.Journal()); fmt.Sprint(got) != "map[1:entry]" {
		t.Errorf("journal: %v", got)
	}
	if got, ok, err := c.Records().Get("b", "k"); !ok || err != nil || string(got) != "record" {
		t.Errorf("record: %q %v %v", got, ok, err)
	}
	if got, ok := c.Blobs().Get("0xab/c"); !ok || string(got) != "blob" {
		t.Errorf("blob: %q %v", got, ok)
	}
	if c.Rebuilt() {
		t.Error("an undamaged cache calls itself rebuilt")
	}
}

// Nothing outside the folder's own files may be world-readable.
func TestFolderIsPrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	c := mustOpen(t, folder, Options{})
	appendText(t, c.Journal(), "x")
	for _, name := range []string{".", "journal", "blobs"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func appendText(t *testing.T, j *Journal, texts ...string) EntryID {
	t.Helper()
	var entries [][]byte
	for _, text := range texts {
		entries = append(entries, []byte(text))
	}
	id, err := j.Append(context.Background(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func replayed(t *testing.T, j *Journal) map[EntryID]string {
	t.Helper()
	got, last := make(map[EntryID]string), EntryID(0)
	err := j.Replay(func(id EntryID, sealed []byte) error {
		if id <= last {
			t.Errorf("entry %d came after %d", id, last)
		}
		last = id
		got[id] = string(bytes.Clone(sealed))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
