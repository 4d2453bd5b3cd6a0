package memory_test

import (
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, func(*testing.T) providers.Store { return memory.New(nil) })
}

func TestOptions(t *testing.T) {
	p := memory.New(&memory.Options{MaxObject: 1 << 20, Parallel: 3}).Properties()
	if p.MaxObject != 1<<20 || p.Parallel != 3 || p.Kind != memory.Kind {
		t.Errorf("%+v", p)
	}
}

// TestCloseKeeps: a stopped device's store can be used by the next.
func TestCloseKeeps(t *testing.T) {
	store := memory.New(nil)
	if err := store.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err := store.Get(t.Context(), "a/b"); err != nil || string(data) != "x" {
		t.Errorf("%q %v", data, err)
	}
}
