package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// stageChunk makes the state with the new items of one chunk. Items that the
// base shows there already only wait for the second look.
func (e *Engine) stageChunk(ctx context.Context, out *outgoing, contact string, placement reconcile.Placement, items []pendingItem) error {
	key := e.chunkKey(contact, placement.Identifier)
	var shown []known
	if !placement.New {
		var err error
		if shown, err = e.base(key); err != nil {
			return err
		}
	}
	deleted, err := e.deletedAmong(ctx, contact, placement.Identifier, items, shown)
	if err != nil {
		return err
	}
	chunk := &container.Chunk{Contact: contact, Identifier: placement.Identifier}
	sentItems := make([]sent, 0, len(items))
	for i := range items {
		item := knownRemoval(container.Tombstone{Hash: items[i].envelope.Hash, Timestamp: items[i].envelope.Timestamp})
		if !items[i].tombstone {
			item = knownMessage(&items[i].envelope)
		}
		sentItems = append(sentItems, sent{entry: items[i].entry, chunk: placement.Identifier, item: item})
		switch {
		case contains(shown, item) || !items[i].tombstone && deleted[item.hash]:
		case items[i].tombstone:
			chunk.Tombstones = append(chunk.Tombstones, container.Tombstone{Hash: item.hash, Timestamp: item.timestamp})
		default:
			chunk.Messages = append(chunk.Messages, items[i].envelope)
		}
	}
	out.batch.items[contact] = append(out.batch.items[contact], sentItems...)
	if len(chunk.Messages)+len(chunk.Tombstones) == 0 {
		return nil
	}
	out.written += len(chunk.Messages) + len(chunk.Tombstones)
	e.touched[contact] = true
	return e.writeChunk(ctx, out, container.UnionChunk(chunk), nil)
}

// scratchMost bounds the buffer for plaintext that is kept between chunks.
const scratchMost = 2 << 20

// writeChunk writes a state of a chunk: inside the next head when it is small
// and replaces nothing, else as an object of its own, at once.
func (e *Engine) writeChunk(ctx context.Context, out *outgoing, chunk *container.Chunk, replaced []reconcile.State) error {
	ref := e.newRef(replaced)
	chunk.Replaces = names(replaced)
	ref.Describe(chunk)
	plain := chunk.AppendJSON(e.scratch[:0])
	e.scratch = plain
	if cap(plain) > scratchMost {
		e.scratch = nil
	}
	ref.Size = int64(len(plain))
	if len(replaced) == 0 && len(plain) <= 4*inlineState && out.inline < inlineHead {
		if body := e.o.Sealer.AppendBody(nil, container.KindChunk, plain); e.inlined(out, &ref, body) {
			out.news.AddChunk(chunk.Contact, chunk.Identifier, reconcile.State{StateRef: ref, Head: "new"})
			return nil
		}
	}
	key := e.chunkKey(chunk.Contact, chunk.Identifier)
	sealed, err := e.o.Sealer.Seal(nil, container.KindChunk, key, plain)
	if err != nil {
		return fmt.Errorf("engine: seal chunk: %w", err)
	}
	if err := e.setDirty(true); err != nil {
		return err
	}
	object := string(key) + "/" + ref.Name
	if len(replaced) > 0 && ref.Tombstones > 0 {
		e.purged[object] = e.passes
		e.lighter[chunk.Contact] = true
		// What it leaves out goes from the heads that carry it as well.
		out.force = out.force || slices.ContainsFunc(reconcile.Purge(replaced), func(s reconcile.State) bool { return s.Inline() })
	}
	if len(reconcile.Purge(replaced)) > 0 { // maintenance that comes before the purge takes its part
		out.force = out.force || anyInline(replaced)
	}
	out.news.AddChunk(chunk.Contact, chunk.Identifier, reconcile.State{StateRef: ref})
	out.replace(object, key, replaced, false)
	out.chunks.Go(func() error {
		return e.putState(ctx, upload{object, sealed, len(replaced) > 0})
	})
	return nil
}

// anyInline tells whether one of some states travels in a head.
func anyInline(states []reconcile.State) bool {
	return slices.ContainsFunc(states, func(s reconcile.State) bool { return s.Inline() })
}

// inlined takes a body into the next head when there is room for it.
func (e *Engine) inlined(out *outgoing, ref *container.StateRef, body []byte) bool {
	if len(body) > inlineState || out.inline+len(body) > inlineHead {
		return false
	}
	ref.Length = int64(len(body))
	out.inline += len(body)
	out.bodies[ref.Name] = body
	return true
}

// newRef names a new state. It takes over the names that what it replaces had
// replaced: a head that is not absorbed yet may still show them.
func (e *Engine) newRef(replaced []reconcile.State) container.StateRef {
	ref := container.StateRef{Name: e.randomName(15), Replaces: names(replaced)}
	for _, state := range replaced {
		ref.Replaces = append(ref.Replaces, state.Replaces...)
	}
	ref.Replaces = distinct(ref.Replaces)
	return ref
}

// distinct sorts names and drops doubles: states that two devices wrote side by
// side have replaced nearly the same ones.
func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func names(states []reconcile.State) []string {
	var out []string
	for _, state := range states {
		out = append(out, state.Name)
	}
	return out
}

// span returns the first and last timestamp of a chunk's items.
func span(chunk *container.Chunk) (first, last int64) {
	var ref container.StateRef
	ref.Describe(chunk)
	return ref.First, ref.Last
}

// stageLists queues the states that publish new chunks and a new contact.
func (e *Engine) stageLists(out *outgoing, contact string, opened []container.ChunkIdentifier, isNew bool) error {
	list := &container.Conversation{Contact: contact, Chunks: opened}
	state, up, err := e.writeList(out, container.KindConversation, e.conversationKey(contact), list.AppendJSON(nil), nil)
	if err != nil {
		return err
	}
	out.news.AddConversation(contact, state)
	if up != nil {
		out.conversations = append(out.conversations, *up)
	}
	if isNew {
		out.contacts = append(out.contacts, contact)
	}
	return nil
}

// writeList makes a state of a root or conversation container: inside the head
// where there is room, else as an upload for later.
func (e *Engine) writeList(out *outgoing, kind container.Kind, key container.Key, plain []byte, replaced []reconcile.State) (reconcile.State, *upload, error) {
	ref := e.newRef(replaced)
	ref.Size = int64(len(plain))
	if len(replaced) == 0 && len(plain) <= inlineState && out.inline < inlineHead && e.inlined(out, &ref, e.o.Sealer.AppendBody(nil, kind, plain)) {
		return reconcile.State{StateRef: ref, Head: "new"}, nil, nil
	}
	sealed, err := e.o.Sealer.Seal(nil, kind, key, plain)
	if err != nil {
		return reconcile.State{}, nil, fmt.Errorf("engine: seal list: %w", err)
	}
	if err := e.setDirty(true); err != nil {
		return reconcile.State{}, nil, err
	}
	up := &upload{object: string(key) + "/" + ref.Name, sealed: sealed, proof: len(replaced) > 0}
	out.replace(up.object, key, replaced, false)
	return reconcile.State{StateRef: ref}, up, nil
}

// damagedInCache tells a damaged entry from a disk that fails.
func damagedInCache(err error) bool { return isAny(err, cache.ErrDamaged, errJournalEntry) }
