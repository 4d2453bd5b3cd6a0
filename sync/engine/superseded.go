package engine

import (
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// superseded tells whether all that a state holds is in the tree besides: its
// items in the bases of the chunks that cover them, its identifiers and names
// in the catalogue.
func (e *Engine) superseded(found identified) bool {
	switch {
	case found.chunk != nil:
		return e.inBase(found.contact, found.chunk)
	case found.list != nil:
		conversation := e.snapshot(found.contact)
		return !slices.ContainsFunc(found.list.Chunks, func(identifier container.ChunkIdentifier) bool {
			return conversation.Chunk(identifier) == nil
		})
	}
	contacts := e.contacts()
	return !slices.ContainsFunc(found.root.Names, func(name string) bool { return !slices.Contains(contacts, name) })
}

// inBase tells whether this device saw every item of a state in the chunk that
// covers it.
func (e *Engine) inBase(contact string, chunk *container.Chunk) bool {
	extents := e.extents(contact)
	bases := make(map[int][]known)
	for _, item := range itemsOf(chunk) {
		at := reconcile.Covering(extents, item.timestamp)
		if at < 0 {
			return false
		}
		if _, read := bases[at]; !read {
			base, err := e.base(e.chunkKey(contact, extents[at].Identifier))
			if err != nil {
				return false
			}
			bases[at] = base
		}
		if !contains(bases[at], item) {
			return false
		}
	}
	return true
}
