package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// compareBytes bounds what one list reads from the cache to compare states, in bytes of
// plaintext; the next one goes on. One group is always read.
const compareBytes = 512 << 10

// compareCost is what one conversation costs of compareBytes even where nothing is read.
const compareCost = 4 << 10

// overlapKey stands for a group of states whose times meet.
type overlapKey [sha256.Size]byte

// shared is what was found out about the overlaps of one conversation: how many messages
// of each state, in the order of the group, other states hold as well, or were deleted.
type shared struct {
	of    map[overlapKey][]int64
	tried uint64 // the conversation's revision when its states were compared
}

func keyOfOverlap(group []reconcile.Placed) overlapKey {
	var text []byte
	for i := range group {
		text = append(append(text, group[i].Name...), '/')
	}
	return sha256.Sum256(text)
}

// known says what a group's states share; estimated, that they were not compared: then
// only the tombstones that may name a message are taken off.
func (s *shared) known(group []reconcile.Placed) (of []int64, estimated bool) {
	if s != nil {
		if of, known := s.of[keyOfOverlap(group)]; known {
			return of, false
		}
	}
	states := make([]reconcile.State, len(group))
	for i := range group {
		states[i] = group[i].State
	}
	of = make([]int64, len(group))
	for _, purged := range reconcile.Purge(states) {
		of[slices.IndexFunc(states, func(s reconcile.State) bool { return s.Name == purged.Name })] += purged.Tombstones
	}
	return of, true
}

// takeShared takes off a conversation's messages what states share, and says that the
// figure is an estimate where that is not known. uncompared: comparing may help. The caller
// holds e.mu.
func (e *Engine) takeShared(c *Conversation) (uncompared bool) {
	groups := e.catalogue.Conversations[c.Contact].Overlaps()
	known := e.news.shared[c.Contact]
	for _, group := range groups {
		of, estimated := known.known(group)
		for _, n := range of {
			c.Messages -= int(n)
		}
		c.Estimated = c.Estimated || estimated
	}
	uncompared = c.Estimated && (known == nil || known.tried != e.news.of[c.Contact])
	if len(groups) == 0 {
		delete(e.news.shared, c.Contact)
	}
	c.Messages = max(c.Messages, 0)
	c.Estimated = c.Estimated || e.mayBeHeld(c.Contact)
	return uncompared
}

// mayBeHeld tells whether a message of the journal may stand in a state already: one is
// written again after a restart, and one may have come through another device. New ones
// are newer than all that is there. The caller holds e.mu.
func (e *Engine) mayBeHeld(contact string) bool {
	waiting := [][]entry{e.pending[contact], e.taken[contact]}
	conversation := e.catalogue.Conversations[contact]
	if conversation == nil || len(waiting[0])+len(waiting[1]) == 0 {
		return false
	}
	last := int64(-1)
	for i := range conversation.Chunks {
		for j := range conversation.Chunks[i].States {
			last = max(last, conversation.Chunks[i].States[j].Last)
		}
	}
	for _, entries := range waiting {
		if slices.ContainsFunc(entries, func(at entry) bool { return at.kind != journalHidden && at.timestamp <= last }) {
			return true
		}
	}
	return false
}

// sharedByState is what is known of groups, by the name of the state.
func (e *Engine) sharedByState(contact string, groups [][]reconcile.Placed) map[string]int64 {
	if len(groups) == 0 {
		return nil
	}
	e.mu.Lock()
	known := e.news.shared[contact]
	e.mu.Unlock()
	by := make(map[string]int64)
	for _, group := range groups {
		of, _ := known.known(group)
		for i, n := range of {
			by[group[i].Name] += n
		}
	}
	return by
}

// compare reads states of a conversation whose times meet, as far as they are all here,
// and keeps how many messages they share. It returns the bytes of plaintext that it read.
// It leaves the order of the cache as it is: who counts does not use what he counts.
func (e *Engine) compare(ctx context.Context, contact string) (read int64) {
	groups := e.snapshot(contact).Overlaps()
	e.mu.Lock()
	before := e.news.shared[contact]
	e.mu.Unlock()
	found := make(map[overlapKey][]int64, len(groups))
	bodies := make(map[string]map[string][]byte) // of heads that were opened for this
	for _, group := range groups {
		of, estimated := before.known(group)
		if estimated {
			if ctx.Err() != nil {
				return read
			}
			count, size, here := e.sharedIn(contact, group, bodies)
			if read += size; !here {
				continue
			}
			of = count
		}
		found[keyOfOverlap(group)] = of
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.news.compared(contact, found)
	return read
}

// sharedIn counts, in each state of a group, the messages that an earlier one holds too,
// or that a tombstone names; false when a state is not here.
func (e *Engine) sharedIn(contact string, group []reconcile.Placed, bodies map[string]map[string][]byte) (of []int64, size int64, here bool) {
	for i := range group {
		if !e.isHere(contact, group[i].Chunk, &group[i].State) {
			return nil, 0, false
		}
	}
	of = make([]int64, len(group))
	held := make(map[container.MessageHash]int) // the first state that holds a message
	var buried []container.MessageHash
	for i := range group {
		chunk, ok := e.peek(contact, &group[i], bodies)
		if !ok {
			return nil, size, false
		}
		size += group[i].Size
		for j := range chunk.Messages {
			if _, twice := held[chunk.Messages[j].Hash]; twice {
				of[i]++
				continue
			}
			held[chunk.Messages[j].Hash] = i
		}
		for _, tombstone := range chunk.Tombstones {
			buried = append(buried, tombstone.Hash)
		}
	}
	for _, hash := range buried {
		if i, there := held[hash]; there {
			of[i]++
			delete(held, hash)
		}
	}
	return of, size, true
}

// peek reads a state from the cache and keeps nothing of it.
func (e *Engine) peek(contact string, at *reconcile.Placed, bodies map[string]map[string][]byte) (chunk *container.Chunk, ok bool) {
	plain, ok := e.peekPlain(container.KindChunk, e.chunkKey(contact, at.Chunk), &at.State, bodies)
	if !ok {
		return nil, false
	}
	chunk, err := container.DecodeChunk(plain)
	return chunk, err == nil && describes(at.State, chunk)
}

// peekPlain reads a state of any kind so.
func (e *Engine) peekPlain(kind container.Kind, key container.Key, state *reconcile.State, bodies map[string]map[string][]byte) (plain []byte, ok bool) {
	if state.Inline() {
		body, ok := e.peekBody(state, bodies)
		if !ok {
			return nil, false
		}
		plain, err := e.o.Sealer.OpenBody(nil, body)
		return plain, err == nil
	}
	sealed, ok := e.o.Cache.Blobs().Peek(string(key) + "/" + state.Name)
	if !ok {
		return nil, false
	}
	plain, err := e.o.Sealer.Open(nil, kind, key, sealed)
	return plain, err == nil
}

// peekBody finds the body of an inline state in its head, which is opened once.
func (e *Engine) peekBody(state *reconcile.State, bodies map[string]map[string][]byte) (body []byte, ok bool) {
	of, opened := bodies[state.Head]
	if !opened {
		if of, opened = e.recentBodies(state.Head); !opened {
			sealed, here := e.o.Cache.Blobs().Peek(e.headObject(state.Head))
			if !here {
				return nil, false
			}
			head, err := e.openHead(sealed)
			if err != nil {
				return nil, false
			}
			of = bodiesOf(head)
		}
		bodies[state.Head] = of
	}
	body, ok = of[state.Name]
	return body, ok
}

// compareListed compares states of listed conversations, those with the newest messages
// first, up to compareBytes.
func (e *Engine) compareListed(ctx context.Context, list []Conversation) {
	var todo []Conversation
	e.mu.Lock()
	for i := range list {
		if p := e.news.portraits[list[i].Contact]; p != nil && p.uncompared {
			todo = append(todo, list[i])
		}
	}
	e.mu.Unlock()
	slices.SortFunc(todo, func(a, b Conversation) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Contact, b.Contact))
	})
	for read, i := int64(0), 0; i < len(todo) && read < compareBytes && ctx.Err() == nil; i++ {
		read += e.compare(ctx, todo[i].Contact) + compareCost
	}
	if len(todo) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	for i := range list {
		if !list[i].Estimated {
			continue
		}
		if p := e.portrait(list[i].Contact); p.Contact != "" { // else its last message went meanwhile
			list[i] = p.Conversation
		}
	}
}
