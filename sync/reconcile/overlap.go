package reconcile

import (
	"cmp"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Placed is a state with the chunk that it belongs to.
type Placed struct {
	Chunk container.ChunkIdentifier
	State
}

// Overlaps groups the states of a conversation whose times meet, so that a message may
// stand in several of them, or a tombstone of one may name a message of another: every
// group of two or more with a message in it, in the order of time. What stands in no
// group holds what nothing else holds. Nil is a conversation without overlaps.
func (c *Conversation) Overlaps() (groups [][]Placed) {
	if c == nil || c.apart() {
		return nil
	}
	var states []Placed
	for i := range c.Chunks {
		for _, state := range c.Chunks[i].States {
			if state.Items > 0 {
				states = append(states, Placed{c.Chunks[i].Identifier, state})
			}
		}
	}
	slices.SortFunc(states, func(a, b Placed) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Name, b.Name))
	})
	for from := 0; from < len(states); {
		to, last, messages := from, states[from].Last, false
		for to < len(states) && states[to].First <= last {
			last, messages = max(last, states[to].Last), messages || states[to].Messages() > 0
			to++
		}
		if to-from > 1 && messages {
			groups = append(groups, states[from:to:to])
		}
		from = to
	}
	return groups
}

// apart tells whether all states follow each other in time as they stand, which is what
// they mostly do.
func (c *Conversation) apart() bool {
	some, last := false, int64(0)
	for i := range c.Chunks {
		for j := range c.Chunks[i].States {
			state := &c.Chunks[i].States[j]
			if state.Items == 0 {
				continue
			}
			if some && state.First <= last {
				return false
			}
			some, last = true, state.Last
		}
	}
	return true
}
