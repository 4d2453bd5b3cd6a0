package reconcile

import "slices"

// Purge picks the states of one container that shall become one so that no
// bytes of deleted messages stay: those with tombstones, and every other state
// with messages in the time of these. It returns none when there is nothing to
// do. Messages outside the time of all tombstones, such as new ones, are left
// alone, so that an old deletion never makes anything be written again.
func Purge(states []State) []State {
	var picked []bool
	for i := range states {
		if states[i].Tombstones == 0 {
			continue // nearly all: a chunk may have thousands of states inside heads
		}
		if picked == nil {
			picked = make([]bool, len(states))
		}
		for j := range states {
			if i != j && meets(&states[i], &states[j]) {
				picked[i], picked[j] = true, true
			}
		}
	}
	var out []State
	for i := range picked {
		if picked[i] {
			out = append(out, states[i])
		}
	}
	return out
}

// meets tells whether other may hold a message that a tombstone of state names.
func meets(state, other *State) bool {
	return state.Tombstones > 0 && other.Messages() > 0 &&
		other.First <= state.TombstoneLast && state.TombstoneFirst <= other.Last
}

// MayHoldDeleted tells whether a state of the conversation, mostly one that was
// replaced, may hold a message that tombstones in use name: of any chunk, since
// items move.
func (c *Conversation) MayHoldDeleted(state *State) bool {
	return c != nil && slices.ContainsFunc(c.Chunks, func(chunk Chunk) bool {
		return slices.ContainsFunc(chunk.States, func(s State) bool { return s.Name != state.Name && meets(&s, state) })
	})
}

// Purges tells whether a chunk of the conversation has something to purge.
func (c *Conversation) Purges() bool {
	return c != nil && slices.ContainsFunc(c.Chunks, func(chunk Chunk) bool { return len(Purge(chunk.States)) > 0 })
}

// Living says, from what references tell, whether a conversation holds a
// message that is not deleted, neither by its states nor by the given number of
// further tombstones, which may name any message. Where that can't be told,
// doubtful lists the chunks, by index, that must be read to find out; then
// living is false.
func (c *Conversation) Living(further int64) (living bool, doubtful []int) {
	if c == nil {
		return false, nil
	}
	for i := range c.Chunks {
		messages := false
		for _, state := range c.Chunks[i].States {
			if state.Messages() > further+naming(c.Chunks[i].States, &state) {
				return true, nil
			}
			messages = messages || state.Messages() > 0
		}
		if messages {
			doubtful = append(doubtful, i)
		}
	}
	return false, doubtful
}

// naming counts the tombstones that may name messages of a state: those of other
// states in its time. Its own name none of its messages: unions drop these.
func naming(states []State, state *State) (tombstones int64) {
	for i := range states {
		if states[i].Name != state.Name && meets(&states[i], state) {
			tombstones += states[i].Tombstones
		}
	}
	return tombstones
}
