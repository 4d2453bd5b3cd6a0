package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"go.uber.org/goleak"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

func wantNotice(t *testing.T, notices <-chan struct{}, what string) {
	t.Helper()
	select {
	case _, open := <-notices:
		if !open {
			t.Fatalf("%s: the watch ended", what)
		}
	case <-time.After(patience):
		t.Fatalf("%s: no notice", what)
	}
}

// quiet lets notices of what has happened pass.
func quiet(notices <-chan struct{}) {
	for {
		select {
		case <-notices:
		case <-time.After(500 * time.Millisecond):
			return
		}
	}
}

// watched puts objects into a folder until one is told of: a watch begins with a folder a moment after it is wanted.
func watched(t *testing.T, store providers.Store, notices <-chan struct{}, folder, what string) {
	t.Helper()
	began := time.Now()
	for i := 0; time.Since(began) < patience; i++ {
		put(t, store, fmt.Sprint(folder, "/again", i))
		select {
		case _, open := <-notices:
			if !open {
				t.Fatalf("%s: the watch ended", what)
			}
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
	t.Fatalf("%s: no notice", what)
}

func TestWatch(t *testing.T) {
	defer goleak.VerifyNone(t)
	store, folder := open(t, nil)
	put(t, store, "heads/1", "other/1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	notices, err := providers.Watch(ctx, providers.Retry(providers.Count(store), nil)) // through decorators
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "new/1")
	wantNotice(t, notices, "a new folder")

	names(t, store, "heads/") // wanted from now on
	quiet(notices)
	watched(t, store, notices, "heads", "a new head")
	quiet(notices)
	if err := store.Delete(t.Context(), "heads/1"); err != nil {
		t.Fatal(err)
	}
	wantNotice(t, notices, "a removed head")

	quiet(notices)
	put(t, store, "other/2") // never listed
	write(t, folder, "heads", "~dm3sync-x.tmp")
	write(t, folder, "heads", "desktop.ini")
	select {
	case <-notices:
		t.Error("notice of what nobody wants")
	case <-time.After(200 * time.Millisecond):
	}

	cancel()
	for range notices { // until it is closed
	}
}

// TestWatchFolderLater: the folder wanted is made after the watch, removed, and made again.
func TestWatchFolderLater(t *testing.T) {
	defer goleak.VerifyNone(t)
	store, folder := open(t, nil)
	names(t, store, "heads/")
	ctx, cancel := context.WithCancel(t.Context())
	notices, err := store.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		put(t, store, "heads/1")
		wantNotice(t, notices, "the folder")
		quiet(notices)
		watched(t, store, notices, "heads", "an object in it")
		quiet(notices)
		if err := os.RemoveAll(filepath.Join(folder, "heads")); err != nil {
			t.Fatal(err)
		}
		wantNotice(t, notices, "its end")
		quiet(notices)
	}
	cancel()
	for range notices {
	}
}

// TestWatchEnds: the channel is closed when the base folder goes away.
func TestWatchEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	store, folder := open(t, nil)
	notices, err := store.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for {
		select {
		case _, open := <-notices:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the watch did not end")
		}
	}
}
