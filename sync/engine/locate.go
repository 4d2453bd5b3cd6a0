package engine

import (
	"context"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Locate tells when a message of a conversation was sent (Unix milliseconds), by
// what this device remembers of what it wrote and read: nothing is fetched. That
// a message is not known does not say that there is none.
func (e *Engine) Locate(ctx context.Context, contact string, hash container.MessageHash) (timestamp int64, known bool, err error) {
	conversation := e.snapshot(contact)
	if conversation == nil {
		return 0, false, nil
	}
	for i := len(conversation.Chunks) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		items, err := e.base(e.chunkKey(contact, conversation.Chunks[i].Identifier))
		if err != nil {
			return 0, false, err
		}
		if at, found := findKnown(items, hash); found {
			return items[at].timestamp, true, nil
		}
	}
	return 0, false, nil
}
