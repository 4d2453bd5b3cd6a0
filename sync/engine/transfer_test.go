package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// export is all objects of an account, as an export takes them.
func export(d *device) map[string][]byte {
	d.t.Helper()
	copied := make(map[string][]byte)
	inventory := d.Inventory()
	for _, name := range inventory.Objects {
		key, _, _ := strings.Cut(name, "/")
		if !slices.Contains(inventory.Containers, key) {
			d.t.Errorf("%s is in none of the account's containers", name)
		}
		sealed, err := d.Object(context.Background(), name, false)
		if err != nil {
			d.t.Fatal(err)
		}
		copied[name] = sealed
	}
	return copied
}

// bringBack puts back what a device says is lacking, as an import does, and returns what that was.
func bringBack(d *device, copied map[string][]byte) []string {
	d.t.Helper()
	heads := make(map[string][]byte)
	for name, sealed := range copied {
		if strings.HasPrefix(name, d.Inventory().Containers[0]+"/") {
			heads[name] = sealed
		}
	}
	names, err := d.Lacking(context.Background(), heads)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		if err := d.PutBack(context.Background(), name, copied[name]); err != nil {
			d.t.Error(err)
		}
	}
	return names
}

// TestCopyIsWhole: what an inventory lists is all that another place needs.
func TestCopyIsWhole(t *testing.T) {
	one := newDevice(t, memory.New(nil), smallChunks)
	items := many(1, 3, 300)
	one.append(items...)
	one.settle()
	copied := export(one)
	for name := range copied {
		if _, err := one.Object(t.Context(), name, true); err != nil {
			t.Errorf("%s is not in the cache of its writer: %v", name, err)
		}
	}
	if _, err := one.Object(t.Context(), one.Inventory().Containers[1]+"/absent", false); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("an absent object: %v", err)
	}
	two := newDevice(t, memory.New(nil), smallChunks)
	if names := bringBack(two, copied); len(names) != len(copied) {
		t.Errorf("%d of %d objects are lacking at an empty place", len(names), len(copied))
	}
	two.pass(engine.Work{Settle: true, Scrub: true})
	same(t, "at the other place", two.holds(), hashes(items))
	two.wantClean()
	if names := bringBack(two, copied); len(names) > 0 {
		t.Errorf("lacking after all came back: %v", names)
	}
	if err := two.PutBack(t.Context(), one.Inventory().Objects[0], []byte("something else")); err == nil {
		t.Error("put back what does not open")
	}
}

// TestOldCopyIsPassedOver: what a live place has replaced, absorbed and purged since does not come back with an old copy.
func TestOldCopyIsPassedOver(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, smallChunks)
	items := many(2, 2, 200)
	one.append(items...)
	one.settle()
	old := export(one)
	gone := items[7]
	if err := one.Remove(t.Context(), gone.Contact, container.Tombstone{Hash: gone.Envelope.Hash, Timestamp: gone.Envelope.Timestamp}); err != nil {
		t.Fatal(err)
	}
	one.settle()
	for round := range 30 { // until nothing of the old heads is left
		one.append(many(uint64(100+round), 2, 40)...)
		one.settle()
	}
	want := one.holds()
	cold := newDevice(t, place, smallChunks)
	for _, d := range []*device{one, cold} {
		if names := bringBack(d, old); len(names) > 0 {
			t.Errorf("an old copy brings %v", names)
		}
	}
	cold.pass(engine.Work{Scrub: true, Settle: true})
	same(t, "after an old copy", cold.holds(), want)
	cold.wantClean()
}

// TestCopyMends: objects that the place lost or damaged come back from a copy, whatever was written since; a place that
// shows nothing any more is filled again.
func TestCopyMends(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			place := memory.New(nil)
			one := newDevice(t, place, smallChunks)
			items := many(seed, 3, 200)
			one.append(items...)
			one.settle()
			copied := export(one)
			more := many(seed+1000, 3, 5)
			one.append(more...)
			one.settle()
			random := rand.New(rand.NewPCG(seed, 1))
			names := slices.Sorted(maps.Keys(copied))
			for _, name := range names {
				switch sealed := bytes.Clone(copied[name]); {
				case random.IntN(3) == 0:
					if err := place.Delete(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				case random.IntN(5) == 0 && !strings.HasPrefix(name, one.Inventory().Containers[0]):
					sealed[len(sealed)/2] ^= 1
					if _, err := place.Get(t.Context(), name); err == nil {
						if err := place.Put(t.Context(), name, sealed); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			cold := newDevice(t, place, smallChunks)
			if _, err := cold.Verify(t.Context(), engine.VerifyOptions{Deep: true}); err != nil { // names what is damaged
				t.Fatal(err)
			}
			bringBack(cold, copied)
			cold.pass(engine.Work{Scrub: true, Settle: true})
			fresh := newDevice(t, place, smallChunks)
			fresh.pass(engine.Work{})
			same(t, "after mending", fresh.holds(), hashes(append(items, more...)))
			fresh.wantClean()

			wipe(t, place)
			bringBack(one, copied)
			one.pass(engine.Work{Scrub: true, Settle: true})
			one.settle()
			fresh = newDevice(t, place, smallChunks)
			fresh.pass(engine.Work{})
			same(t, "after a wipe", fresh.holds(), hashes(append(items, more...)))
			fresh.wantClean()
		})
	}
}

// TestCopyMeetsNewBeginning: a copy and what was begun anew at a place unite; what was deleted in the new one stays away.
func TestCopyMeetsNewBeginning(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, smallChunks)
	items := many(4, 2, 150)
	one.append(items...)
	one.settle()
	copied := export(one)
	wipe(t, place)
	two := newDevice(t, place, smallChunks)
	begun := append(many(5, 2, 60), items[10])
	two.append(begun...)
	two.settle()
	gone := items[10]
	if err := two.Remove(t.Context(), gone.Contact, container.Tombstone{Hash: gone.Envelope.Hash, Timestamp: gone.Envelope.Timestamp}); err != nil {
		t.Fatal(err)
	}
	two.settle()
	bringBack(two, copied)
	two.pass(engine.Work{Scrub: true, Settle: true})
	for range 20 { // until the device that wrote the copy no longer counts as the one that tidies up
		two.pass(engine.Work{})
	}
	want := hashes(append(items, begun...))
	delete(want, gone.Envelope.Hash)
	for _, d := range []*device{two, newDevice(t, place, smallChunks)} {
		d.settle()
		same(t, "united", d.holds(), want)
		d.wantClean()
	}
}

// TestForeignCopy: what is sealed with another key is refused.
func TestForeignCopy(t *testing.T) {
	one := newDevice(t, memory.New(nil), nil)
	one.append(many(6, 1, 10)...)
	one.settle()
	copied := export(one)
	other := newDevice(t, memory.New(nil), func(o *engine.Options) {
		key := storageKey()
		key[0]++
		sealer, err := seal.New(key, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Sealer = sealer
	})
	if names, err := other.Lacking(t.Context(), copied); err != nil || len(names) > 0 {
		t.Errorf("lacking %v, %v", names, err)
	}
	for name, sealed := range copied {
		if err := other.PutBack(t.Context(), name, sealed); !errors.Is(err, seal.ErrOtherKey) {
			t.Errorf("put back: %v", err)
		}
	}
}
