package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// open makes a store in a new folder.
func open(t testing.TB, options *local.Options) (*local.Store, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "store")
	if err := local.Create(folder); err != nil {
		t.Fatal(err)
	}
	store, err := local.New(folder, options)
	if err != nil {
		t.Fatal(err)
	}
	return store, folder
}

func put(t *testing.T, store providers.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := store.Put(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, store providers.Store, prefix string) []string {
	t.Helper()
	found := []string{}
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, object.Name)
	}
	slices.Sort(found)
	return found
}

// write puts a file there as another program would.
func write(t *testing.T, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("foreign"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for _, carried := range []bool{false, true} {
		t.Run(fmt.Sprintf("carried=%v", carried), func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Store {
				store, _ := open(t, &local.Options{Carried: carried})
				return store
			})
		})
	}
}

func TestProperties(t *testing.T) {
	plain, _ := open(t, nil)
	if p := plain.Properties(); !p.Durable || !p.CurrentListings || !p.Deletes || p.Carried || p.Kind != local.Kind {
		t.Errorf("plain: %+v", p)
	}
	carried, _ := open(t, &local.Options{Carried: true, MaxObject: 2 << 20, Parallel: 3})
	if p := carried.Properties(); p.CurrentListings || !p.Carried || p.MaxObject != 2<<20 || p.Parallel != 3 {
		t.Errorf("carried: %+v", p)
	}
}

// TestNoFolder: what is not there, or not marked, is never an empty store, at the start or later.
func TestNoFolder(t *testing.T) {
	base := t.TempDir()
	write(t, base, "file")
	if err := os.Mkdir(filepath.Join(base, "unmarked"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"missing", "unmarked", "file"} {
		_, err := local.New(filepath.Join(base, path), nil)
		if !errors.Is(err, local.ErrNoFolder) || !errors.Is(err, providers.ErrTransient) || errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
	store, folder := open(t, nil)
	put(t, store, "a/1")
	away := folder + ".away"
	for _, empty := range []bool{false, true} { // the drive is taken out; then its mount point is an empty folder
		if err := os.Rename(folder, away); err != nil {
			t.Fatal(err)
		}
		if empty {
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		wantNoFolder(t, store)
		if entries, err := os.ReadDir(folder); len(entries) > 0 {
			t.Errorf("something was written: %v %v", entries, err)
		}
		if err := errors.Join(os.RemoveAll(folder), os.Rename(away, folder)); err != nil {
			t.Fatal(err)
		}
		if data, err := store.Get(t.Context(), "a/1"); err != nil || string(data) != "a/1" {
			t.Errorf("the drive is back: %q %v", data, err)
		}
	}
}

func wantNoFolder(t *testing.T, store *local.Store) {
	t.Helper()
	_, got := store.Get(t.Context(), "a/1")
	_, part := store.GetRange(t.Context(), "a/1", 0, 1)
	var listed error
	for _, err := range store.List(t.Context(), "a/") {
		listed = err
	}
	_, watched := store.Watch(t.Context())
	for operation, err := range map[string]error{
		"get": got, "range": part, "list": listed, "watch": watched,
		"put": store.Put(t.Context(), "a/2", []byte("x")), "delete": store.Delete(t.Context(), "a/1"),
	} {
		if !errors.Is(err, local.ErrNoFolder) || errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%s without the folder: %v", operation, err)
		}
	}
}

// TestForeignFiles: what operating systems and sync programs leave in a folder is neither listed nor kept from them.
func TestForeignFiles(t *testing.T) {
	store, folder := open(t, &local.Options{Carried: true})
	put(t, store, "0xabc/s1", "0xabc/s2", "0xdef/s3-a", "0xdef/S-1", "top")
	for _, name := range []string{
		"desktop.ini", "Desktop.ini", "Thumbs.db", ".DS_Store", ".stfolder/x", ".stignore", ".stversions/0xabc/s9", ".dropbox",
		".dropbox.cache/0xabc/s1", "~$s1", "0xabc/.~lock.s1#", "0xabc/s1 (Anna's conflicted copy 2026-11-21)", "0xabc/s1 (1)", "0xabc/s1 2",
		"0xabc/s1.sync-conflict-20261121-101500-ABCDEFG", "0xabc/.syncthing.s4.tmp", "0xabc/~syncthing~s4.tmp", "0xabc/desktop.ini",
		"0xabc/s1_conflict-20261121-101500", "0xabc/s1-DESKTOP-7K2", "0xabc/s2-Annas-Laptop", "0xabc/s5.part", "0xabc/s5.PARTIAL",
		"0xabc/s5.crdownload", "0xabc/.s5.icloud", "0xabc/s1.bak", "0xabc (Selective Sync Conflict)/s1", "0xabc/s5.!sync", "0xabc/.nfs0001",
		"0xabc/~dm3sync-abcdef.tmp", "lost+found/x", "$RECYCLE.BIN/x", "System Volume Information/x", "@eaDir/s1", "0xabc/Icon\r",
	} {
		write(t, folder, filepath.FromSlash(name))
	}
	if err := os.Symlink(filepath.Join(folder, "top"), filepath.Join(folder, "0xabc", "link")); err != nil {
		t.Logf("no links here: %v", err)
	}
	want := []string{"0xabc/s1", "0xabc/s2", "0xdef/S-1", "0xdef/s3-a", "top"}
	if found := names(t, store, ""); !slices.Equal(found, want) {
		t.Errorf("listed %q", found)
	}
	if found := names(t, store, "0xabc/"); !slices.Equal(found, want[:2]) {
		t.Errorf("listed %q", found)
	}
	for _, name := range []string{"desktop.ini", "0xabc/THUMBS.DB", "0xabc/x.tmp", "0xabc/x.sync-conflict-1", "conflict/x"} {
		if err := store.Put(t.Context(), name, nil); !errors.Is(err, providers.ErrInvalidName) {
			t.Errorf("put %s, which would not be listed: %v", name, err)
		}
	}
}

// TestSweep: abandoned temporary files go with a listing of everything, younger ones stay.
func TestSweep(t *testing.T) {
	now := time.Now()
	store, folder := open(t, &local.Options{Now: func() time.Time { return now }})
	put(t, store, "a/1")
	temporary := filepath.Join(folder, "a", "~dm3sync-killed.tmp")
	write(t, temporary)
	now = now.Add(23 * time.Hour)
	names(t, store, "")
	if _, err := os.Stat(temporary); err != nil {
		t.Errorf("removed too early: %v", err)
	}
	now = now.Add(2 * time.Hour)
	names(t, store, "a/")
	if _, err := os.Stat(temporary); err != nil {
		t.Errorf("removed by a small listing: %v", err)
	}
	if found := names(t, store, ""); len(found) != 1 {
		t.Errorf("listed %v", found)
	}
	if _, err := os.Stat(temporary); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

// TestLinksDoNotEscape: nothing outside the base folder is read, written, listed or removed through a link.
func TestLinksDoNotEscape(t *testing.T) {
	store, folder := open(t, nil)
	outside := t.TempDir()
	write(t, outside, "secret")
	if err := errors.Join(
		os.Symlink(outside, filepath.Join(folder, "dir")), os.Symlink(filepath.Join(outside, "secret"), filepath.Join(folder, "file")),
	); err != nil {
		t.Skipf("no links here: %v", err)
	}
	for _, name := range []string{"dir/secret", "file"} {
		if data, err := store.Get(t.Context(), name); err == nil || errors.Is(err, providers.ErrNotFound) {
			t.Errorf("get %s: %q %v", name, data, err)
		}
	}
	if err := store.Put(t.Context(), "dir/new", []byte("x")); err == nil {
		t.Error("put through a link")
	}
	if err := store.Delete(t.Context(), "dir/secret"); err == nil {
		t.Error("delete through a link")
	}
	if found := names(t, store, ""); len(found) != 0 {
		t.Errorf("listed %v", found)
	}
	if err := store.Put(t.Context(), "file", []byte("new")); err != nil { // replaces the link itself
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(data) != "foreign" {
		t.Errorf("outside: %q %v", data, err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside: %v", entries)
	}
}

func TestErrors(t *testing.T) {
	store, folder := open(t, &local.Options{MaxObject: 1 << 20})
	write(t, folder, "a", "planted")
	if err := os.Truncate(filepath.Join(folder, "a", "planted"), 1<<20+1); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "a/planted"); !errors.Is(err, providers.ErrTooLarge) {
		t.Errorf("a giant: %v", err)
	}
	if data, err := store.GetRange(t.Context(), "a/planted", 10, 5); err != nil || !bytes.Equal(data, make([]byte, 5)) {
		t.Errorf("a range of a giant: %q %v", data, err)
	}
	if _, err := store.Get(t.Context(), "a"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := store.Get(t.Context(), "a/planted/x"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("below a file: %v", err)
	}
	if err := store.Put(t.Context(), "a/planted/x", nil); err == nil || providers.Retriable(err) {
		t.Errorf("put below a file: %v", err)
	}
	if err := store.Delete(t.Context(), "a", "a/planted/x"); err != nil {
		t.Errorf("delete of no objects: %v", err)
	}
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		return // everything is permitted
	}
	if err := os.Chmod(filepath.Join(folder, "a"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(folder, "a"), 0o700)
	if _, err := store.Get(t.Context(), "a/planted"); !errors.Is(err, providers.ErrUnauthorised) {
		t.Errorf("forbidden: %v", err)
	}
	var listed error
	for _, listed = range store.List(t.Context(), "") {
	}
	if !errors.Is(listed, providers.ErrUnauthorised) {
		t.Errorf("forbidden listing: %v", listed)
	}
}

// TestFoldersComeAndGo: puts and deletions in one container at once never fail, and leave no empty folder.
func TestFoldersComeAndGo(t *testing.T) {
	store, folder := open(t, nil)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 60 {
				name := fmt.Sprintf("c%d/sub/%d-%d", i%2, w, i)
				if err := store.Put(context.Background(), name, []byte(name)); err != nil {
					t.Error(err)
				}
				if data, err := store.Get(context.Background(), name); err != nil || string(data) != name {
					t.Errorf("%s: %q %v", name, data, err)
				}
				if err := store.Delete(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if found := names(t, store, ""); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
	for i := range 2 {
		inner := filepath.Join(folder, fmt.Sprintf("c%d", i), "sub")
		if _, err := os.Stat(inner); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", inner, err)
		}
	}
}

// TestReadersSeeWholeObjects: while an object is written again and again, a reader never sees a part.
func TestReadersSeeWholeObjects(t *testing.T) {
	store, _ := open(t, nil)
	data := bytes.Repeat([]byte("whole"), 200_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			if err := store.Put(context.Background(), "a/1", data); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := store.Get(t.Context(), "a/1")
		if !errors.Is(err, providers.ErrNotFound) && (err != nil || !bytes.Equal(got, data)) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}
