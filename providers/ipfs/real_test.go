package ipfs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// realNodes are two that know each other.
func realNodes(t *testing.T) (one, two *kubotest.Process) {
	t.Helper()
	one, two = kubotest.Start(t), kubotest.Start(t)
	one.Connect(two)
	return one, two
}

// TestKubo asks two devices at two real nodes for everything, in turn.
func TestKubo(t *testing.T) {
	first, second := realNodes(t)
	asked := 0
	providertest.Run(t, func(t *testing.T) providers.Store {
		if asked++; asked%2 == 0 {
			return open(t, options(t, first.URL, 1, 2))
		}
		return open(t, options(t, second.URL, 2, 2))
	})
}

// TestKuboKeeps: what the devices hold survives garbage collection and kill -9 of a node; what the other node held is
// read while that one is down.
func TestKuboKeeps(t *testing.T) {
	first, second := realNodes(t)
	o := options(t, second.URL, 2, 2)
	one, two := open(t, options(t, first.URL, 1, 2)), open(t, o)
	put(t, one, "a/1", "b/1")
	largeAcross(t, one, two)
	tend(t, two)
	first.Collect()
	second.Collect()
	wantObject(t, one, "a/1")
	first.Stop()
	if err := listing(t.Context(), one); !providers.Retriable(err) {
		t.Errorf("without its node: %v", err)
	}
	wantObject(t, two, "b/1")
	wantNames(t, two, "", "a/1", "a/large", "b/1")
	remove(t, two, "b/1")
	wantNames(t, two, "", "a/1", "a/large") // and publishes
	first.Restart()
	// A node that was away may hold on to the record that it knew until the next publication.
	for i, begun := 0, time.Now(); slices.Contains(names(t, one, ""), "b/1"); i++ {
		if time.Since(begun) > patience {
			t.Fatal("the removal never shows at the node that was away")
		}
		first.Connect(second)
		put(t, two, fmt.Sprintf("c/%d", i))
		names(t, two, "")
		time.Sleep(100 * time.Millisecond)
	}
	wantObject(t, one, "a/1")
	wantAbsent(t, one, "b/1")
}

// TestKuboSharded: a folder that is too large for one block is spread by the node, and listed whole here and there.
func TestKuboSharded(t *testing.T) {
	first, second := realNodes(t)
	one, two := open(t, options(t, first.URL, 1, 2)), open(t, options(t, second.URL, 2, 2))
	const count = 150
	var group errgroup.Group
	group.SetLimit(8)
	for i := range count {
		group.Go(func() error {
			return one.Put(t.Context(), fmt.Sprintf("a/%s%04d", strings.Repeat("n", 180), i), []byte{byte(i), byte(i >> 8)})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	all := names(t, one, "a/")
	if len(all) != count {
		t.Errorf("%d names", len(all))
	}
	soon(t, two, "", count)
	if !first.Sharded("/dm3sync/" + one.Name(1) + "/head/own/objects/a") {
		t.Error("the folder is not spread")
	}
	remove(t, two, all[:100]...)
	if left := len(names(t, two, "a/")); left != count-100 {
		t.Errorf("%d names after the removal", left)
	}
	soon(t, one, "a/", count-100)
}
