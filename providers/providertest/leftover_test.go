package providertest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// keeping is a store from which nothing can be removed, as after a check that was killed.
type keeping struct{ providers.Store }

// Delete implements providers.Store.
func (keeping) Delete(context.Context, ...string) error { return errors.New("killed") }

// TestLeftovers: what an interrupted check left is known by its names and removed; real objects, and those of a check that
// began meanwhile, stay.
func TestLeftovers(t *testing.T) {
	store, ctx := small(), t.Context()
	real := "0x" + strings.Repeat("5e", 32) + "/state"
	zeros := "0x" + strings.Repeat("5e", 12) + strings.Repeat("0", 20) + strings.Repeat("7", 20) + "/state"
	for _, name := range []string{real, zeros} {
		if err := store.Put(ctx, name, []byte("real")); err != nil {
			t.Fatal(err)
		}
	}
	if err := providertest.Check(ctx, keeping{store}, nil); err == nil {
		t.Fatal("a check that could remove nothing says nothing")
	}
	left, err := providertest.Leftovers(ctx, store)
	if err != nil || len(left) == 0 || len(left) != count(ctx, t, store)-2 {
		t.Fatalf("%d leftovers of %d objects, %v", len(left), count(ctx, t, store), err)
	}
	if err := providertest.Check(ctx, keeping{store}, nil); err == nil { // another device's, that began now
		t.Fatal("a check that could remove nothing says nothing")
	}
	all := count(ctx, t, store)
	if removed, err := providertest.Sweep(ctx, store, left); err != nil || removed != len(left) || count(ctx, t, store) != all-removed {
		t.Errorf("%d of %d removed, %d of %d objects stay, %v", removed, len(left), count(ctx, t, store), all, err)
	}
	for _, name := range []string{real, zeros} {
		if _, err := store.Get(ctx, name); err != nil || providertest.IsLeftover(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "0x/x", "0x" + strings.Repeat("0", 64), "own/" + strings.Repeat("0", 64), "0x" + strings.Repeat("g", 24) + strings.Repeat("0", 40) + "/x"} {
		if providertest.IsLeftover(name) {
			t.Errorf("%q is taken for a check's", name)
		}
	}
	if removed, err := providertest.Sweep(ctx, store, nil); err != nil || removed != 0 {
		t.Errorf("%d removed without need, %v", removed, err)
	}
}

func count(ctx context.Context, t *testing.T, store *memory.Store) (objects int) {
	t.Helper()
	for _, err := range store.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		objects++
	}
	return objects
}
