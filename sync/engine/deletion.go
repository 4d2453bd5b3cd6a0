package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// Remove deletes messages for ever on all devices, by hash and timestamp. It is
// durable when it returns. A message that arrives later with one of these
// hashes stays away. The bytes leave the provider with a purge, see
// Options.DeleteGrace.
func (e *Engine) Remove(ctx context.Context, contact string, tombstones ...container.Tombstone) error {
	contents := make([]journalled, len(tombstones))
	for i, tombstone := range tombstones {
		contents[i] = journalled{tombstone: true, contact: contact,
			envelope: container.Envelope{Hash: tombstone.Hash, Timestamp: tombstone.Timestamp}}
	}
	return e.journal(ctx, contents)
}

// Hide hides a conversation on all devices, or shows it again; new messages
// change nothing about that. It is durable when it returns. It fails with
// ErrNoConversation for a contact of whom nothing is known.
func (e *Engine) Hide(ctx context.Context, contact string, hidden bool) error {
	e.mu.Lock()
	known := e.catalogue.Conversations[contact] != nil || len(e.pending[contact])+len(e.taken[contact]) > 0
	counter := e.hiddenLocked(contact)
	e.mu.Unlock()
	if !known {
		return fmt.Errorf("engine: %w", ErrNoConversation)
	}
	if isHidden(counter) == hidden {
		return nil
	}
	return e.journal(ctx, []journalled{{hidden: true, contact: contact, envelope: container.Envelope{Timestamp: counter + 1}}})
}

// isHidden tells what a counter says: odd is hidden.
func isHidden(counter int64) bool { return counter%2 == 1 }

// hiddenLocked is the greatest counter that is known of a conversation, what
// waits in the journal included. The caller holds e.mu.
func (e *Engine) hiddenLocked(contact string) int64 {
	counter := int64(0)
	if conversation := e.catalogue.Conversations[contact]; conversation != nil {
		counter = conversation.Hidden
	}
	for _, waiting := range [][]entry{e.pending[contact], e.taken[contact]} {
		for _, at := range waiting {
			if at.kind == journalHidden {
				counter = max(counter, at.timestamp)
			}
		}
	}
	return counter
}

// hiddenCounter is what the catalogue says of a conversation.
func (e *Engine) hiddenCounter(contact string) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if conversation := e.catalogue.Conversations[contact]; conversation != nil {
		return conversation.Hidden
	}
	return 0
}

// hiddenCounters are the counters of the catalogue, for a root that is written
// anew.
func (e *Engine) hiddenCounters() map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	counters := make(map[string]int64)
	for contact, conversation := range e.catalogue.Conversations {
		if conversation.Hidden > 0 {
			counters[contact] = conversation.Hidden
		}
	}
	return counters
}

// stageHidden takes what hides or shows a conversation out of items: it goes
// into the head's directory and a state of the root.
func (e *Engine) stageHidden(out *outgoing, contact string, items []pendingItem) []pendingItem {
	known := e.hiddenCounter(contact)
	return slices.DeleteFunc(items, func(item pendingItem) bool {
		if !item.hidden {
			return false
		}
		out.batch.items[contact] = append(out.batch.items[contact], sent{entry: item.entry})
		if counter := item.envelope.Timestamp; counter > known {
			if out.hidden == nil {
				out.hidden = make(map[string]int64)
			}
			known, out.hidden[contact] = counter, counter
			out.news.AddHidden(contact, counter)
			out.written++
		}
		return true
	})
}

// lesson is what a head from another device carries of a chunk's tombstones.
type lesson struct {
	contact string
	chunk   *container.Chunk // without messages
}

// study takes the tombstones that travel inside a head, so that a message that
// was away for long is known to be deleted when it comes, and drops from the
// cache what a purge of another device replaced.
func (e *Engine) study(head *container.Head) error {
	if head.Device == e.device {
		return nil
	}
	for i := range head.Talks {
		talk := &head.Talks[i]
		for j := range talk.Chunks {
			for k := range talk.Chunks[j].States {
				if ref := &talk.Chunks[j].States[k]; ref.Tombstones > 0 {
					if err := e.studyState(head, talk.Contact, talk.Chunks[j].Identifier, ref); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (e *Engine) studyState(head *container.Head, contact string, identifier container.ChunkIdentifier, ref *container.StateRef) error {
	if ref.Length == 0 {
		return e.doubt(prefixed(string(e.chunkKey(contact, identifier)), ref.Replaces))
	}
	content, err := e.openBody(head.Body(ref))
	if err != nil {
		return nil // whoever reads the state says so
	}
	chunk, err := content.asChunk()
	if err != nil {
		return nil // likewise
	}
	chunk.Identifier, chunk.Messages = identifier, nil
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lessons = append(e.lessons, lesson{contact, chunk})
	return nil
}

// learn adds to the base the tombstones that the last look brought.
func (e *Engine) learn() error {
	e.mu.Lock()
	lessons := e.lessons
	e.lessons = nil
	e.mu.Unlock()
	bases := make(map[container.Key][]known)
	for _, l := range lessons {
		key := e.chunkKey(l.contact, l.chunk.Identifier)
		base, err := e.base(key)
		if err != nil {
			return err
		}
		news := slices.DeleteFunc(e.placed(l.contact, l.chunk.Identifier, l.chunk), func(item known) bool { return contains(base, item) })
		if len(news) > 0 {
			bases[key] = append(bases[key], news...)
		}
	}
	if len(bases) == 0 {
		return nil
	}
	return e.remember(bases)
}

// deletedAmong returns the hashes of items, in the order of time, that are
// deleted in their chunk: by what this device saw there, or by the tombstones of
// states in the items' time.
func (e *Engine) deletedAmong(ctx context.Context, contact string, identifier container.ChunkIdentifier, items []pendingItem, shown []known) (map[container.MessageHash]bool, error) {
	deleted := make(map[container.MessageHash]bool)
	for i := range items {
		if contains(shown, knownRemoval(container.Tombstone{Hash: items[i].envelope.Hash, Timestamp: items[i].envelope.Timestamp})) {
			deleted[items[i].envelope.Hash] = true
		}
	}
	conversation := e.snapshot(contact)
	chunk := conversation.Chunk(identifier)
	if chunk == nil {
		return deleted, nil
	}
	for _, state := range chunk.States {
		if !arrivesLate(&state, items) {
			continue
		}
		content, _, err := e.chunkState(ctx, contact, identifier, state)
		if unusable(err) {
			continue // then the union keeps the message away, and a purge its bytes
		}
		if err != nil {
			return nil, err
		}
		for _, tombstone := range content.Tombstones {
			deleted[tombstone.Hash] = true
		}
	}
	return deleted, nil
}

// arrivesLate tells whether a tombstone of a state may name one of the items.
func arrivesLate(state *reconcile.State, items []pendingItem) bool {
	return state.Tombstones > 0 && slices.ContainsFunc(items, func(item pendingItem) bool {
		at := item.envelope.Timestamp
		return !item.tombstone && state.TombstoneFirst <= at && at <= state.TombstoneLast
	})
}
