package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// fetchNeighbours fetches, in the background, the chunks before and after the
// ones that a range met: who reads a week reads the next one soon. One such
// fetch runs at a time; a further one is left out. It ends with the engine.
func (e *Engine) fetchNeighbours(contact string, r Range) {
	conversation := e.snapshot(contact)
	if e.o.Neighbours == 0 || conversation == nil || !e.ahead.TryLock() {
		return
	}
	extents := conversation.Extents()
	first, last := reconcile.Covering(extents, r.From), reconcile.Covering(extents, r.To-1)
	if first < 0 || last < 0 || !e.begin() {
		e.ahead.Unlock()
		return
	}
	go func() {
		defer e.background.Done()
		defer e.ahead.Unlock()
		for step := 1; step <= e.o.Neighbours; step++ {
			for _, i := range []int{first - step, last + step} {
				if i < 0 || i >= len(conversation.Chunks) {
					continue
				}
				chunk := conversation.Chunks[i]
				for _, state := range chunk.States {
					if _, _, err := e.loadChunks(e.stopped, contact, []wanted{{chunk.Identifier, state}}); err != nil {
						e.o.Log.Debug("fetching ahead ended early", "error", err)
						return
					}
				}
			}
		}
	}()
}

// warm fetches recent chunks ahead, newest first, up to the bytes asked for,
// so that what a person reads next is there.
func (e *Engine) warm(ctx context.Context) error {
	if e.o.Warm == 0 {
		return nil
	}
	type ahead struct {
		contact string
		wanted
	}
	var list []ahead
	e.mu.Lock()
	for contact, conversation := range e.catalogue.Conversations {
		if n := len(conversation.Chunks); n > 0 {
			for _, state := range conversation.Chunks[n-1].States {
				list = append(list, ahead{contact, wanted{conversation.Chunks[n-1].Identifier, state}})
			}
		}
	}
	e.mu.Unlock()
	slices.SortFunc(list, func(a, b ahead) int { return cmp.Compare(b.state.Last, a.state.Last) })
	budget := e.o.Warm
	for _, want := range list {
		if budget -= want.state.Size; budget < 0 {
			return nil
		}
		if want.state.Inline() || e.o.Cache.Blobs().Has(string(e.chunkKey(want.contact, want.identifier))+"/"+want.state.Name) {
			continue
		}
		if _, _, err := e.loadChunks(ctx, want.contact, []wanted{want.wanted}); err != nil {
			if unusable(err) {
				continue // named in the status; the rest is still worth having
			}
			return err
		}
	}
	return nil
}
