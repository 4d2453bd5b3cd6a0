// Package reconcile decides, and does nothing: which containers and states
// there are (the union of heads), which chunk an item belongs to, what is to be
// split, compacted or absorbed. All functions are pure: no clock, no randomness,
// no input or output, so every rule of part 4 of the design can be read and
// tested here.
//
// Import order: above internal/container only; below sync/engine.
package reconcile

import (
	"maps"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// State is a state in use and, when it travels inside a head, that head's name.
type State struct {
	container.StateRef
	Head string
}

// Inline tells whether the state travels inside a head instead of being an
// object of its own.
func (s *State) Inline() bool { return s.Length > 0 }

// Chunk is a chunk in use.
type Chunk struct {
	Identifier container.ChunkIdentifier
	States     []State
}

// Conversation is a conversation in use; Chunks are in the order of time.
type Conversation struct {
	Contact string
	Hidden  int64 // how often it was hidden or shown again; odd says hidden
	States  []State
	Chunks  []Chunk
}

// Catalogue is the union of heads: every container in use with its states.
// The zero value is empty and ready. It is not safe for concurrent use.
type Catalogue struct {
	Limit         int64 // largest chunk size limit that any device asked for, bytes
	Root          []State
	Conversations map[string]*Conversation

	changed map[string]struct{} // contacts, see TakeChanged
}

// Add unites the catalogue with what one head says. The order of calls does
// not matter: a state that another one replaces is left out whichever comes
// first. A state that stands in several heads keeps the last one as its place.
func (c *Catalogue) Add(name string, head *container.Head) {
	c.Limit = max(c.Limit, head.Limit)
	c.AddRoot(placed(name, head.Root)...)
	for i := range head.Talks {
		talk := &head.Talks[i]
		c.AddConversation(talk.Contact, placed(name, talk.States)...)
		c.AddHidden(talk.Contact, talk.Hidden)
		for j := range talk.Chunks {
			c.AddChunk(talk.Contact, talk.Chunks[j].Identifier, placed(name, talk.Chunks[j].States)...)
		}
	}
}

// Drop takes states out of the containers that a head names, as far as gone
// says so by their name.
func (c *Catalogue) Drop(head *container.Head, gone func(name string) bool) {
	c.Root = drop(c.Root, gone)
	for i := range head.Talks {
		c.drop(head.Talks[i].Contact, gone)
	}
}

// DropAll is Drop for all containers.
func (c *Catalogue) DropAll(gone func(name string) bool) {
	c.Root = drop(c.Root, gone)
	for contact := range c.Conversations {
		c.drop(contact, gone)
	}
}

func (c *Catalogue) drop(contact string, gone func(name string) bool) {
	conversation := c.Conversations[contact]
	if conversation == nil {
		return
	}
	conversation.States = drop(conversation.States, gone)
	for i := range conversation.Chunks {
		chunk := &conversation.Chunks[i]
		before := len(chunk.States)
		if chunk.States = drop(chunk.States, gone); len(chunk.States) != before {
			c.note(contact)
		}
	}
}

func drop(states []State, gone func(name string) bool) []State {
	return slices.DeleteFunc(states, func(s State) bool { return gone(s.Name) })
}

// Inherit adds, to the names that a state of a container replaces, those that the
// states of these names had replaced. The container is named as States does.
func (c *Catalogue) Inherit(contact string, identifier *container.ChunkIdentifier, replaced []string) []string {
	states, all := c.Of(contact, identifier), replaced
	for i := range states {
		if slices.Contains(replaced, states[i].Name) {
			all = union(states[i].Replaces, all)
		}
	}
	return all
}

func (c *Catalogue) conversation(contact string) *Conversation {
	if c.Conversations == nil {
		c.Conversations = make(map[string]*Conversation)
	}
	conversation := c.Conversations[contact]
	if conversation == nil {
		conversation = &Conversation{Contact: contact}
		c.Conversations[contact] = conversation
	}
	return conversation
}

// chunk finds the chunk with that identifier and makes it when it is absent.
func (c *Conversation) chunk(identifier container.ChunkIdentifier) *Chunk {
	at, found := slices.BinarySearchFunc(c.Chunks, identifier, func(chunk Chunk, want container.ChunkIdentifier) int {
		return chunk.Identifier.Compare(want)
	})
	if !found {
		c.Chunks = slices.Insert(c.Chunks, at, Chunk{Identifier: identifier})
	}
	return &c.Chunks[at]
}

// Chunk returns the chunk with that identifier, or nil.
func (c *Conversation) Chunk(identifier container.ChunkIdentifier) *Chunk {
	if c == nil {
		return nil
	}
	for i := range c.Chunks {
		if c.Chunks[i].Identifier == identifier {
			return &c.Chunks[i]
		}
	}
	return nil
}

// Unite adds what another catalogue holds; other stays as it is.
func (c *Catalogue) Unite(other *Catalogue) {
	c.Limit = max(c.Limit, other.Limit)
	c.AddRoot(other.Root...)
	for contact, conversation := range other.Conversations {
		c.AddConversation(contact, conversation.States...)
		c.AddHidden(contact, conversation.Hidden)
		for i := range conversation.Chunks {
			c.AddChunk(contact, conversation.Chunks[i].Identifier, conversation.Chunks[i].States...)
		}
	}
}

// AddRoot adds states of the root.
func (c *Catalogue) AddRoot(states ...State) { c.Root, _ = addStates(c.Root, states) }

// AddConversation adds states of a conversation container.
func (c *Catalogue) AddConversation(contact string, states ...State) {
	conversation := c.conversation(contact)
	conversation.States, _ = addStates(conversation.States, states)
}

// AddHidden takes a conversation's counter of being hidden: the greatest counts.
func (c *Catalogue) AddHidden(contact string, counter int64) {
	conversation := c.conversation(contact)
	if counter > conversation.Hidden {
		conversation.Hidden = counter
		c.note(contact)
	}
}

// AddChunk adds states of a chunk.
func (c *Catalogue) AddChunk(contact string, identifier container.ChunkIdentifier, states ...State) {
	conversation := c.conversation(contact)
	before := len(conversation.Chunks)
	chunk := conversation.chunk(identifier)
	var changed bool
	if chunk.States, changed = addStates(chunk.States, states); changed || len(conversation.Chunks) != before {
		c.note(contact)
	}
}

// addStates unites states of one container: what one of them replaces goes, and
// what that one had replaced stays replaced, also when it comes last. changed
// tells that other states are in use now.
func addStates(states, more []State) (united []State, changed bool) {
	for _, state := range more {
		var other bool
		states, other = addState(states, state)
		changed = changed || other
	}
	return states, changed
}

func addState(states []State, state State) (united []State, changed bool) {
	before := len(states)
	for i := range states {
		known := &states[i]
		switch {
		case known.Name == state.Name:
			state.Replaces = union(known.Replaces, state.Replaces)
			*known = state
		case slices.Contains(known.Replaces, state.Name):
			known.Replaces = union(state.Replaces, known.Replaces)
		default:
			continue
		}
		united = dropReplaced(states, i)
		return united, len(united) != before
	}
	return dropReplaced(append(states, state), before), true
}

// dropReplaced drops what the state at index heir replaces. The heir takes over
// the names that these had replaced, which another head may still show.
func dropReplaced(states []State, heir int) []State {
	name, replaced := states[heir].Name, states[heir].Replaces
	if len(replaced) == 0 {
		return states
	}
	gone := func(s State) bool { return s.Name != name && slices.Contains(replaced, s.Name) }
	for i := range states {
		if gone(states[i]) {
			states[heir].Replaces = union(states[i].Replaces, states[heir].Replaces)
		}
	}
	return slices.DeleteFunc(states, gone)
}

// union unites two lists of names, the longer one usually being both.
func union(a, b []string) []string {
	for _, name := range a {
		if !slices.Contains(b, name) {
			b = append(slices.Clip(b), name)
		}
	}
	return b
}

// placed turns what a head says about states into states in use.
func placed(head string, refs []container.StateRef) []State {
	states := make([]State, len(refs))
	for i := range refs {
		states[i] = State{StateRef: refs[i], Head: place(head, &refs[i])}
	}
	return states
}

func place(head string, ref *container.StateRef) string {
	if ref.Length == 0 {
		return ""
	}
	return head
}

// Fill writes the whole catalogue into head, contacts in order. body yields the
// bytes of inline states, which are gathered anew in head.Bodies. Names of
// replaced states are left out where forget says so: right only when every live
// head is absorbed, since another one may still name what was replaced.
func (c *Catalogue) Fill(head *container.Head, body func(State) ([]byte, error), forget func(name string) bool) error {
	fill := filler{head: head, body: body, forget: forget}
	head.Limit = max(head.Limit, c.Limit)
	head.Root = fill.refs(c.Root)
	for _, contact := range slices.Sorted(maps.Keys(c.Conversations)) {
		conversation := c.Conversations[contact]
		talk := container.HeadConversation{Contact: contact, Hidden: conversation.Hidden, States: fill.refs(conversation.States)}
		for i := range conversation.Chunks {
			chunk := &conversation.Chunks[i]
			talk.Chunks = append(talk.Chunks, container.HeadChunk{Identifier: chunk.Identifier, States: fill.refs(chunk.States)})
		}
		head.Talks = append(head.Talks, talk)
	}
	return fill.err
}

type filler struct {
	head   *container.Head
	body   func(State) ([]byte, error)
	forget func(name string) bool // may be nil
	err    error
}

func (f *filler) refs(states []State) []container.StateRef {
	refs := make([]container.StateRef, 0, len(states))
	for _, state := range states {
		ref := state.StateRef
		if f.forget != nil {
			ref.Replaces = slices.DeleteFunc(slices.Clone(ref.Replaces), f.forget)
		}
		if state.Inline() {
			body, err := f.body(state)
			if err != nil && f.err == nil {
				f.err = err
			}
			ref.Offset, ref.Length = int64(len(f.head.Bodies)), int64(len(body))
			f.head.Bodies = append(f.head.Bodies, body...)
		}
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b container.StateRef) int { return strings.Compare(a.Name, b.Name) })
	return refs
}

// States yields every state of the catalogue with the key of its container's
// owner: contact "" for the root, identifier nil for a conversation.
func (c *Catalogue) States(yield func(contact string, identifier *container.ChunkIdentifier, state *State) bool) {
	for i := range c.Root {
		if !yield("", nil, &c.Root[i]) {
			return
		}
	}
	for contact, conversation := range c.Conversations {
		for i := range conversation.States {
			if !yield(contact, nil, &conversation.States[i]) {
				return
			}
		}
		for j := range conversation.Chunks {
			chunk := &conversation.Chunks[j]
			for i := range chunk.States {
				if !yield(contact, &chunk.Identifier, &chunk.States[i]) {
					return
				}
			}
		}
	}
}

// Of returns the states of one container, which is named as States does; nil when it
// is not there. They belong to the catalogue.
func (c *Catalogue) Of(contact string, identifier *container.ChunkIdentifier) []State {
	if contact == "" {
		return c.Root
	}
	conversation := c.Conversations[contact]
	switch {
	case conversation == nil:
		return nil
	case identifier == nil:
		return conversation.States
	}
	if chunk := conversation.Chunk(*identifier); chunk != nil {
		return chunk.States
	}
	return nil
}

// InlineBytes counts the bytes that travel inside heads.
func (c *Catalogue) InlineBytes() int64 {
	var total int64
	c.States(func(_ string, _ *container.ChunkIdentifier, state *State) bool {
		total += state.Length
		return true
	})
	return total
}
