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
// base then misses nothing, that state replaces those that are gone; else they
// stay named, for a device that holds a copy.
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
	messages, tombstones := make(map[container.MessageHash]bool), make(map[container.MessageHash]bool)
	see := func(chunk *container.Chunk) {
		for i := range chunk.Messages {
			messages[chunk.Messages[i].Hash] = true
		}
		for _, tombstone := range chunk.Tombstones {
			tombstones[tombstone.Hash] = true
		}
	}
	for _, state := range left {
		chunk, _, err := e.chunkState(ctx, contact, identifier, state)
		if unusable(err) {
			continue // named already
		}
		if err != nil {
			return err
		}
		see(chunk)
	}
	saved.Messages = slices.DeleteFunc(saved.Messages, func(m container.Envelope) bool { return messages[m.Hash] || tombstones[m.Hash] })
	saved.Tombstones = slices.DeleteFunc(saved.Tombstones, func(t container.Tombstone) bool { return tombstones[t.Hash] })
	if len(saved.Messages)+len(saved.Tombstones) == 0 {
		return nil
	}
	see(saved)
	missed := slices.ContainsFunc(base, func(item known) bool {
		return !tombstones[item.hash] && (item.flags&knownTombstone != 0 || !messages[item.hash])
	})
	var replaced []reconcile.State
	if len(base) > 0 && !missed {
		replaced = gone
		e.explained(string(key)+"/", gone, "what it held was found elsewhere and written anew")
	}
	out.written++
	e.touched[contact] = true
	return e.writeChunk(ctx, out, saved, replaced)
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
