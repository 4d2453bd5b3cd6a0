package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

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
		if !spill && out.written == before && len(conversation.Strays()) == 0 && len(e.overfull(conversation)) == 0 {
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
		if len(picked) == len(chunk.States) {
			if err := e.offerAgain(ctx, union); err != nil {
				return err
			}
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

// dropStrays rewrites a chunk without the strays that are found, as they are,
// joined or as tombstones, in states of the chunks that cover them, read from the
// provider now.
func (e *Engine) dropStrays(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, i int) error {
	source := conversation.Chunks[i]
	whole, err := e.union(ctx, conversation.Contact, source.Identifier, source.States)
	if err != nil {
		return err
	}
	if err := e.offerAgain(ctx, whole); err != nil {
		return err
	}
	extents := conversation.Extents()
	targets := make(map[int]*container.Chunk)
	collect(targets, extents, i, whole)
	var moved []*container.Chunk
	for _, at := range slices.Sorted(maps.Keys(targets)) {
		first, last := span(targets[at])
		parts, err := e.verified(ctx, conversation.Contact, conversation.Chunks[at], first, last)
		if err != nil {
			return err
		}
		moved = append(moved, parts...)
	}
	shown := container.UnionChunk(moved...)
	kept := make(map[known]bool)
	for _, item := range itemsOf(lacking(shown, whole)) {
		kept[item] = true
	}
	stays := func(item known) bool {
		return kept[item] || extents[reconcile.Covering(extents, item.timestamp)].Identifier == source.Identifier
	}
	before := len(whole.Messages) + len(whole.Tombstones)
	whole.Messages = slices.DeleteFunc(whole.Messages, func(m container.Envelope) bool { return !stays(knownMessage(&m)) })
	whole.Tombstones = slices.DeleteFunc(whole.Tombstones, func(t container.Tombstone) bool { return !stays(knownRemoval(t)) })
	if len(whole.Messages)+len(whole.Tombstones) == before {
		return nil
	}
	if len(shown.Tombstones) > 0 {
		out.force = out.force || anyInline(source.States) // the heads may hold what was deleted
	}
	out.written++
	return e.writeChunk(ctx, out, whole, source.States)
}

// verified loads the states of a chunk that reach into a span. They are read from
// the provider, not from the cache: this is the proof that something may be dropped
// elsewhere.
func (e *Engine) verified(ctx context.Context, contact string, chunk reconcile.Chunk, first, last int64) (parts []*container.Chunk, err error) {
	key := e.chunkKey(contact, chunk.Identifier)
	for _, state := range chunk.States {
		if state.Last < first || state.First > last {
			continue
		}
		var found *content
		if state.Inline() {
			found, err = e.inlineFresh(ctx, state)
		} else {
			found, err = e.fetch(ctx, container.KindChunk, key, string(key)+"/"+state.Name)
		}
		if err != nil {
			return nil, err
		}
		part, err := found.asChunk()
		if err != nil {
			return nil, fmt.Errorf("engine: decode %s/%s: %w", key, state.Name, err)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// rewriteList compacts the states of a conversation container. The list names every
// chunk that heads name, too: of two list states of one size a place may give one for
// the other, and nobody but who holds a copy can tell.
func (e *Engine) rewriteList(ctx context.Context, out *outgoing, conversation *reconcile.Conversation, spill bool) error {
	picked := reconcile.Compact(conversation.States, false, spill)
	if len(picked) == 0 && e.short[conversation.Contact] {
		picked = conversation.States
	}
	if len(picked) == 0 {
		return nil
	}
	delete(e.short, conversation.Contact)
	key := e.conversationKey(conversation.Contact)
	known := &container.Conversation{Contact: conversation.Contact}
	parts := []*container.Conversation{known}
	for _, state := range picked {
		content, _, err := e.plainState(ctx, container.KindConversation, key, state, nil)
		if err != nil {
			return err
		}
		part, err := container.DecodeConversation(content.plain)
		if err != nil {
			return fmt.Errorf("engine: decode conversation: %w", err)
		}
		parts = append(parts, part)
	}
	for _, chunk := range conversation.Chunks {
		known.Chunks = append(known.Chunks, chunk.Identifier)
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
	states := slices.Clone(e.catalogue.Root)
	e.mu.Unlock()
	picked := reconcile.Compact(states, false, spill)
	if len(picked) == 0 && e.short[""] {
		picked = states
	}
	if len(picked) == 0 {
		return nil
	}
	delete(e.short, "")
	union, err := e.unionRoot(ctx, picked)
	if err != nil {
		return err
	}
	return e.replaceRoot(out, union, picked)
}

// unionRoot loads states of the root and unites them, and names every contact that
// heads name. One that has a message is listed again, where another device took it
// from the list for empty at the time when this one wrote to it.
func (e *Engine) unionRoot(ctx context.Context, states []reconcile.State) (*container.Root, error) {
	parts := make([]*container.Root, len(states))
	for i, state := range states {
		content, _, err := e.plainState(ctx, container.KindRoot, e.o.Root, state, nil)
		if err != nil {
			return nil, err
		}
		if parts[i], err = container.DecodeRoot(content.plain); err != nil {
			return nil, fmt.Errorf("engine: decode root: %w", err)
		}
	}
	union := container.UnionRoot(parts...)
	union.Names = append(union.Names, union.Conversations...)
	contacts := e.contacts()
	union.Names = append(union.Names, contacts...) // as with lists
	for _, contact := range contacts {
		if e.isLiving(contact) {
			union.Conversations = append(union.Conversations, contact)
		}
	}
	return union, nil
}

// replaceRoot stages a state of the root that replaces others.
func (e *Engine) replaceRoot(out *outgoing, root *container.Root, replaced []reconcile.State) error {
	root.Account, root.Replaces = e.o.Account, names(replaced)
	root.Conversations = slices.DeleteFunc(root.Conversations, e.isEmptied)
	state, up, err := e.writeList(out, container.KindRoot, e.o.Root, root.AppendJSON(nil), replaced)
	if err != nil {
		return err
	}
	out.written++
	out.news.AddRoot(state)
	out.rootUpload = up
	return nil
}
