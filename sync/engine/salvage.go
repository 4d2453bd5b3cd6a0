package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// explained ends the problems of states that are gone and not missed any more.
func (e *Engine) explained(prefix string, states []reconcile.State, how string) {
	for _, state := range states {
		e.healed("missing", prefix+state.Name, how)
	}
}

// salvage saves what is left of states of a chunk that are gone for good: what
// they had replaced may be there again, after a place was rolled back, or still
// lie in the cache. A new state takes up what no state in use shows. When the
// base then misses nothing, and what there is can be all that those held which are
// gone, that state replaces them; else they stay named, for a device that holds a
// copy: of what it never read this device can't say that it is there.
func (e *Engine) salvage(ctx context.Context, out *outgoing, contact string, identifier container.ChunkIdentifier, left, gone []reconcile.State, spare []string) error {
	key := e.chunkKey(contact, identifier)
	base, err := e.base(key)
	if err != nil {
		return err
	}
	parts, err := e.remainsOf(ctx, key, gone, spare)
	if err != nil {
		return err
	}
	// Tombstones that only the lost states held would let removed messages back.
	removals := &container.Chunk{}
	for _, item := range base {
		if item.flags&knownTombstone != 0 {
			removals.Tombstones = append(removals.Tombstones, container.Tombstone{Hash: item.hash, Timestamp: item.timestamp})
		}
	}
	saved := container.UnionChunk(append(parts, removals)...)
	saved.Contact, saved.Identifier = contact, identifier
	shown := make(shownItems)
	for _, state := range left {
		chunk, _, err := e.chunkState(ctx, contact, identifier, state)
		if unusable(err) {
			continue // named already
		}
		if err != nil {
			return err
		}
		shown.add(chunk)
	}
	saved.Messages = slices.DeleteFunc(saved.Messages, func(m container.Envelope) bool { return shown.has(m.Hash) })
	saved.Tombstones = slices.DeleteFunc(saved.Tombstones, func(t container.Tombstone) bool { return shown.isRemoved(t.Hash) })
	if len(saved.Messages)+len(saved.Tombstones) == 0 {
		return nil
	}
	shown.add(saved)
	missed := slices.ContainsFunc(base, func(item known) bool {
		return !shown.isRemoved(item.hash) && (item.flags&knownTombstone != 0 || !shown.has(item.hash))
	})
	missed = missed || slices.ContainsFunc(gone, func(state reconcile.State) bool { return !shown.fills(&state) })
	var replaced []reconcile.State
	if len(base) > 0 && !missed {
		replaced = gone
		e.explained(string(key)+"/", gone, "what it held was found elsewhere and written anew")
	}
	out.written++
	e.touched[contact] = true
	return e.writeChunk(ctx, out, saved, replaced)
}

// shownItems are messages and tombstones that states show, by hash.
type shownItems map[container.MessageHash]known

// add takes the items of a state. Where a message and its tombstone stand, the
// tombstone counts.
func (s shownItems) add(chunk *container.Chunk) {
	for _, item := range itemsOf(chunk) { // tombstones last
		if have, there := s[item.hash]; !there || have.flags&knownTombstone == 0 {
			s[item.hash] = item
		}
	}
}

func (s shownItems) has(hash container.MessageHash) bool {
	_, there := s[hash]
	return there
}

// isRemoved tells whether the tombstone of a message is shown.
func (s shownItems) isRemoved(hash container.MessageHash) bool {
	return s[hash].flags&knownTombstone != 0
}

// fills tells whether these items can be all that a state held which this device
// never read: in its time there are as many, as many of them tombstones, and one at
// each end of it. As many alone may be others, of devices that wrote at that time.
func (s shownItems) fills(state *reconcile.State) bool {
	var items, tombstones int64
	first, last := false, false
	for _, item := range s {
		if item.timestamp < state.First || item.timestamp > state.Last {
			continue
		}
		items++
		if item.flags&knownTombstone != 0 {
			tombstones++
		}
		first, last = first || item.timestamp == state.First, last || item.timestamp == state.Last
	}
	return state.Items == 0 || first && last && items >= state.Items && tombstones >= state.Tombstones
}

// remainsOf opens what states that are gone had replaced, at the place and in
// the cache.
func (e *Engine) remainsOf(ctx context.Context, key container.Key, gone []reconcile.State, spare []string) (parts []*container.Chunk, err error) {
	for _, object := range spare {
		sealed, err := e.o.Store.Get(ctx, object)
		if err != nil && !absent(err) {
			return nil, fmt.Errorf("engine: read %s: %w", object, err)
		}
		if found, err := e.identify(key, sealed); err == nil && found.chunk != nil {
			parts = append(parts, found.chunk)
		}
	}
	waiting, err := e.replacements()
	if err != nil {
		return nil, err
	}
	for _, state := range gone {
		for _, name := range state.Replaces {
			parts = append(parts, e.retainedIn(key, string(key)+"/"+name)...)
		}
		for _, r := range waiting {
			if r.object != string(key)+"/"+state.Name {
				continue
			}
			for _, object := range r.old {
				parts = append(parts, e.retainedIn(key, object)...)
			}
		}
	}
	return parts, nil
}
