package engine_test

import (
	"context"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// What a cut-short write left goes at the second scrub that finds the same
// bytes; what may be another account's stays.
func TestDebrisIsSwept(t *testing.T) {
	ctx := context.Background()
	store := memory.New(nil)
	d := newDevice(t, store, nil)
	d.append(message("bob.eth", 1000, "hello"))
	d.settle()
	whole, err := store.Get(ctx, first(t, store, string(container.HeadsKey(container.RootKey("test")))+"/"))
	if err != nil {
		t.Fatal(err)
	}
	foreign := string(container.RootKey("somebody else")) + "/cut"
	ours := string(container.RootKey("a chunk that nobody knows")) + "/cut"
	short := string(container.RootKey("test")) + "/cut"
	head := string(container.HeadsKey(container.RootKey("test"))) + "/abc-0"
	for name, data := range map[string][]byte{foreign: {1, 2}, ours: whole[:100], short: {}, head: whole[:50]} {
		if err := store.Put(ctx, name, data); err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool {
		_, err := store.Get(ctx, name)
		return err == nil
	}
	d.pass(engine.Work{Scrub: true})
	for _, name := range []string{foreign, ours, short, head} {
		if !there(name) {
			t.Errorf("%s went at the first sight", name)
		}
	}
	if err := store.Delete(ctx, ours); err != nil { // its upload goes on
		t.Fatal(err)
	}
	if err := store.Put(ctx, ours, whole[:120]); err != nil {
		t.Fatal(err)
	}
	d.reopen()
	d.pass(engine.Work{Scrub: true})
	for name, stays := range map[string]bool{foreign: true, ours: true, short: false, head: false} {
		if there(name) != stays {
			t.Errorf("%s is there: %v, want %v", name, !stays, stays)
		}
	}
	d.pass(engine.Work{Scrub: true})
	if there(ours) {
		t.Error("what stayed the same is still there")
	}
	if found := d.wantClean(); found.Foreign != 1 {
		t.Errorf("%d foreign objects, want 1", found.Foreign)
	}
}

// first returns the name of some object below a prefix.
func first(t *testing.T, store *memory.Store, prefix string) string {
	t.Helper()
	for object, err := range store.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		return object.Name
	}
	t.Fatal("no object")
	return ""
}
