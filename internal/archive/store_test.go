package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// create makes an empty file and returns its path.
func create(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new", "alice.dm3sync")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string, options *Options) *Store {
	t.Helper()
	store, err := Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func put(t *testing.T, store *Store, name, data string) {
	t.Helper()
	if err := store.Put(t.Context(), name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// want compares all that a store holds.
func want(t *testing.T, store *Store, expected map[string]string) {
	t.Helper()
	found := make(map[string]string)
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := store.Get(t.Context(), object.Name)
		if err != nil || int64(len(data)) != object.Size {
			t.Errorf("%s: %d bytes, listed are %d, %v", object.Name, len(data), object.Size, err)
		}
		found[object.Name] = string(data)
	}
	if fmt.Sprint(found) != fmt.Sprint(expected) {
		t.Errorf("there are %v, want %v", found, expected)
	}
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name   string
		others int // further stores on the file, as of other processes
	}{{"alone", 0}, {"shared", 1}} {
		t.Run(c.name, func(t *testing.T) {
			path := create(t)
			providertest.Run(t, func(t *testing.T) providers.Store {
				store, err := Open(path, &Options{Parallel: 16, MaxObject: 8 << 20})
				if err != nil {
					t.Fatal(err)
				}
				for i := range c.others {
					put(t, open(t, path, nil), fmt.Sprintf("other/%d", i), "of another process")
				}
				return store
			})
		})
	}
}

// TestManyWriters: what 16 writers of two stores on one file put and remove is there, in both, and after opening it again.
func TestManyWriters(t *testing.T) {
	path := create(t)
	stores := []*Store{open(t, path, nil), open(t, path, nil)}
	var group sync.WaitGroup
	expected := make(map[string]string)
	for writer := range 16 {
		for i := range 20 {
			if i%3 > 0 {
				expected[fmt.Sprintf("c%d/o%d", writer, i)] = fmt.Sprintf("data %d of %d", i, writer)
			}
		}
		group.Go(func() {
			store := stores[writer%2]
			for i := range 20 {
				name := fmt.Sprintf("c%d/o%d", writer, i)
				if err := store.Put(t.Context(), name, fmt.Appendf(nil, "data %d of %d", i, writer)); err != nil {
					t.Error(err)
				}
				if i%3 > 0 {
					continue
				}
				if err := store.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	want(t, stores[0], expected)
	want(t, stores[1], expected)
	for _, store := range stores {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want(t, open(t, path, &Options{ReadOnly: true}), expected)
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left beside the file: %v", left)
	}
}

// TestOldIndexStays: a file is readable, with all that was acknowledged, wherever a writer was cut off, by whoever opens it
// next; a reader changes nothing, and a writer cuts off what is torn.
func TestOldIndexStays(t *testing.T) {
	path := create(t)
	store := open(t, path, &Options{Relaxed: true})
	put(t, store, "a/1", "one")
	put(t, store, "a/2", "two")
	if err := store.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "b/3", "three")
	if err := store.Delete(t.Context(), "a/1"); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(whole, before) {
		t.Fatal("an addition changed what was there", err)
	}
	third := int64(len(before)) + (&section{name: "b/3", length: 5}).size()
	removal := third + (&section{length: 5}).size()
	for cut := len(before); cut <= len(whole); cut++ {
		for _, tail := range [][]byte{nil, make([]byte, 10)} { // a file may also have grown without what belongs there
			expected := map[string]string{"a/1": "one", "a/2": "two"}
			if int64(cut) >= third {
				expected["b/3"] = "three"
			}
			if int64(cut) >= removal {
				delete(expected, "a/1")
			}
			torn := filepath.Join(t.TempDir(), "torn")
			text := slices.Concat(whole[:cut], tail)
			if err := os.WriteFile(torn, text, 0o600); err != nil {
				t.Fatal(err)
			}
			reader := open(t, torn, &Options{ReadOnly: true})
			want(t, reader, expected)
			if kept, err := os.ReadFile(torn); err != nil || !bytes.Equal(kept, text) {
				t.Fatalf("a reader changed the file: %v", err)
			}
			writer := open(t, torn, nil)
			put(t, writer, "c/4", "four")
			expected["c/4"] = "four"
			want(t, writer, expected)
			want(t, reader, expected)
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
			found, err := Verify(t.Context(), torn, nil)
			if err != nil || !found.Indexed || found.Torn != 0 || len(found.Damaged) > 0 {
				t.Fatalf("cut at %d: %+v, %v", cut, found, err)
			}
		}
	}
}

// TestUnsyncedIsRead: of what no index names, only what is whole is shown.
func TestUnsyncedIsRead(t *testing.T) {
	path := create(t)
	store := open(t, path, nil)
	put(t, store, "a/1", "one")
	put(t, store, "a/2", "two")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.Index(text, []byte("one"))] = 0 // a block that the disk never got
	torn := filepath.Join(t.TempDir(), "torn")
	if err := os.WriteFile(torn, text, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, torn, &Options{ReadOnly: true}), map[string]string{"a/2": "two"})
}

// TestDamage: a flipped bit is named with the object that it hurts, whichever part of it it is; others are read, also when the
// index is what is hurt; writing the object again mends it.
func TestDamage(t *testing.T) {
	path := create(t)
	store := open(t, path, nil)
	objects := map[string]string{"a/1": "the first", "a/2": "the second", "b/3": "the third"}
	for _, name := range []string{"a/1", "a/2", "b/3"} {
		put(t, store, name, objects[name])
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Index(whole, []byte("the second"))
	begin := second - header - len("a/2")
	for at := begin; at < len(whole); at++ {
		hurt := filepath.Join(t.TempDir(), "hurt")
		text := bytes.Clone(whole)
		text[at] ^= 0x10
		if err := os.WriteFile(hurt, text, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := Verify(t.Context(), hurt, nil)
		if err != nil {
			t.Fatal(err)
		}
		inSecond := at < second+len("the second")
		named := slices.ContainsFunc(found.Damaged, func(d Damage) bool { return d.Name == "a/2" })
		if inSecond != named {
			t.Errorf("byte %d: %+v", at-begin, found)
		}
		again := open(t, hurt, nil)
		for name, text := range objects {
			if err := again.Put(t.Context(), name, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		want(t, again, objects)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if found, err = Verify(t.Context(), hurt, nil); err != nil || len(found.Damaged) > 0 || !found.Indexed {
			t.Errorf("byte %d, written again: %+v, %v", at-begin, found, err)
		}
	}
}

// TestSameAgain: the same bytes under the same name take no more room.
func TestSameAgain(t *testing.T) {
	path := create(t)
	store := open(t, path, nil)
	put(t, store, "a/1", "one")
	before, _ := os.Stat(path)
	put(t, store, "a/1", "one")
	if after, _ := os.Stat(path); after.Size() != before.Size() {
		t.Errorf("%d bytes after %d", after.Size(), before.Size())
	}
}

// TestOneBatch: what is written at one time has the effect of one after the other.
func TestOneBatch(t *testing.T) {
	path := create(t)
	store := open(t, path, nil)
	put(t, store, "a/1", "one")
	var group sync.WaitGroup
	store.turn <- struct{}{} // so that all of these wait
	for i, do := range []func() error{
		func() error { return store.Delete(t.Context(), "a/1") },
		func() error { return store.Put(t.Context(), "a/1", []byte("one")) },
		func() error { return store.Put(t.Context(), "a/2", []byte("two")) },
		func() error { return store.Delete(t.Context(), "a/2") },
	} {
		group.Go(func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
		for waiting := 0; waiting <= i; runtime.Gosched() {
			store.queueMutex.Lock()
			waiting = len(store.queue)
			store.queueMutex.Unlock()
		}
	}
	<-store.turn
	group.Wait()
	want(t, store, map[string]string{"a/1": "one"})
	want(t, open(t, path, nil), map[string]string{"a/1": "one"})
}

// TestWithdrawn: who gives up waiting has written nothing, and is kept from nothing.
func TestWithdrawn(t *testing.T) {
	store := open(t, create(t), nil)
	store.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Put(ctx, "a/1", []byte("one")) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-store.turn
	put(t, store, "a/2", "two")
	want(t, store, map[string]string{"a/2": "two"})
}

// TestCompaction: a file whose larger part is of no use is written anew, under readers and beside other writers.
func TestCompaction(t *testing.T) {
	path := create(t)
	store, other := open(t, path, nil), open(t, path, &Options{ReadOnly: true})
	put(t, store, "kept/1", "stays")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if data, err := other.Get(t.Context(), "kept/1"); err != nil || string(data) != "stays" {
				t.Errorf("%q, %v", data, err)
				return
			}
		}
	})
	large := make([]byte, 3<<20)
	for i := range 12 {
		name := fmt.Sprintf("large/%d", i)
		if err := errors.Join(store.Put(t.Context(), name, large), store.Delete(t.Context(), name)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Size() > 2*slack+2*int64(len(large)) {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	put(t, store, "kept/2", "goes")
	if err := errors.Join(store.Delete(t.Context(), "kept/2"), store.Compact(t.Context())); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte("goes")) || !bytes.Contains(text, []byte("stays")) {
		t.Errorf("after writing it anew the file holds %q, %v", text, err)
	}
	want(t, store, map[string]string{"kept/1": "stays"})
	want(t, other, map[string]string{"kept/1": "stays"})
}

// TestErrors: what is missing, not a file, newer, read-only or held by another writer has its own sentinel.
func TestErrors(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := newFileHeader()
	newer[8] = 2
	for _, c := range []struct {
		name, path string
		target     error
	}{
		{"missing", filepath.Join(folder, "missing"), ErrNoFile},
		{"missing is transient", filepath.Join(folder, "missing"), providers.ErrTransient},
		{"a folder", folder, ErrFormat},
		{"empty", write("empty", nil), ErrFormat},
		{"text", write("text", []byte("something else altogether")), ErrFormat},
		{"newer", write("newer", newer), ErrNewerVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(c.path, &Options{ReadOnly: true}); !errors.Is(err, c.target) {
				t.Errorf("%v, want %v", err, c.target)
			}
		})
	}
	if err := Create(write("foreign", []byte("something else altogether"))); !errors.Is(err, ErrFormat) {
		t.Errorf("made over a foreign file: %v", err)
	}
	path := create(t)
	reader := open(t, path, &Options{ReadOnly: true})
	if err := reader.Put(t.Context(), "a/1", nil); !errors.Is(err, ErrReadOnly) || !errors.Is(err, providers.ErrUnauthorised) {
		t.Errorf("put into what is read: %v", err)
	}
	holder, waiting := open(t, path, nil), open(t, path, &Options{LockWait: 10 * time.Millisecond})
	if err := holder.acquire(); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Put(t.Context(), "a/1", nil); !errors.Is(err, ErrInUse) || !errors.Is(err, providers.ErrTransient) {
		t.Errorf("put beside another writer: %v", err)
	}
	if err := holder.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	put(t, waiting, "a/1", "one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Get(t.Context(), "a/1"); !errors.Is(err, ErrNoFile) || errors.Is(err, providers.ErrNotFound) {
		t.Errorf("get from a file that is gone: %v", err)
	}
	if err := Create(path); err != nil { // so that closing finds one
		t.Fatal(err)
	}
}
