package engine

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// A tombstone hides a message at once; its bytes stay in the state that holds it
// until that is written again. A purge does so, after the grace time: the states
// with tombstones and those with messages in the time of these become one, and
// every head that carried one of them is absorbed.

// purgeable is a chunk at the provider with bytes of deleted messages.
type purgeable struct {
	contact string
	chunk   reconcile.Chunk
}

// openPurges reads since when chunks are known to have bytes of deleted messages.
func (e *Engine) openPurges() error {
	return e.o.Cache.Records().Each("purge", func(key string, sealed []byte) error {
		plain, err := e.o.Sealer.OpenRecord(nil, "purge/"+key, sealed)
		if err == nil && len(plain) == 8 {
			e.purgeSince[container.Key(key)] = time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
		}
		return nil // without it the time begins anew
	})
}

// notePurge marks a conversation that has something to purge.
func (e *Engine) notePurge(contact string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.catalogue.Conversations[contact].Purges() {
		e.purges[contact] = true
	}
}

// duePurges lists the chunks whose grace time is over. It notes since when the
// others wait, and forgets those that another device purged.
func (e *Engine) duePurges() (due []purgeable, err error) {
	e.mu.Lock()
	contacts := slices.Sorted(maps.Keys(e.purges))
	e.mu.Unlock()
	waiting := make(map[container.Key]bool)
	for _, contact := range contacts {
		conversation := e.snapshot(contact)
		if !conversation.Purges() {
			e.mu.Lock()
			delete(e.purges, contact)
			e.mu.Unlock()
			continue
		}
		for _, chunk := range conversation.Chunks {
			if len(reconcile.Purge(chunk.States)) == 0 {
				continue
			}
			key := e.chunkKey(contact, chunk.Identifier)
			waiting[key] = true
			over, err := e.graceOver(key)
			if err != nil {
				return nil, err
			}
			if over {
				due = append(due, purgeable{contact, chunk})
			}
		}
	}
	for key := range e.purgeSince {
		if waiting[key] {
			continue
		}
		if err := e.dropRecords("purge", string(key)); err != nil {
			return nil, err
		}
		delete(e.purgeSince, key)
	}
	return due, nil
}

// graceOver tells whether a chunk has waited long enough. The time is kept over
// restarts, so that a device which runs for moments only gets there, too. A
// clock that was set back lets it begin anew: it only delays.
func (e *Engine) graceOver(key container.Key) (bool, error) {
	if e.o.DeleteGrace <= 0 {
		return true, nil
	}
	now := e.o.Now()
	if since, known := e.purgeSince[key]; known && !now.Before(since) {
		return now.Sub(since) >= e.o.DeleteGrace, nil
	}
	e.purgeSince[key] = now
	return false, e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		return e.putRecord(tx, "purge", string(key), binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())))
	})
}

// purge writes the chunks anew whose grace time is over, so that no object at
// the provider holds their deleted messages, and the root when it lists a
// conversation that has none left.
func (e *Engine) purge(ctx context.Context, report *Report) error {
	for contact := range e.touched {
		e.notePurge(contact)
	}
	due, err := e.duePurges()
	if err != nil {
		return err
	}
	out, groupContext := e.newOutgoing(ctx)
	for _, p := range due {
		if err := e.purgeChunk(groupContext, out, p); err != nil {
			e.touched[p.contact] = true // another round may find it whole
			if err := e.dangles(p.contact, err); err != nil {
				return out.fail(err)
			}
		}
	}
	if err := e.publish(ctx, out); err != nil {
		return err
	}
	report.Compacted += out.written
	return e.delist(ctx, report)
}

// purgeChunk stages the state that takes the place of those to be purged.
func (e *Engine) purgeChunk(ctx context.Context, out *outgoing, p purgeable) error {
	picked := reconcile.Purge(p.chunk.States)
	union, err := e.union(ctx, p.contact, p.chunk.Identifier, picked)
	if err != nil {
		return err
	}
	if len(picked) == len(p.chunk.States) {
		if err := e.offerAgain(ctx, union); err != nil {
			return err
		}
	}
	out.written++
	return e.writeChunk(ctx, out, union, picked)
}

// delist writes the root anew when it lists a conversation that has lost its
// last message.
func (e *Engine) delist(ctx context.Context, report *Report) error {
	maps.DeleteFunc(e.lighter, func(contact string, _ bool) bool { return !e.isEmptied(contact) })
	if len(e.lighter) == 0 {
		return nil
	}
	e.mu.Lock()
	states := slices.Clone(e.catalogue.Root)
	e.mu.Unlock()
	root, err := e.unionRoot(ctx, states)
	if err != nil {
		return e.dangles("", err)
	}
	if slices.ContainsFunc(root.Conversations, e.isEmptied) {
		out, _ := e.newOutgoing(ctx)
		if err := e.replaceRoot(out, root, states); err != nil {
			return err
		}
		if err := e.publish(ctx, out); err != nil {
			return err
		}
		report.Compacted += out.written
	}
	clear(e.lighter)
	return nil
}

// forgetDeleted lets this device forget what the provider was made to forget:
// what others replaced, and what its own purge replaced, once a later look has
// seen the replacement whole once more. It also fetches what tells whether a
// conversation has a message left.
func (e *Engine) forgetDeleted(ctx context.Context) error {
	if err := e.settleDoubts(ctx, false); err != nil {
		return err
	}
	var seen []string
	for _, object := range slices.Sorted(maps.Keys(e.purged)) { // in one order, as a world of sync/simtest is to be one history
		if e.purged[object] >= e.passes {
			continue
		}
		whole, err := e.stillWhole(ctx, replacement{object: object})
		if err != nil {
			return err
		}
		if whole {
			seen = append(seen, object)
			delete(e.purged, object)
		}
	}
	if err := e.setFree(seen); err != nil {
		return err
	}
	return e.clarify(ctx)
}

// doubtReplaced doubts the copies of states that a catalogue named and this one
// does not: other devices replaced them.
func (e *Engine) doubtReplaced(before map[string]string) error {
	after := e.namedObjects()
	maps.DeleteFunc(before, func(object, _ string) bool {
		_, used := after[object]
		return used
	})
	return e.doubt(slices.Collect(maps.Keys(before)))
}

// thinned are the keys of the chunks with tombstones: replaced states of these
// may hold what was deleted. Copies of others stay, since a head that another
// device wrote meanwhile may name such a state again, and then it can be mended.
func (e *Engine) thinned() map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := make(map[string]bool)
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		if state.Tombstones > 0 {
			keys[string(e.chunkKey(contact, *identifier))] = true
		}
		return true
	})
	return keys
}

// keyOf is the container of an object.
func keyOf(object string) string {
	key, _, _ := strings.Cut(object, "/")
	return key
}

// dropForGood removes replaced states from the cache. What can't be mended any
// more must not come back, so their names are remembered over a restart.
func (e *Engine) dropForGood(objects []string) error {
	if len(objects) == 0 {
		return nil
	}
	err := e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		for _, object := range objects {
			if err := e.putRecord(tx, "gone", nameOf(object), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	for _, object := range objects {
		e.gone[nameOf(object)] = e.passes
	}
	e.mu.Unlock()
	for _, object := range objects {
		if err := e.o.Cache.Blobs().Remove(object); err != nil {
			return err
		}
	}
	return nil
}

// openGone reads the names of the replaced states whose copies were dropped.
func (e *Engine) openGone() error {
	return e.o.Cache.Records().Each("gone", func(name string, _ []byte) error {
		e.gone[name] = -1 // before the first look
		return nil
	})
}

// nameOf is an object's name within its container.
func nameOf(object string) string {
	_, name, _ := strings.Cut(object, "/")
	return name
}

// retainedObjects are the replacements of this device that wait to be seen once
// more, and what they keep.
func (e *Engine) retainedObjects() (map[string]bool, error) {
	waiting, err := e.replacements()
	kept := make(map[string]bool)
	for _, r := range waiting {
		kept[r.object] = true
		for _, old := range r.old {
			kept[old] = true
		}
	}
	return kept, err
}

// clarify fetches, while deletions wait for their purge, the chunks of which
// references alone can't tell whether they hold a message.
func (e *Engine) clarify(ctx context.Context) error {
	e.mu.Lock()
	contacts := slices.Sorted(maps.Keys(e.purges))
	e.mu.Unlock()
	for _, contact := range contacts {
		conversation := e.snapshot(contact)
		_, doubtful := conversation.Living(0)
		for _, i := range doubtful {
			chunk := &conversation.Chunks[i]
			for _, state := range chunk.States {
				if e.isHere(contact, chunk.Identifier, &state) {
					continue
				}
				if _, _, err := e.loadChunks(ctx, contact, []wanted{{chunk.Identifier, state}}); err != nil && !unusable(err) {
					return err
				}
			}
		}
	}
	return nil
}
