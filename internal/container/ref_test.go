package container

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescribe says of a chunk what a reference to it says.
func TestDescribe(t *testing.T) {
	messages := func(at ...int64) (list []Envelope) {
		for _, timestamp := range at {
			list = append(list, Envelope{Timestamp: timestamp})
		}
		return list
	}
	tombstones := func(at ...int64) (list []Tombstone) {
		for _, timestamp := range at {
			list = append(list, Tombstone{Timestamp: timestamp})
		}
		return list
	}
	for _, c := range []struct {
		name  string
		chunk Chunk
		want  StateRef
	}{
		{"empty", Chunk{}, StateRef{}},
		{"messages", Chunk{Messages: messages(7, 5, 9)}, StateRef{First: 5, Last: 9, Items: 3}},
		{"tombstones", Chunk{Tombstones: tombstones(6, 4)}, StateRef{First: 4, Last: 6, Items: 2, Tombstones: 2, TombstoneFirst: 4, TombstoneLast: 6}},
		{"tombstone before", Chunk{Messages: messages(7, 9), Tombstones: tombstones(2)},
			StateRef{First: 2, Last: 9, Items: 3, Tombstones: 1, TombstoneFirst: 2, TombstoneLast: 2}},
		{"tombstone after", Chunk{Messages: messages(7, 3), Tombstones: tombstones(8)},
			StateRef{First: 3, Last: 8, Items: 3, Tombstones: 1, TombstoneFirst: 8, TombstoneLast: 8}},
		{"at the beginning of time", Chunk{Messages: messages(0, 1), Tombstones: tombstones(0)},
			StateRef{First: 0, Last: 1, Items: 3, Tombstones: 1}},
	} {
		got := StateRef{First: 99, Last: -1, TombstoneFirst: 99}
		got.Describe(&c.chunk)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
