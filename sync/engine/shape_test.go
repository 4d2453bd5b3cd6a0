package engine_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// heads opens what the devices said.
func heads(t *testing.T, place providers.Store) (found []*container.Head) {
	t.Helper()
	sealer, err := seal.New(storageKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range objects(t, place, true) {
		plain, err := sealer.Open(nil, container.KindHead, container.HeadsKey(container.RootKey("test")), get(t, place, name))
		if err != nil {
			t.Fatal(err)
		}
		head, err := container.DecodeHead(plain)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, head)
	}
	return found
}

// identifiers reads from the heads which chunks there are.
func identifiers(t *testing.T, place providers.Store) map[container.ChunkIdentifier]bool {
	t.Helper()
	found := make(map[container.ChunkIdentifier]bool)
	for _, head := range heads(t, place) {
		for _, talk := range head.Talks {
			for _, chunk := range talk.Chunks {
				found[chunk.Identifier] = true
			}
		}
	}
	return found
}

// TestManyStarts starts a device often. Only heads that absorb others carry
// what stands for all those starts; a flush stays small.
func TestManyStarts(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, nil)
	items := many(45, 1, 60)
	for i := range items {
		one.append(items[i])
		one.pass(engine.Work{})
		one.reopen()
	}
	for _, head := range heads(t, place) {
		if len(head.Known) > 40 || len(head.Absorbed) == 0 && len(head.Covers) != 1 {
			t.Errorf("after %d starts a head knows %d incarnations and covers %d", len(items), len(head.Known), len(head.Covers))
		}
	}
	one.settle()
	same(t, "one", one.holds(), hashes(items))
}

// TestIdentifiersCountUp opens chunks at the end and splits old ones: every id
// from 0 on is used once.
func TestIdentifiersCountUp(t *testing.T) {
	place := memory.New(nil)
	one := newDevice(t, place, inPieces)
	items := many(41, 1, 1200)
	var late []engine.Item
	for i, item := range items {
		if i > 100 && i < 500 && i%2 == 0 {
			late = append(late, item)
			continue
		}
		one.append(item)
	}
	one.settle()
	before := len(identifiers(t, place))
	one.append(late...)
	one.settle()
	all := identifiers(t, place)
	if len(all) <= before {
		t.Fatalf("nothing was split: %d chunks, then %d", before, len(all))
	}
	seen := make(map[int64]bool)
	for identifier := range all {
		if seen[identifier.ID] || identifier.ID < 0 || identifier.ID >= int64(len(all)) {
			t.Errorf("id %d of %d chunks is used twice or leaves a gap", identifier.ID, len(all))
		}
		seen[identifier.ID] = true
	}
	same(t, "one", one.holds(), hashes(items))
	one.wantClean()
}

// hiding is a place that does not show one object.
type hiding struct {
	providers.Store
	name string
}

func (h *hiding) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for object, err := range h.Store.List(ctx, prefix) {
			if object.Name != h.name && !yield(object, err) {
				return
			}
		}
	}
}

// TestGapListsEverything withholds a head that a device never saw. The numbers
// of the others tell, and the next pass lists all objects, once.
func TestGapListsEverything(t *testing.T) {
	place := memory.New(nil)
	hidden := &hiding{Store: place}
	counted := providers.Count(hidden)
	one, two := newDevice(t, place, nil), newDevice(t, counted, nil)
	items := many(42, 1, 3)
	one.append(items[0])
	one.pass(engine.Work{})
	two.pass(engine.Work{})
	old := objects(t, place, true)
	one.append(items[1])
	one.pass(engine.Work{})
	for _, name := range objects(t, place, true) {
		if name != old[0] {
			hidden.name = name
		}
	}
	one.append(items[2])
	one.pass(engine.Work{})
	lists := func() int64 {
		before := counted.Counts().Lists
		two.pass(engine.Work{})
		return counted.Counts().Lists - before
	}
	if first, second, third := lists(), lists(), lists(); first != 1 || second < 2 || third != 1 {
		t.Errorf("listings in three passes: %d, %d, %d", first, second, third)
	}
	same(t, "two, which asked for the head by name", two.holds(), hashes(items))
	wantAlarms(t, two, map[string]int64{"withheld": 1}, nil)
	hidden.name = ""
	two.pass(engine.Work{})
	wantAlarms(t, two, map[string]int64{"withheld": 1}, map[string]int64{"withheld": 1})
}

// TestStatusIsKept asks how the last pass ended after a restart.
func TestStatusIsKept(t *testing.T) {
	one := newDevice(t, memory.New(nil), nil)
	one.append(many(43, 1, 3)...)
	one.settle()
	wipe(t, one.store)
	if _, err := one.Pass(context.Background(), engine.Work{}); !errors.Is(err, engine.ErrBlocked) {
		t.Fatalf("error %v", err)
	}
	before := one.Status()
	one.reopen()
	after := one.Status()
	if after.State != "blocked" || after.Obstacle != obstacle.Blocked || after.LastError != before.LastError || !after.LastSuccess.Equal(before.LastSuccess) {
		t.Errorf("status %+v, then %+v", before, after)
	}
}

// TestConversationOfRemovedMessages shows what is left when every message is
// removed: tombstones, in a tree that verifies, and nothing that is listed.
func TestConversationOfRemovedMessages(t *testing.T) {
	place := memory.New(nil)
	one, two := newDevice(t, place, nil), newDevice(t, place, nil)
	items := many(44, 1, 5)
	one.append(items...)
	one.settle()
	for _, item := range items {
		if err := one.Remove(context.Background(), item.Contact, container.Tombstone{Hash: item.Envelope.Hash, Timestamp: item.Envelope.Timestamp}); err != nil {
			t.Fatal(err)
		}
	}
	// A removal that comes before anything else of its conversation.
	early := message("early.eth", 5, "never seen here")
	if err := one.Remove(context.Background(), early.Contact, container.Tombstone{Hash: early.Envelope.Hash, Timestamp: 5}); err != nil {
		t.Fatal(err)
	}
	one.settle()
	two.append(early)
	two.settle()
	if held := two.holds(); len(held) > 0 {
		t.Errorf("%d messages are back", len(held))
	}
	list, err := two.Conversations(context.Background())
	if err != nil || len(list) != 0 {
		t.Errorf("conversations %+v, %v", list, err)
	}
	if found := two.wantClean(); found.Messages != 0 || found.Tombstones != 6 {
		t.Errorf("verify found %+v", found)
	}
}
