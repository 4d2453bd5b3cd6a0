package engine

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Conversations lists the conversations with a message that is not deleted, as
// far as is known locally, by contact. It asks no provider: where only reading
// there would tell whether all is deleted, the conversation is listed.
func (e *Engine) Conversations(ctx context.Context) ([]Conversation, error) {
	e.mu.Lock()
	contacts := slices.Collect(maps.Keys(e.catalogue.Conversations))
	for _, waiting := range []map[string][]entry{e.pending, e.taken} {
		for contact := range waiting {
			if e.catalogue.Conversations[contact] == nil {
				contacts = append(contacts, contact)
			}
		}
	}
	slices.Sort(contacts)
	contacts = slices.Compact(contacts)
	list := make([]Conversation, 0, len(contacts))
	doubtful := make(map[string][]int)
	for _, contact := range contacts {
		living, doubt := e.livesLocked(contact)
		if !living && doubt == nil {
			continue
		}
		list = append(list, e.describe(contact))
		if !living {
			doubtful[contact] = doubt
		}
	}
	e.mu.Unlock()
	return slices.DeleteFunc(list, func(c Conversation) bool {
		doubt, doubted := doubtful[c.Contact]
		return doubted && !e.showsAny(ctx, c.Contact, doubt)
	}), ctx.Err()
}

// livesLocked tells whether a conversation surely has a message; if not, doubtful
// are the chunks that must be read with the journal to find out, nil when it has
// none. The caller holds e.mu.
func (e *Engine) livesLocked(contact string) (living bool, doubtful []int) {
	var messages, tombstones int64
	for _, waiting := range [][]entry{e.pending[contact], e.taken[contact]} {
		for _, at := range waiting {
			switch at.kind {
			case journalMessage:
				messages++
			case journalTombstone:
				tombstones++
			}
		}
	}
	living, doubtful = e.catalogue.Conversations[contact].Living(tombstones)
	if messages > tombstones {
		return true, nil
	}
	if messages > 0 && doubtful == nil {
		doubtful = []int{}
	}
	return living, doubtful
}

// isEmptied tells whether a contact surely has no message at the provider.
func (e *Engine) isEmptied(contact string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	living, doubtful := e.catalogue.Conversations[contact].Living(0)
	return !living && len(doubtful) == 0
}

// showsAny reads the journal and the given chunks, as far as they are here, to
// find a message that is not deleted. Where something is not here there may be
// one.
func (e *Engine) showsAny(ctx context.Context, contact string, chunks []int) bool {
	own, err := e.unconfirmed(contact, Range{To: math.MaxInt64})
	if err != nil || len(container.UnionChunk(own).Messages) > 0 {
		return true
	}
	conversation := e.snapshot(contact)
	for _, i := range chunks {
		if conversation == nil || i >= len(conversation.Chunks) {
			return true
		}
		parts := []*container.Chunk{own}
		chunk := &conversation.Chunks[i]
		for _, state := range chunk.States {
			if !e.isHere(contact, chunk.Identifier, &state) {
				return true
			}
			part, _, err := e.chunkState(ctx, contact, chunk.Identifier, state)
			if err != nil {
				return true
			}
			parts = append(parts, part)
		}
		if len(container.UnionChunk(parts...).Messages) > 0 {
			return true
		}
	}
	return false
}

// isHere tells whether the cache holds a state.
func (e *Engine) isHere(contact string, identifier container.ChunkIdentifier, state *reconcile.State) bool {
	if state.Inline() {
		return e.o.Cache.Blobs().Has(e.headObject(state.Head))
	}
	return e.o.Cache.Blobs().Has(string(e.chunkKey(contact, identifier)) + "/" + state.Name)
}

// describe sums up a conversation. The caller holds e.mu.
func (e *Engine) describe(contact string) Conversation {
	info := Conversation{Contact: contact, First: math.MaxInt64, Hidden: isHidden(e.hiddenLocked(contact))}
	see := func(first, last int64) {
		info.First, info.Last = min(info.First, first), max(info.Last, last)
	}
	for _, pending := range slices.Concat(e.pending[contact], e.taken[contact]) {
		info.Pending++
		switch pending.kind {
		case journalMessage:
			info.Messages++
			see(pending.timestamp, pending.timestamp)
		case journalTombstone:
			info.Messages--
		}
	}
	if conversation := e.catalogue.Conversations[contact]; conversation != nil {
		info.Chunks = len(conversation.Chunks)
		for i := range conversation.Chunks {
			chunk := &conversation.Chunks[i]
			info.Messages += int(chunk.Shown())
			for _, state := range chunk.States {
				if state.Messages() > 0 {
					see(state.First, state.Last)
				}
			}
		}
	}
	info.Messages = max(info.Messages, 0)
	if info.First == math.MaxInt64 {
		info.First = 0
	}
	return info
}
