package reconcile

import (
	"maps"
	"slices"
)

// note keeps in mind that a conversation is not what it was.
func (c *Catalogue) note(contact string) {
	if c.changed == nil {
		c.changed = make(map[string]struct{})
	}
	c.changed[contact] = struct{}{}
}

// TakeChanged returns the contacts whose chunks have other states in use than
// at the last call, or whose conversation was hidden or shown since, in no
// order. Where a state is kept does not count. Not all of it need be news for a
// reader: a rewritten chunk holds what it held.
func (c *Catalogue) TakeChanged() []string {
	contacts := slices.Collect(maps.Keys(c.changed))
	c.changed = nil
	return contacts
}

// Succeed tells the catalogue that it takes the place of another one: changed is
// from now on what differs between the two, beside what had changed there.
func (c *Catalogue) Succeed(before *Catalogue) {
	c.changed = nil
	for contact := range before.changed {
		c.note(contact)
	}
	for contact, conversation := range before.Conversations {
		if !sameStates(conversation, c.Conversations[contact]) {
			c.note(contact)
		}
	}
	for contact := range c.Conversations {
		if before.Conversations[contact] == nil {
			c.note(contact)
		}
	}
}

// sameStates tells whether two conversations, b perhaps nil, use the same states.
func sameStates(a, b *Conversation) bool {
	if b == nil || a.Hidden != b.Hidden {
		return false
	}
	return slices.EqualFunc(a.Chunks, b.Chunks, func(one, other Chunk) bool {
		if one.Identifier != other.Identifier || len(one.States) != len(other.States) {
			return false
		}
		names := make(map[string]struct{}, len(one.States))
		for i := range one.States {
			names[one.States[i].Name] = struct{}{}
		}
		return !slices.ContainsFunc(other.States, func(s State) bool {
			_, there := names[s.Name]
			return !there
		})
	})
}
