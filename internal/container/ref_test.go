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

// TestRefText holds the text of references: what there is nothing to say about
// is not written.
func TestRefText(t *testing.T) {
	for _, c := range []struct {
		ref  StateRef
		want string
	}{
		{StateRef{Name: "a", First: 1, Last: 2, Items: 3, Size: 4}, `["a",1,2,3,4]`},
		{StateRef{Name: "a", First: 1, Last: 2, Items: 3, Size: 4, Replaces: []string{"b"}}, `["a",1,2,3,4,["b"]]`},
		{StateRef{Name: "a", First: 1, Last: 2, Items: 3, Size: 4, Offset: 5, Length: 6}, `["a",1,2,3,4,[],5,6]`},
		{StateRef{Name: "a", First: 1, Last: 9, Items: 3, Size: 4, Tombstones: 2, TombstoneFirst: 7, TombstoneLast: 8}, `["a",1,9,3,4,[],0,0,2,7,8]`},
	} {
		if got := string(c.ref.append(nil)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	talk := HeadConversation{Contact: "b", Hidden: 3}
	if got, want := string(talk.append(nil)), `{"chunks":[],"contact":"b","hidden":3,"states":[]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
