package engine

import (
	"sync"

	"github.com/dm3sync/dm3sync/internal/container"
)

// keysMost bounds how many keys are remembered of each kind.
const keysMost = 4096

// keys remembers the keys of conversations and chunks, each of which takes two hashes
// to work out: whoever goes through a catalogue asks for all of them. The zero value is
// ready; it is safe for concurrent use.
type keys struct {
	mu            sync.Mutex
	conversations map[string]container.Key
	chunks        map[chunkPlace]container.Key
}

type chunkPlace struct {
	contact    string
	identifier container.ChunkIdentifier
}

func (e *Engine) conversationKey(contact string) container.Key {
	e.keys.mu.Lock()
	defer e.keys.mu.Unlock()
	return e.conversationKeyLocked(contact)
}

// conversationKeyLocked is conversationKey. The caller holds keys.mu.
func (e *Engine) conversationKeyLocked(contact string) container.Key {
	return remembered(&e.keys.conversations, contact, func() container.Key { return container.ConversationKey(e.o.Root, contact) })
}

func (e *Engine) chunkKey(contact string, identifier container.ChunkIdentifier) container.Key {
	e.keys.mu.Lock()
	defer e.keys.mu.Unlock()
	return remembered(&e.keys.chunks, chunkPlace{contact, identifier}, func() container.Key {
		return container.ChunkKey(e.conversationKeyLocked(contact), identifier)
	})
}

// remembered looks a key up, or makes it. A map that is full begins anew.
func remembered[T comparable](known *map[T]container.Key, of T, derive func() container.Key) container.Key {
	if key, ok := (*known)[of]; ok {
		return key
	}
	key := derive()
	if *known == nil || len(*known) >= keysMost {
		*known = make(map[T]container.Key)
	}
	(*known)[of] = key
	return key
}
