package ipfs_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// network makes nodes of the double that end with the test.
func network(t *testing.T, count int) []*kubotest.Node {
	t.Helper()
	all := kubotest.New()
	nodes := make([]*kubotest.Node, count)
	for i := range nodes {
		nodes[i] = all.Add()
		t.Cleanup(nodes[i].Close)
	}
	return nodes
}

// at is a device at a node of the double.
func at(t *testing.T, node *kubotest.Node, device, devices int) *ipfs.Options {
	return options(t, node.URL, device, devices)
}

// hasty is one at a node that does not wait long for what never comes. It waits itself for what a busy machine answers late.
func hasty(t *testing.T, node *kubotest.Node, device, devices int) *ipfs.Options {
	node.GiveUp(100 * time.Millisecond)
	return at(t, node, device, devices)
}

// clock goes on only when it is told to.
type clock struct {
	mutex sync.Mutex
	at    time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.at
}

func (c *clock) pass(time time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.at = c.at.Add(time)
}

// patience is how long a test waits for what must come.
const patience = time.Minute

func put(t *testing.T, store *ipfs.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := store.Put(t.Context(), name, []byte("object "+name)); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, store *ipfs.Store, prefix string) []string {
	t.Helper()
	found := make(map[string]bool)
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		found[object.Name] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// wantNames lists; what a busy machine answers too late for one look is there with the next.
func wantNames(t *testing.T, store *ipfs.Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	for begun := time.Now(); time.Since(begun) < patience; {
		if got = names(t, store, prefix); slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("list %q: %q, want %q", prefix, got, want)
}

func wantObject(t *testing.T, store *ipfs.Store, name string) {
	t.Helper()
	if data, err := store.Get(t.Context(), name); err != nil || !bytes.Equal(data, []byte("object "+name)) {
		t.Errorf("get %s: %q %v", name, data, err)
	}
}

func wantAbsent(t *testing.T, store *ipfs.Store, name string) {
	t.Helper()
	if _, err := store.Get(t.Context(), name); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("get %s: %v, want not found", name, err)
	}
}

func remove(t *testing.T, store *ipfs.Store, names ...string) {
	t.Helper()
	if err := store.Delete(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
}

func tend(t *testing.T, store *ipfs.Store) {
	t.Helper()
	if err := store.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// listing is the error of a listing.
func listing(ctx context.Context, store *ipfs.Store) (failure error) {
	for _, err := range store.List(ctx, "") {
		failure = err
	}
	return failure
}
