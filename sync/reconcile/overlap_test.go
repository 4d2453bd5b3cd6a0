package reconcile

import (
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

// TestOverlaps: states whose times meet are one group, also across chunks and by way of a third; groups without a message, and
// what stands alone, are left out.
func TestOverlaps(t *testing.T) {
	empty := held("empty", 0, 100, 0)
	gone := func(name string, first, last int64) State {
		return State{StateRef: container.StateRef{Name: name, First: first, Last: last, Items: 1, Tombstones: 1, TombstoneFirst: first, TombstoneLast: last}}
	}
	for _, c := range []struct {
		chunks [][]State
		want   string
	}{
		{nil, ""},
		{[][]State{{held("a", 0, 10, 5)}, {held("b", 11, 20, 5), held("c", 21, 21, 1)}}, ""},
		{[][]State{{held("b", 11, 20, 5), held("a", 0, 10, 5)}}, ""},
		{[][]State{{held("a", 0, 10, 5), held("b", 10, 20, 5)}}, "[a b]"},
		{[][]State{{held("c", 15, 30, 5), held("a", 0, 10, 5)}, {held("b", 5, 20, 5), held("d", 40, 50, 1)}}, "[a b c]"},
		{[][]State{{held("a", 0, 10, 5), held("b", 0, 10, 5), held("c", 20, 30, 5), held("d", 25, 26, 1)}}, "[a b][c d]"},
		{[][]State{{held("a", 0, 10, 5), empty, gone("t", 3, 3)}}, "[a t]"},
		{[][]State{{gone("t", 3, 3), gone("u", 3, 3)}}, ""},
	} {
		whole := &Conversation{}
		for i, states := range c.chunks {
			whole.Chunks = append(whole.Chunks, Chunk{Identifier: container.ChunkIdentifier{ID: int64(i)}, States: states})
		}
		got := ""
		for _, group := range whole.Overlaps() {
			var names []string
			for _, s := range group {
				names = append(names, s.Name)
				if at := whole.Chunk(s.Chunk); at == nil || at.States == nil {
					t.Errorf("%s is in no chunk", s.Name)
				}
			}
			got += fmt.Sprint(names)
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.chunks, got, c.want)
		}
	}
	if (*Conversation)(nil).Overlaps() != nil {
		t.Error("no conversation overlaps")
	}
}
