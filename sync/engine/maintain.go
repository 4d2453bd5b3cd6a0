package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// otherIsActive is how many looks after its last new head another device still
// counts as active, so that only one of several does the maintenance.
const otherIsActive = 3

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
	if err := e.resolveDangling(ctx); err != nil {
		return err
	}
	if !e.leads() {
		return nil
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
	return e.rewrite(ctx, report, false, slices.Sorted(maps.Keys(e.touched)))
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
	copied := &reconcile.Conversation{Contact: contact, States: slices.Clone(conversation.States)}
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
// unless the base knows them to be there.
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
		chunk.Messages = slices.DeleteFunc(chunk.Messages, func(message container.Envelope) bool {
			return contains(shown, knownMessage(&message))
		})
		chunk.Tombstones = slices.DeleteFunc(chunk.Tombstones, func(tombstone container.Tombstone) bool {
			return contains(shown, knownRemoval(tombstone))
		})
		if err := e.stageCopies(ctx, out, chunk); err != nil {
			return err
		}
	}
	return nil
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
	var opened []container.ChunkIdentifier
	next := int64(0)
	for _, chunk := range conversation.Chunks {
		next = max(next, chunk.Identifier.ID+1)
	}
	limit := e.limit()
	for _, i := range conversation.Overfull(limit) {
		source := conversation.Chunks[i]
		chunk, _, err := e.chunkState(ctx, conversation.Contact, source.Identifier, source.States[0])
		if err != nil {
			return err
		}
		extents := []reconcile.Extent{{Identifier: source.Identifier}}
		for _, cut := range reconcile.Split(measures(chunk), limit) {
			identifier := container.ChunkIdentifier{ID: next, Timestamp: cut}
			next++
			opened = append(opened, identifier)
			extents = append(extents, reconcile.Extent{Identifier: identifier})
		}
		targets := make(map[int]*container.Chunk)
		collect(targets, extents, 0, chunk)
		for _, target := range slices.Sorted(maps.Keys(targets)) {
			piece := targets[target]
			piece.Contact, piece.Identifier = conversation.Contact, extents[target].Identifier
			if err := e.stageCopies(ctx, out, piece); err != nil {
				return err
			}
		}
	}
	if len(opened) == 0 {
		return nil
	}
	return e.stageLists(out, conversation.Contact, opened, false)
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

// rewrite replaces states by one that holds what they hold, without the items
// that were verified in the chunk that covers them. With spill, all that
// travels in heads moves into its container and every head is absorbed.
func (e *Engine) rewrite(ctx context.Context, report *Report, spill bool, contacts []string) error {
	out, groupContext := e.newOutgoing(ctx)
	out.force = spill
	for _, contact := range contacts {
		conversation := e.snapshot(contact)
		if conversation == nil {
			continue
		}
		before := out.written
		if err := e.rewriteConversation(groupContext, out, conversation, spill); err != nil {
			if err := e.dangles(contact, err); err != nil {
				return out.fail(err)
			}
			continue
		}
		if !spill && out.written == before && len(conversation.Strays()) == 0 && len(conversation.Overfull(e.limit())) == 0 {
			delete(e.touched, contact)
		}
	}
	if err := e.dangles("", e.rewriteRoot(groupContext, out, spill)); err != nil {
		return out.fail(err)
	}
	if err := e.publish(ctx, out); err != nil {
		return err
	}
	report.Compacted += out.written
	return nil
}

func (e *Engine) rewriteConversation(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, spill bool) error {
	strays := conversation.Strays()
	for i, chunk := range conversation.Chunks {
		if !spill && slices.Contains(strays, i) {
			if err := e.dropStrays(ctx, out, conversation, i); err != nil {
				return err
			}
			continue
		}
		picked := reconcile.Compact(chunk.States, i+1 < len(conversation.Chunks), spill)
		if len(picked) == 0 {
			continue
		}
		union, err := e.union(ctx, conversation.Contact, chunk.Identifier, picked)
		if err != nil {
			return err
		}
		out.written++
		if err := e.writeChunk(ctx, out, union, picked); err != nil {
			return err
		}
	}
	return e.rewriteList(ctx, out, conversation, spill)
}

// union loads states of one chunk and unites them.
func (e *Engine) union(ctx context.Context, contact string, identifier container.ChunkIdentifier, states []reconcile.State) (*container.Chunk, error) {
	parts := make([]*container.Chunk, len(states))
	for i, state := range states {
		var err error
		if parts[i], _, err = e.chunkState(ctx, contact, identifier, state); err != nil {
			return nil, err
		}
	}
	union := container.UnionChunk(parts...)
	union.Contact, union.Identifier = contact, identifier
	return union, nil
}

// dropStrays rewrites a chunk without the strays that are found, item by item,
// in states of the chunks that cover them, read from the provider now.
func (e *Engine) dropStrays(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, i int) error {
	source := conversation.Chunks[i]
	whole, err := e.union(ctx, conversation.Contact, source.Identifier, source.States)
	if err != nil {
		return err
	}
	extents := conversation.Extents()
	targets := make(map[int]*container.Chunk)
	collect(targets, extents, i, whole)
	moved := make(map[known]bool)
	for at := range targets {
		first, last := span(targets[at])
		if err := e.verified(ctx, conversation.Contact, conversation.Chunks[at], first, last, moved); err != nil {
			return err
		}
	}
	stays := func(item known) bool {
		return extents[reconcile.Covering(extents, item.timestamp)].Identifier == source.Identifier || !moved[item]
	}
	before := len(whole.Messages) + len(whole.Tombstones)
	whole.Messages = slices.DeleteFunc(whole.Messages, func(m container.Envelope) bool { return !stays(knownMessage(&m)) })
	whole.Tombstones = slices.DeleteFunc(whole.Tombstones, func(t container.Tombstone) bool { return !stays(knownRemoval(t)) })
	if len(whole.Messages)+len(whole.Tombstones) == before {
		return nil
	}
	out.written++
	return e.writeChunk(ctx, out, whole, source.States)
}

// verified adds to moved what the states of a chunk show within a span. The
// states are read from the provider, not from the cache: this is the proof
// that something may be dropped elsewhere.
func (e *Engine) verified(ctx context.Context, contact string, chunk reconcile.Chunk, first, last int64, moved map[known]bool) error {
	key := e.chunkKey(contact, chunk.Identifier)
	for _, state := range chunk.States {
		if state.Last < first || state.First > last {
			continue
		}
		var plain []byte
		var err error
		if state.Inline() {
			plain, err = e.inlineFresh(ctx, state)
		} else {
			plain, err = e.fetch(ctx, container.KindChunk, key, string(key)+"/"+state.Name)
		}
		if err != nil {
			return err
		}
		content, err := container.DecodeChunk(plain)
		if err != nil {
			return fmt.Errorf("engine: decode %s/%s: %w", key, state.Name, err)
		}
		for _, item := range itemsOf(content) {
			moved[item] = true
		}
	}
	return nil
}

// rewriteList compacts the states of a conversation container.
func (e *Engine) rewriteList(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, spill bool) error {
	picked := reconcile.Compact(conversation.States, false, spill)
	if len(picked) == 0 {
		return nil
	}
	key := e.conversationKey(conversation.Contact)
	parts := make([]*container.Conversation, len(picked))
	for i, state := range picked {
		plain, _, err := e.plainState(ctx, container.KindConversation, key, state)
		if err != nil {
			return err
		}
		if parts[i], err = container.DecodeConversation(plain); err != nil {
			return fmt.Errorf("engine: decode conversation: %w", err)
		}
	}
	union := container.UnionConversation(parts...)
	union.Contact, union.Replaces = conversation.Contact, names(picked)
	state, up, err := e.writeList(out, container.KindConversation, key, union.AppendJSON(nil), picked)
	if err != nil {
		return err
	}
	out.written++
	out.news.AddConversation(conversation.Contact, state)
	if up != nil {
		out.conversations = append(out.conversations, *up)
	}
	return nil
}

// rewriteRoot compacts the states of the root.
func (e *Engine) rewriteRoot(ctx context.Context, out *outgoing, spill bool) error {
	e.mu.Lock()
	picked := reconcile.Compact(slices.Clone(e.catalogue.Root), false, spill)
	e.mu.Unlock()
	if len(picked) == 0 {
		return nil
	}
	parts := make([]*container.Root, len(picked))
	for i, state := range picked {
		plain, _, err := e.plainState(ctx, container.KindRoot, e.o.Root, state)
		if err != nil {
			return err
		}
		if parts[i], err = container.DecodeRoot(plain); err != nil {
			return fmt.Errorf("engine: decode root: %w", err)
		}
	}
	union := container.UnionRoot(parts...)
	union.Account, union.Replaces = e.o.Account, names(picked)
	state, up, err := e.writeList(out, container.KindRoot, e.o.Root, union.AppendJSON(nil), picked)
	if err != nil {
		return err
	}
	out.written++
	out.news.AddRoot(state)
	out.rootUpload = up
	return nil
}
