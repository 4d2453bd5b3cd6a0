package container

import (
	"slices"
	"strings"
)

// UnionChunk returns the union of states: all tombstones, all messages that no
// tombstone names by its hash, messages of one hash joined by [Join], unknown
// members likewise. Contacts and identifiers are equal in states of one chunk;
// of different ones the greater counts. Replaces belongs to a state, so the
// union has none.
//
// The union is commutative, associative and idempotent; it leaves the states
// as they are and shares memory with them. Without states it is empty.
func UnionChunk(states ...*Chunk) *Chunk {
	union := new(Chunk)
	lists := make([][]Envelope, 0, len(states))
	for _, c := range states {
		union.Contact = max(union.Contact, c.Contact)
		if c.Identifier.Compare(union.Identifier) > 0 {
			union.Identifier = c.Identifier
		}
		lists = append(lists, sortedEnvelopes(c.Messages))
		union.Tombstones = append(union.Tombstones, c.Tombstones...)
		union.Unknown = unionUnknown(union.Unknown, c.Unknown)
	}
	union.Tombstones = sortedSet(union.Tombstones, Tombstone.Compare)
	union.Messages = withoutDeleted(mergeEnvelopes(lists), union.Tombstones)
	return union
}

// mergeEnvelopes merges lists that are in order to a list of its own memory,
// the messages of one hash joined.
func mergeEnvelopes(lists [][]Envelope) []Envelope {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return slices.Clone(lists[0])
	case 2:
		return mergeTwo(lists[0], lists[1])
	}
	half := len(lists) / 2
	return mergeTwo(mergeEnvelopes(lists[:half]), mergeEnvelopes(lists[half:]))
}

func mergeTwo(a, b []Envelope) []Envelope {
	merged := make([]Envelope, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Compare(b[0]); {
		case c < 0:
			merged, a = append(merged, a[0]), a[1:]
		case c > 0:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, Join(a[0], b[0]))
			a, b = a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// withoutDeleted removes the messages that tombstones name, in place.
func withoutDeleted(messages []Envelope, tombstones []Tombstone) []Envelope {
	if len(tombstones) == 0 {
		return messages
	}
	deleted := make(map[MessageHash]struct{}, len(tombstones))
	for _, t := range tombstones {
		deleted[t.Hash] = struct{}{}
	}
	return slices.DeleteFunc(messages, func(e Envelope) bool {
		_, dead := deleted[e.Hash]
		return dead
	})
}

// sortedEnvelopes returns messages in order, those of one hash joined: the list
// itself if it is so already, otherwise a copy.
func sortedEnvelopes(messages []Envelope) []Envelope {
	strictly := true
	for i := 1; i < len(messages) && strictly; i++ {
		strictly = messages[i-1].Compare(messages[i]) < 0
	}
	if strictly {
		return messages
	}
	messages = slices.Clone(messages)
	slices.SortFunc(messages, Envelope.Compare)
	kept := messages[:1]
	for _, e := range messages[1:] {
		if last := &kept[len(kept)-1]; last.Hash == e.Hash {
			*last = Join(*last, e)
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// UnionRoot returns the union of states: all conversations and names, of each
// hidden count the greatest, unknown members joined as [Join] joins. Accounts
// are equal in states of one root; of different ones the greater counts.
// Replaces belongs to a state, so the union has none. Whether a name that one
// state lists as a conversation still has messages is the caller's to say.
//
// The union is commutative, associative and idempotent; it leaves the states
// as they are and may share memory with them. Without states it is empty.
func UnionRoot(states ...*Root) *Root {
	union := new(Root)
	for _, r := range states {
		union.Account = max(union.Account, r.Account)
		union.Conversations = append(union.Conversations, r.Conversations...)
		union.Names = append(union.Names, r.Names...)
		for name, count := range r.Hidden {
			if union.Hidden == nil {
				union.Hidden = make(map[string]int64)
			}
			union.Hidden[name] = max(union.Hidden[name], count)
		}
		union.Unknown = unionUnknown(union.Unknown, r.Unknown)
	}
	union.Conversations = sortedSet(union.Conversations, strings.Compare)
	union.Names = sortedSet(union.Names, strings.Compare)
	return union
}

// unionUnknown joins what other writers added to two states.
func unionUnknown(a, b Unknown) Unknown {
	return Unknown{Top: joinMembers(a.Top, b.Top), Extra: joinMembers(a.Extra, b.Extra)}
}

// joinMembers joins two ordered lists of members into a third.
func joinMembers(a, b []Member) []Member {
	if len(a) == 0 {
		return slices.Clone(b)
	}
	joined := make([]Member, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := compareMembers(a[0], b[0]); {
		case c < 0:
			joined, a = append(joined, a[0]), a[1:]
		case c > 0:
			joined, b = append(joined, b[0]), b[1:]
		default:
			joined = append(joined, Member{Key: a[0].Key, JSON: joinValues(a[0].JSON, b[0].JSON)})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(joined, a...), b...)
}

// UnionConversation returns the union of states: all chunks, all retired
// identifiers (an identifier can be in both; the retired one counts), unknown
// members joined as [Join] joins. Contacts are equal in states of one
// conversation; of different ones the greater counts. Replaces belongs to a
// state, so the union has none.
//
// The union is commutative, associative and idempotent; it leaves the states
// as they are and may share memory with them. Without states it is empty.
func UnionConversation(states ...*Conversation) *Conversation {
	union := new(Conversation)
	for _, c := range states {
		union.Contact = max(union.Contact, c.Contact)
		union.Chunks = append(union.Chunks, c.Chunks...)
		union.Retired = append(union.Retired, c.Retired...)
		union.Unknown = unionUnknown(union.Unknown, c.Unknown)
	}
	union.Chunks = sortedSet(union.Chunks, ChunkIdentifier.Compare)
	union.Retired = sortedSet(union.Retired, ChunkIdentifier.Compare)
	return union
}
