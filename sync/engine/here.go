package engine

import (
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// What this device holds of a conversation, without a question to any place.

// isHere tells whether the cache holds a state.
func (e *Engine) isHere(contact string, identifier container.ChunkIdentifier, state *reconcile.State) bool {
	return e.o.Cache.Blobs().Has(e.objectOf(contact, identifier, state))
}

// objectOf names the object that holds a state: its own, or the head that
// carries it.
func (e *Engine) objectOf(contact string, identifier container.ChunkIdentifier, state *reconcile.State) string {
	if state.Inline() {
		return e.headObject(state.Head)
	}
	return string(e.chunkKey(contact, identifier)) + "/" + state.Name
}

// readHere loads a state of a chunk from what is here. What is not here, or not
// as it should be, is not read.
func (e *Engine) readHere(contact string, want wanted) (*container.Chunk, bool) {
	plain, ok := e.plainHere(contact, want)
	if !ok {
		return nil, false
	}
	chunk, err := container.DecodeChunk(plain)
	if err != nil || !want.state.Inline() && !describes(want.state, chunk) {
		return nil, false
	}
	if chunk.Contact != "" && (chunk.Contact != contact || chunk.Identifier != want.identifier) {
		return nil, false
	}
	chunk.Contact, chunk.Identifier = contact, want.identifier
	return chunk, true
}

func (e *Engine) plainHere(contact string, want wanted) (plain []byte, ok bool) {
	var err error
	if want.state.Inline() {
		body, there := e.bodiesHere(want.state.Head)[want.state.Name]
		if !there {
			return nil, false
		}
		plain, err = e.o.Sealer.OpenBody(nil, body)
		return plain, err == nil
	}
	key := e.chunkKey(contact, want.identifier)
	sealed, there := e.o.Cache.Blobs().Get(string(key) + "/" + want.state.Name)
	if !there {
		return nil, false
	}
	plain, err = e.o.Sealer.Open(nil, container.KindChunk, key, sealed)
	return plain, err == nil && int64(len(plain)) == want.state.Size
}

// bodiesHere are the bodies of a head that is here, by state.
func (e *Engine) bodiesHere(name string) map[string][]byte {
	if bodies, kept := e.recentBodies(name); kept {
		return bodies
	}
	sealed, there := e.o.Cache.Blobs().Get(e.headObject(name))
	if !there {
		return nil
	}
	head, err := e.openHead(sealed)
	if err != nil {
		return nil
	}
	return e.keepBodies(name, head)
}
