package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// fetchNeighbours fetches, in the background, the chunks before and after the
// ones that a range met, as far as they are not here: who reads a week reads the
// next one soon. One such fetch runs at a time; a further one is left out. It ends
// with the engine.
func (e *Engine) fetchNeighbours(contact string, r Range) {
	if e.o.Neighbours == 0 || !e.ahead.TryLock() {
		return
	}
	list := e.neighbours(contact, r)
	if len(list) == 0 || !e.begin() {
		e.ahead.Unlock()
		return
	}
	go func() {
		defer e.background.Done()
		defer e.ahead.Unlock()
		for _, want := range list {
			if _, _, err := e.loadChunks(e.stopped, contact, []wanted{want}); err != nil {
				e.o.Log.Debug("fetching ahead ended early", "error", err)
				return
			}
		}
	}()
}

// neighbours lists the states to be fetched ahead, the nearest first.
func (e *Engine) neighbours(contact string, r Range) (list []wanted) {
	conversation := e.snapshot(contact)
	extents := conversation.Extents()
	first, last := reconcile.Covering(extents, r.From), reconcile.Covering(extents, r.To-1)
	if first < 0 || last < 0 {
		return nil
	}
	for step := 1; step <= e.o.Neighbours; step++ {
		for _, i := range []int{first - step, last + step} {
			if i < 0 || i >= len(conversation.Chunks) {
				continue
			}
			chunk := conversation.Chunks[i]
			for _, state := range chunk.States {
				if !e.isHere(contact, chunk.Identifier, &state) {
					list = append(list, wanted{chunk.Identifier, state})
				}
			}
		}
	}
	return list
}

// warm fetches recent chunks ahead, newest first, up to the bytes asked for,
// so that what a person reads next is there.
func (e *Engine) warm(ctx context.Context) error {
	if e.o.Warm == 0 || e.o.Frugal != nil && e.o.Frugal() {
		return nil
	}
	type ahead struct { // far smaller than a state, of which a large account has many
		contact, name string
		identifier    container.ChunkIdentifier
		last, size    int64
		inline        bool
	}
	var list []ahead
	e.mu.Lock()
	for contact, conversation := range e.catalogue.Conversations {
		if n := len(conversation.Chunks); n > 0 {
			chunk := &conversation.Chunks[n-1]
			for i := range chunk.States {
				state := &chunk.States[i]
				list = append(list, ahead{contact, state.Name, chunk.Identifier, state.Last, state.Size, state.Inline()})
			}
		}
	}
	e.mu.Unlock()
	slices.SortFunc(list, func(a, b ahead) int { return cmp.Compare(b.last, a.last) })
	budget := e.o.Warm
	for _, want := range list {
		if budget -= want.size; budget < 0 {
			return nil
		}
		if want.inline || e.o.Cache.Blobs().Has(string(e.chunkKey(want.contact, want.identifier))+"/"+want.name) {
			continue
		}
		state, used := e.stateNamed(want.contact, want.identifier, want.name)
		if !used {
			continue
		}
		if _, _, err := e.loadChunks(ctx, want.contact, []wanted{{want.identifier, state}}); err != nil {
			if unusable(err) {
				continue // named in the status; the rest is still worth having
			}
			return err
		}
	}
	return nil
}

// stateNamed finds a state of a chunk, unless another one took its place.
func (e *Engine) stateNamed(contact string, identifier container.ChunkIdentifier, name string) (state reconcile.State, used bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	conversation := e.catalogue.Conversations[contact]
	if conversation == nil {
		return state, false
	}
	for i := range conversation.Chunks {
		if chunk := &conversation.Chunks[i]; chunk.Identifier == identifier {
			for j := range chunk.States {
				if chunk.States[j].Name == name {
					return chunk.States[j], true
				}
			}
		}
	}
	return state, false
}
