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

// dropStrays rewrites a chunk without the strays that are found, item by item
// or as tombstones, in states of the chunks that cover them, read from the
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
	moved := make(map[known]bool)
	for _, at := range slices.Sorted(maps.Keys(targets)) {
		first, last := span(targets[at])
		if err := e.verified(ctx, conversation.Contact, conversation.Chunks[at], first, last, moved); err != nil {
			return err
		}
	}
	removed := make(map[container.MessageHash]bool)
	for item := range moved {
		removed[item.hash] = removed[item.hash] || item.flags&knownTombstone != 0
	}
	stays := func(item known) bool {
		own := extents[reconcile.Covering(extents, item.timestamp)].Identifier == source.Identifier
		return own || !moved[item] && (item.flags&knownTombstone != 0 || !removed[item.hash])
	}
	before := len(whole.Messages) + len(whole.Tombstones)
	if slices.ContainsFunc(whole.Messages, func(m container.Envelope) bool { return removed[m.Hash] }) {
		out.force = out.force || anyInline(source.States) // the heads hold what was deleted
	}
	whole.Messages = slices.DeleteFunc(whole.Messages, func(m container.Envelope) bool { return !stays(knownMessage(&m)) })
	whole.Tombstones = slices.DeleteFunc(whole.Tombstones, func(t container.Tombstone) bool { return !stays(knownRemoval(t)) })
	if len(whole.Messages)+len(whole.Tombstones) == before {
		return nil
	}
	if slices.Contains(slices.Collect(maps.Values(removed)), true) { // what is left out goes from the heads as well
		out.force = out.force || slices.ContainsFunc(source.States, func(s reconcile.State) bool { return s.Inline() })
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
	union, err := e.unionRoot(ctx, picked)
	if err != nil {
		return err
	}
	return e.replaceRoot(out, union, picked)
}

// unionRoot loads states of the root and unites them. Contacts without any
// message are names, and no conversations.
func (e *Engine) unionRoot(ctx context.Context, states []reconcile.State) (*container.Root, error) {
	parts := make([]*container.Root, len(states))
	for i, state := range states {
		plain, _, err := e.plainState(ctx, container.KindRoot, e.o.Root, state)
		if err != nil {
			return nil, err
		}
		if parts[i], err = container.DecodeRoot(plain); err != nil {
			return nil, fmt.Errorf("engine: decode root: %w", err)
		}
	}
	union := container.UnionRoot(parts...)
	union.Names = append(union.Names, union.Conversations...)
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
