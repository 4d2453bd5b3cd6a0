package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// otherIsActive is how many looks after its last new head another device still
// counts as active, so that only one of several does the maintenance.
const otherIsActive = 8

// maintain keeps the containers in shape: it moves what travels in heads into
// its containers when that becomes much, brings strays to the chunks that cover
// them, splits what is too large and compacts what is in many pieces. Only
// conversations that this device touched are looked at, so a pass in which
// nothing happened costs nothing here.
func (e *Engine) maintain(ctx context.Context, report *Report) error {
	e.mu.Lock()
	for _, contact := range e.strayed {
		e.touched[contact] = true
	}
	e.strayed = nil
	e.mu.Unlock()
	if e.flushes > 1 && !e.alone() {
		return nil // right after a look only: others do such things as well
	}
	if err := e.resolveDangling(ctx); err != nil {
		return err
	}
	if err := e.absorbStale(ctx); err != nil {
		return err
	}
	for contact := range e.touched {
		e.notePurge(contact)
	}
	if !e.leads() {
		_, err := e.duePurges() // the time runs here, too, for when this device leads
		return err
	}
	e.mu.Lock()
	inline := e.catalogue.InlineBytes()
	e.mu.Unlock()
	if inline > e.o.Inline {
		if err := e.rewrite(ctx, report, true, e.contacts()); err != nil {
			return err
		}
	}
	if err := e.copyStrays(ctx, report); err != nil {
		return err
	}
	if err := e.rewrite(ctx, report, false, slices.Sorted(maps.Keys(e.touched))); err != nil {
		return err
	}
	return e.purge(ctx, report)
}

// leads tells whether this device does the maintenance: no other active one
// comes before it. All may do it at once, and would only waste work.
func (e *Engine) leads() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for device, pass := range e.others {
		if device < e.device && e.passes-pass < otherIsActive {
			return false
		}
	}
	return true
}

func (e *Engine) contacts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.catalogue.Conversations))
}

// snapshot copies what the catalogue says of a conversation.
func (e *Engine) snapshot(contact string) *reconcile.Conversation {
	e.mu.Lock()
	defer e.mu.Unlock()
	conversation := e.catalogue.Conversations[contact]
	if conversation == nil {
		return nil
	}
	copied := &reconcile.Conversation{Contact: contact, Hidden: conversation.Hidden, States: slices.Clone(conversation.States)}
	for _, chunk := range conversation.Chunks {
		chunk.States = slices.Clone(chunk.States)
		copied.Chunks = append(copied.Chunks, chunk)
	}
	return copied
}

// copyStrays publishes, in the chunk that covers it, every item that stands in
// another one, and the new chunks of a split with their items. The sources
// stay as they are: rewrite drops from them only what it finds in the targets.
func (e *Engine) copyStrays(ctx context.Context, report *Report) error {
	out, groupContext := e.newOutgoing(ctx)
	for _, contact := range slices.Sorted(maps.Keys(e.touched)) {
		conversation := e.snapshot(contact)
		if conversation == nil {
			delete(e.touched, contact)
			continue
		}
		var err error
		if strays := conversation.Strays(); len(strays) > 0 {
			err = e.copyOut(groupContext, out, conversation, strays)
		} else {
			err = e.split(groupContext, out, conversation)
		}
		if err = e.dangles(contact, err); err != nil {
			return out.fail(err)
		}
	}
	if err := e.publish(ctx, out); err != nil {
		return err
	}
	report.Compacted += out.written
	return nil
}

// copyOut stages the strays of some chunks for the chunks that cover them,
// unless the base knows them to be there, or they are deleted there.
func (e *Engine) copyOut(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, strays []int) error {
	targets := make(map[int]*container.Chunk)
	extents := conversation.Extents()
	for _, i := range strays {
		from, to := reconcile.Covers(conversation.Chunks, i)
		identifier := conversation.Chunks[i].Identifier
		for _, state := range conversation.Chunks[i].States {
			if state.First >= from && state.Last < to {
				continue
			}
			chunk, _, err := e.chunkState(ctx, conversation.Contact, identifier, state)
			if err != nil {
				return err
			}
			collect(targets, extents, i, chunk)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		chunk := targets[target]
		chunk.Contact, chunk.Identifier = conversation.Contact, extents[target].Identifier
		shown, err := e.base(e.chunkKey(chunk.Contact, chunk.Identifier))
		if err != nil {
			return err
		}
		deleted, err := e.deletedAmong(ctx, chunk.Contact, chunk.Identifier, pendingMessages(chunk), shown)
		if err != nil {
			return err
		}
		chunk.Messages = slices.DeleteFunc(chunk.Messages, func(message container.Envelope) bool {
			return contains(shown, knownMessage(&message)) || deleted[message.Hash]
		})
		chunk.Tombstones = slices.DeleteFunc(chunk.Tombstones, func(tombstone container.Tombstone) bool {
			return contains(shown, knownRemoval(tombstone))
		})
		held, err := e.heldHere(ctx, chunk)
		if err != nil {
			return err
		}
		missing := lacking(held, chunk)
		missing.Contact, missing.Identifier = chunk.Contact, chunk.Identifier
		if err := e.stageCopies(ctx, out, missing); err != nil {
			return err
		}
	}
	return nil
}

// heldHere unites the states of a chunk that reach into the time of some items, as
// far as the cache has them. The base does not know what this device copied there
// itself; and where the source can't be read whole, so that it keeps its strays, the
// same copies would be written in every pass.
func (e *Engine) heldHere(ctx context.Context, items *container.Chunk) (*container.Chunk, error) {
	held := &container.Chunk{}
	chunk := e.snapshot(items.Contact).Chunk(items.Identifier)
	if chunk == nil || len(items.Messages)+len(items.Tombstones) == 0 {
		return held, nil
	}
	first, last := span(items)
	var parts []*container.Chunk
	for _, state := range chunk.States {
		if state.Last < first || state.First > last || !e.isHere(items.Contact, items.Identifier, &state) {
			continue
		}
		part, _, err := e.chunkState(ctx, items.Contact, items.Identifier, state)
		if unusable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return container.UnionChunk(parts...), nil
}

// pendingMessages lists the messages of a chunk as if they were to be pushed.
func pendingMessages(chunk *container.Chunk) []pendingItem {
	items := make([]pendingItem, len(chunk.Messages))
	for i := range chunk.Messages {
		items[i].envelope = chunk.Messages[i]
	}
	return items
}

// collect gathers the items of a chunk that others cover, by target.
func collect(targets map[int]*container.Chunk, extents []reconcile.Extent, source int, chunk *container.Chunk) {
	target := func(timestamp int64) *container.Chunk {
		at := reconcile.Covering(extents, timestamp)
		if at == source {
			return nil
		}
		if targets[at] == nil {
			targets[at] = &container.Chunk{}
		}
		return targets[at]
	}
	for _, message := range chunk.Messages {
		if to := target(message.Timestamp); to != nil {
			to.Messages = append(to.Messages, message)
		}
	}
	for _, tombstone := range chunk.Tombstones {
		if to := target(tombstone.Timestamp); to != nil {
			to.Tombstones = append(to.Tombstones, tombstone)
		}
	}
}

func (e *Engine) stageCopies(ctx context.Context, out *outgoing, chunk *container.Chunk) error {
	if len(chunk.Messages)+len(chunk.Tombstones) == 0 {
		return nil
	}
	out.written++
	return e.writeChunk(ctx, out, container.UnionChunk(chunk), nil)
}

// split stages the pieces of chunks that are too large: new identifiers, and
// states with the items that they will cover. The source drops them later.
func (e *Engine) split(ctx context.Context, out *outgoing, conversation *reconcile.Conversation) error {
	next := int64(0)
	for _, chunk := range conversation.Chunks {
		next = max(next, chunk.Identifier.ID+1)
	}
	for _, i := range e.overfull(conversation) {
		opened, err := e.splitChunk(ctx, out, conversation.Contact, conversation.Chunks[i], next)
		if err != nil {
			return err
		}
		next += int64(opened)
	}
	return nil
}

// splitChunk stages the pieces of one chunk that consists of one state, with
// identifiers from next on, and returns how many there are. Their list goes
// with them, so that no other chunk's fault can leave them unlisted.
func (e *Engine) splitChunk(ctx context.Context, out *outgoing, contact string, source reconcile.Chunk, next int64) (int, error) {
	chunk, _, err := e.chunkState(ctx, contact, source.Identifier, source.States[0])
	if err != nil {
		return 0, err
	}
	cuts := reconcile.Split(measures(chunk), e.limit())
	if len(cuts) == 0 {
		e.uncut[source.States[0].Name] = true // only the names of what it replaced make it large
		return 0, nil
	}
	extents := []reconcile.Extent{{Identifier: source.Identifier}}
	var opened []container.ChunkIdentifier
	for i, cut := range cuts {
		opened = append(opened, container.ChunkIdentifier{ID: next + int64(i), Timestamp: cut})
		extents = append(extents, reconcile.Extent{Identifier: opened[i]})
	}
	if err := e.stageLists(out, contact, opened, false); err != nil {
		return 0, err
	}
	targets := make(map[int]*container.Chunk)
	collect(targets, extents, 0, chunk)
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		piece := targets[target]
		piece.Contact, piece.Identifier = contact, extents[target].Identifier
		if err := e.stageCopies(ctx, out, piece); err != nil {
			return 0, err
		}
	}
	return len(opened), nil
}

// overfull are the chunks that are to be split, without those that can't be.
func (e *Engine) overfull(conversation *reconcile.Conversation) []int {
	return slices.DeleteFunc(conversation.Overfull(e.limit()), func(i int) bool {
		return e.uncut[conversation.Chunks[i].States[0].Name]
	})
}

// measures lists the items of a chunk, messages and tombstones, in the order
// of time.
func measures(chunk *container.Chunk) []reconcile.Measure {
	out := make([]reconcile.Measure, 0, len(chunk.Messages)+len(chunk.Tombstones))
	for i := range chunk.Messages {
		out = append(out, reconcile.Measure{Timestamp: chunk.Messages[i].Timestamp, Size: int64(len(chunk.Messages[i].JSON))})
	}
	for _, tombstone := range chunk.Tombstones {
		out = append(out, reconcile.Measure{Timestamp: tombstone.Timestamp, Size: tombstoneSize})
	}
	slices.SortFunc(out, func(a, b reconcile.Measure) int {
		return int(min(max(a.Timestamp-b.Timestamp, -1), 1))
	})
	return out
}

// tombstoneSize is what a tombstone takes in a state, in bytes.
const tombstoneSize = 120
