package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/internal/transfer"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// source is an account with objects, some of which can't be had.
type source struct {
	mutex   sync.Mutex
	objects map[string]string
	fail    map[string]error
	asked   func(name string) // while an object is asked for
}

func (s *source) Inventory(context.Context) (engine.Inventory, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	names := slices.Sorted(maps.Keys(s.objects))
	at, _ := slices.BinarySearch(names, "states/")
	return engine.Inventory{Containers: []string{"heads", "states"}, Objects: slices.Concat(names[at:], names[:at])}, nil
}

func (s *source) Object(ctx context.Context, name string, cached bool) ([]byte, error) {
	if s.asked != nil {
		s.asked(name)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	err := s.fail[name]
	data, ok := s.objects[name]
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !ok || err != nil && cached:
		return nil, providers.ErrNotFound
	}
	return []byte(data), err
}

func (s *source) Lacking(context.Context, map[string][]byte) ([]string, error) { return nil, nil }
func (s *source) PutBack(context.Context, string, []byte) error                { return nil }

func (s *source) change(remove string, add ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.objects, remove)
	for _, name := range add {
		s.objects[name] = "data of " + name
	}
}

func newSource(states int) *source {
	s := &source{objects: make(map[string]string), fail: make(map[string]error)}
	s.change("", "heads/one")
	for i := range states {
		s.change("", fmt.Sprintf("states/%03d", i))
	}
	return s
}

// exported copies a source into the file at path.
func exported(ctx context.Context, s *source, path string) (exportResult, error) {
	result := exportResult{}
	copying := &transfer.Copier{From: s, Result: &result.Result, Progress: func(engine.Progress) {}, Look: func() error { return nil }}
	err := exportToFile(ctx, copying, path, false)
	return result, err
}

// inFile is what a file holds, of containers of the account.
func inFile(t *testing.T, path string) map[string]string {
	t.Helper()
	store, err := archive.Open(path, &archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	found := make(map[string]string)
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := store.Get(t.Context(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		found[object.Name] = string(data)
	}
	return found
}

// TestExportWhileOthersWrite: states that are replaced during an export make it begin another list; in the end the file is
// one that there was at a moment.
func TestExportWhileOthersWrite(t *testing.T) {
	s := newSource(60)
	asked, moved := 0, 0
	var mutex sync.Mutex
	s.asked = func(name string) {
		mutex.Lock()
		defer mutex.Unlock()
		// What is asked for just now is replaced by another one, which a new head names; it is whichever comes then, for
		// several are asked for at once.
		if asked++; strings.HasPrefix(name, "states/") && asked >= 10+2*transfer.Parallel*moved && moved < 3 {
			s.change(name, fmt.Sprintf("states/%03d", 900+moved), fmt.Sprintf("heads/new%d", moved))
			if moved++; moved == 3 {
				s.change("heads/one")
			}
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	result, err := exported(t.Context(), s, path)
	if err != nil || len(result.Missing) > 0 || moved != 3 {
		t.Fatalf("%+v, moved %d, %v", result, moved, err)
	}
	if found := inFile(t, path); !maps.Equal(found, s.objects) {
		t.Errorf("the file holds %d objects, the place %d", len(found), len(s.objects))
	}
}

// TestExportWithLosses: what can't be had is named, what the file holds of it stays, and nothing of another account is
// touched; later, all is as it should be.
func TestExportWithLosses(t *testing.T) {
	s := newSource(10)
	path := filepath.Join(t.TempDir(), "file")
	if _, err := exported(t.Context(), s, path); err != nil {
		t.Fatal(err)
	}
	store, err := archive.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Put(t.Context(), "foreign/state", []byte("of another account")), store.Close()); err != nil {
		t.Fatal(err)
	}
	s.change("states/003", "states/100", "states/101", "states/102")
	s.fail["states/100"] = fmt.Errorf("x: %w", seal.ErrDamaged)
	s.fail["states/101"] = providers.ErrNotFound
	result, err := exported(t.Context(), s, path)
	if err != nil || !slices.Equal(result.Missing, []string{"states/100", "states/101"}) || result.Added != 1 || result.Removed != 0 || result.Cached {
		t.Fatalf("%+v, %v", result, err)
	}
	if found := inFile(t, path); found["states/003"] == "" || found["states/102"] == "" || found["heads/one"] == "" {
		t.Errorf("%v", found)
	}
	s.fail = map[string]error{"states/101": providers.ErrTransient}
	if result, err = exported(t.Context(), s, path); err != nil || !result.Cached || len(result.Missing) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	s.fail = nil
	if result, err = exported(t.Context(), s, path); err != nil || result.Removed != 1 || result.Added != 1 || len(result.Missing) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	found := inFile(t, path)
	if delete(found, "foreign/state"); !maps.Equal(found, s.objects) {
		t.Errorf("the file holds %v", found)
	}
	s.fail = map[string]error{"states/200": errors.New("a fault of this device")}
	s.change("", "states/200")
	if _, err := exported(t.Context(), s, path); err == nil || !strings.Contains(err.Error(), "a fault") {
		t.Errorf("error %v", err)
	}
}

// TestExportGoesOn: an export that ends anywhere leaves a file that is readable, and the next one adds the rest.
func TestExportGoesOn(t *testing.T) {
	s := newSource(60)
	path := filepath.Join(t.TempDir(), "file")
	ends := 0
	for {
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		s.asked = func(string) {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			if asked++; asked == 7 {
				cancel()
			}
		}
		_, err := exported(ctx, s, path)
		cancel()
		if err == nil {
			break
		}
		if ends++; !errors.Is(err, context.Canceled) || ends > 60 {
			t.Fatal(err)
		}
		for name, data := range inFile(t, path) {
			if s.objects[name] != data {
				t.Fatalf("%s holds %q", name, data)
			}
		}
	}
	if found := inFile(t, path); ends < 3 || !maps.Equal(found, s.objects) {
		t.Errorf("after %d ends the file holds %d objects, the place %d", ends, len(found), len(s.objects))
	}
}
