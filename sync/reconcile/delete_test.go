package reconcile

import (
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

// held is a state with messages from first to last.
func held(name string, first, last, messages int64) State {
	return State{StateRef: container.StateRef{Name: name, First: first, Last: last, Items: messages, Size: 1000 * messages}}
}

// deleted adds tombstones from first to last to a state.
func deleted(state State, first, last, tombstones int64) State {
	if state.Items == 0 {
		state.First, state.Last = first, last
	}
	state.First, state.Last = min(state.First, first), max(state.Last, last)
	state.Items += tombstones
	state.Tombstones, state.TombstoneFirst, state.TombstoneLast = tombstones, first, last
	return state
}

func TestPurge(t *testing.T) {
	inline := held("inline", 5, 5, 1)
	inline.Length = 100
	for _, c := range []struct {
		name   string
		states []State
		want   []string
	}{
		{"nothing", nil, nil},
		{"messages alone", []State{held("a", 0, 10, 5), held("b", 5, 20, 5)}, nil},
		{"tombstones alone", []State{deleted(State{}, 0, 10, 5), deleted(State{}, 5, 6, 2)}, nil},
		{"one state with both", []State{deleted(held("a", 0, 10, 5), 3, 4, 2)}, nil},
		{"a message in the time", []State{held("a", 0, 10, 5), deleted(held("t", 0, 0, 0), 3, 3, 1)}, []string{"a", "t"}},
		{"at the edges", []State{held("a", 0, 3, 5), deleted(held("t", 0, 0, 0), 3, 4, 1), held("b", 4, 9, 1)}, []string{"a", "t", "b"}},
		{"newer messages", []State{deleted(held("a", 0, 10, 5), 3, 4, 2), held("new", 11, 20, 3)}, nil},
		{"messages in the time of messages only", []State{deleted(held("a", 0, 10, 5), 3, 4, 2), held("new", 5, 20, 3)}, nil},
		{"a late arrival", []State{deleted(held("a", 0, 10, 5), 3, 6, 2), inline}, []string{"a", "inline"}},
		{"some of many", []State{held("a", 0, 2, 1), held("b", 3, 5, 1), deleted(held("t", 0, 0, 0), 4, 4, 1), held("c", 6, 9, 1)}, []string{"b", "t"}},
	} {
		var got []string
		for _, state := range Purge(c.states) {
			got = append(got, state.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		whole := Conversation{Chunks: []Chunk{{}, {States: c.states}}}
		if whole.Purges() != (len(c.want) > 0) {
			t.Errorf("%s: the conversation says otherwise", c.name)
		}
	}
}

func TestMayHoldDeleted(t *testing.T) {
	whole := &Conversation{Chunks: []Chunk{
		{States: []State{held("a", 0, 10, 5)}},
		{States: []State{deleted(held("b", 20, 30, 5), 5, 7, 2)}}, // tombstones that wait to be moved
	}}
	for _, c := range []struct {
		state State
		want  bool
	}{
		{held("old", 6, 9, 1), true}, {held("later", 8, 9, 1), false}, {deleted(State{}, 6, 6, 1), false}, {held("b", 6, 9, 1), false},
	} {
		if got := whole.MayHoldDeleted(&c.state); got != c.want {
			t.Errorf("%s: %v", c.state.Name, got)
		}
	}
	if (*Conversation)(nil).MayHoldDeleted(&State{}) {
		t.Error("no conversation holds something")
	}
}

func TestLiving(t *testing.T) {
	gone := deleted(held("t", 0, 0, 0), 0, 10, 5)
	for _, c := range []struct {
		name     string
		chunks   [][]State
		living   bool
		doubtful []int
	}{
		{"nothing", nil, false, nil},
		{"tombstones alone", [][]State{{gone}, {gone, gone}}, false, nil},
		{"messages alone", [][]State{{held("a", 0, 1, 1)}}, true, nil},
		{"as many tombstones as messages", [][]State{{held("a", 0, 10, 5), gone}}, false, []int{0}},
		{"fewer tombstones", [][]State{{held("a", 0, 10, 6), gone}}, true, nil},
		{"messages that may stand in two states", [][]State{{held("a", 0, 10, 5), held("b", 0, 10, 5), gone}}, false, []int{0}},
		{"purged, with something left", [][]State{{deleted(held("a", 0, 10, 1), 0, 10, 5)}}, true, nil},
		{"purged, and something new", [][]State{{gone, held("new", 11, 12, 2)}}, true, nil},
		{"life in a later chunk", [][]State{{held("a", 0, 10, 5), gone}, {held("b", 20, 30, 1)}}, true, nil},
		{"doubt in a later chunk", [][]State{{gone}, {held("a", 0, 10, 5), gone}}, false, []int{1}},
	} {
		whole := Conversation{}
		for _, states := range c.chunks {
			whole.Chunks = append(whole.Chunks, Chunk{States: states})
		}
		living, doubtful := whole.Living(0)
		if living != c.living || !slices.Equal(doubtful, c.doubtful) {
			t.Errorf("%s: living %v, doubtful %v; want %v, %v", c.name, living, doubtful, c.living, c.doubtful)
		}
	}
	waiting := Conversation{Chunks: []Chunk{{States: []State{held("a", 0, 10, 5)}}}}
	if living, doubtful := waiting.Living(5); living || len(doubtful) != 1 {
		t.Error("five tombstones that wait may name five messages")
	}
	if living, _ := waiting.Living(4); !living {
		t.Error("four tombstones can't name five messages")
	}
	var none *Conversation
	if living, doubtful := none.Living(0); living || doubtful != nil || none.Purges() {
		t.Error("no conversation lives, or has something to purge")
	}
}

// TestHiddenCountsUp unites heads in both orders: the greatest counter counts.
func TestHiddenCountsUp(t *testing.T) {
	head := func(counter int64) *container.Head {
		return &container.Head{Talks: []container.HeadConversation{{Contact: "bob.eth", Hidden: counter}}}
	}
	for _, order := range [][]int64{{1, 2}, {2, 1}, {0, 2, 1}} {
		all, other := Catalogue{}, Catalogue{}
		for _, counter := range order {
			all.Add("h", head(counter))
		}
		other.Unite(&all)
		filled := &container.Head{}
		if err := other.Fill(filled, nil, nil); err != nil || filled.Talks[0].Hidden != 2 {
			t.Errorf("%v: %+v, %v", order, filled.Talks, err)
		}
	}
}
