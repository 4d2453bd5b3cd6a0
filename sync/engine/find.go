package engine

import (
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// inUse finds the state that an object is, and its container, if the catalogue
// uses it.
func (e *Engine) inUse(object string) (kind container.Kind, key container.Key, found reconcile.State, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.find(object)
}

// find is inUse. The caller holds e.mu.
func (e *Engine) find(object string) (kind container.Kind, key container.Key, found reconcile.State, ok bool) {
	e.catalogue.States(func(contact string, identifier *container.ChunkIdentifier, state *reconcile.State) bool {
		if !strings.HasSuffix(object, "/"+state.Name) {
			return true
		}
		kind, key = e.locate(contact, identifier)
		found, ok = *state, string(key)+"/"+state.Name == object
		return !ok
	})
	return kind, key, found, ok
}

// locate names the container of a state as Catalogue.States yields it.
func (e *Engine) locate(contact string, identifier *container.ChunkIdentifier) (container.Kind, container.Key) {
	switch {
	case identifier != nil:
		return container.KindChunk, e.chunkKey(contact, *identifier)
	case contact != "":
		return container.KindConversation, e.conversationKey(contact)
	}
	return container.KindRoot, e.o.Root
}
