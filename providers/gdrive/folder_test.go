package gdrive_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// pauses is a clock that doesn't wait, and remembers for how long it should have.
type pauses struct {
	mutex sync.Mutex
	all   []time.Duration
}

func (p *pauses) sleep(ctx context.Context, wait time.Duration) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.all = append(p.all, wait)
	return ctx.Err()
}

// want wants these pauses since the last call, in seconds.
func (p *pauses) want(t *testing.T, what string, seconds ...float64) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	got := []float64{}
	for _, wait := range p.all {
		got = append(got, wait.Seconds())
	}
	if fmt.Sprint(got) != fmt.Sprint(seconds) {
		t.Errorf("%s: pauses %v, want %v", what, got, seconds)
	}
	p.all = nil
}

// paused is a double, and options for it with a clock of its own.
func paused(t *testing.T) (*drivetest.Server, *gdrive.Options, *pauses) {
	t.Helper()
	server, clock := start(t), &pauses{}
	o := options(server)
	o.Sleep = clock.sleep
	return server, o, clock
}

// TestFolderIsShown: Create returns when a search shows what it has made, so that the next process finds it at once.
func TestFolderIsShown(t *testing.T) {
	server, o, clock := paused(t)
	server.SetLag(7)
	if err := gdrive.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	clock.want(t, "create", 1, 1, 2, 4, 8, 8, 8)
	put(t, another(t, o), "a/1")
	clock.want(t, "the first put")
	if err := gdrive.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantFolders(t, server, 1)
}

// TestFolderIsLookedForAgain: a store whose first searches don't show the folder goes on, whatever it does first.
func TestFolderIsLookedForAgain(t *testing.T) {
	for what, call := range map[string]func(*gdrive.Store) error{
		"put":    func(s *gdrive.Store) error { return s.Put(t.Context(), "a/1", nil) },
		"delete": func(s *gdrive.Store) error { return s.Delete(t.Context(), "a/1") },
		"list": func(s *gdrive.Store) error {
			_, err := list(t.Context(), s, "")
			return err
		},
		"get": func(s *gdrive.Store) error {
			if _, err := s.Get(t.Context(), "a/1"); !errors.Is(err, providers.ErrNotFound) {
				return fmt.Errorf("want not found: %w", err)
			}
			return nil
		},
	} {
		server, o, clock := paused(t)
		if err := gdrive.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		clock.want(t, "create", 1)
		server.SetLag(4)
		if err := call(another(t, o)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		clock.mutex.Lock()
		if got := fmt.Sprint(clock.all); !strings.HasPrefix(got, "[1s 2s") {
			t.Errorf("%s: pauses %s", what, got)
		}
		clock.mutex.Unlock()
		wantFolders(t, server, 1)
	}
}

// TestFolderIsNotShown: patience ends, with a sentence, and a store has it only once.
func TestFolderIsNotShown(t *testing.T) {
	server, o, clock := paused(t)
	server.SetLag(1000)
	err := gdrive.Create(t.Context(), o)
	wantError(t, "create", err, providers.ErrTransient)
	if errors.Is(err, gdrive.ErrNoFolder) || err != nil && !strings.Contains(err.Error(), "some minutes") {
		t.Error(err)
	}
	clock.want(t, "create", 1, 1, 2, 4, 8, 8, 8, 8, 8, 8)
	wantFolders(t, server, 1)
	store := another(t, o)
	if err := store.Put(t.Context(), "a/1", nil); !errors.Is(err, gdrive.ErrNoFolder) {
		t.Errorf("put: %v", err)
	}
	clock.want(t, "the first put", 1, 2, 4)
	if err := store.Put(t.Context(), "a/1", nil); !errors.Is(err, gdrive.ErrNoFolder) {
		t.Errorf("put: %v", err)
	}
	clock.want(t, "the second put")
	server.SetLag(0)
	put(t, store, "a/1")
	wantFolders(t, server, 1)
}

func wantFolders(t *testing.T, server *drivetest.Server, want int) {
	t.Helper()
	got := 0
	for _, f := range server.Files() {
		if f.Type == drivetest.FolderType {
			got++
		}
	}
	if got != want {
		t.Errorf("%d folders, want %d", got, want)
	}
}
