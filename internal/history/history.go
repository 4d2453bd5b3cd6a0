package history

import (
	"context"
	"fmt"
	"sync"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// maxNames bounds the table of normalised names; a full table is emptied.
const maxNames = 4096

// History is one account's conversations. Its methods are safe for concurrent
// use.
type History struct {
	engine Engine
	own    map[string]struct{}

	mu    sync.RWMutex
	names map[string]string // as given -> normalised
}

// New returns the history behind e for the account whose normalised names, its
// own and its aliases, are names.
func New(e Engine, names []string) *History {
	h := &History{engine: e, own: make(map[string]struct{}, len(names)), names: make(map[string]string)}
	for _, name := range names {
		h.own[name] = struct{}{}
	}
	return h
}

// Conversations lists what is known locally.
func (h *History) Conversations(ctx context.Context) ([]engine.Conversation, error) {
	return h.engine.Conversations(ctx)
}

// Page returns a range of the conversation with contact, which is normalised
// here. A contact that cannot be normalised is an error that matches [ErrName].
func (h *History) Page(ctx context.Context, contact string, r engine.Range) (engine.Page, error) {
	normal, err := identity.Normalize(contact)
	if err != nil {
		return engine.Page{}, fmt.Errorf("history: reading the contact: %w: %w", ErrName, err)
	}
	return h.engine.Messages(ctx, normal, r)
}

// Changed returns a channel that is closed when something new was appended or
// pulled after the call.
func (h *History) Changed() <-chan struct{} { return h.engine.Changed() }

// AppendOne appends a single envelope and returns when it is durable. What is
// wrong with the text or its names is told by the sentinels of this package and
// of container; other errors are the engine's.
func (h *History) AppendOne(ctx context.Context, text []byte, contact string) error {
	contact, err := h.optionalContact(contact)
	if err != nil {
		return err
	}
	item, err := h.item(text, contact)
	if err != nil {
		return err
	}
	return h.engine.Append(ctx, item)
}

// item reads one envelope and finds its conversation.
func (h *History) item(text []byte, contact string) (engine.Item, error) {
	envelope, parties, err := container.ParseEnvelope(text)
	if err != nil {
		return engine.Item{}, err
	}
	if contact == "" {
		if contact, err = h.contact(parties); err != nil {
			return engine.Item{}, err
		}
	}
	return engine.Item{Contact: contact, Envelope: envelope}, nil
}

// contact is the side of a message that is not ours; of a note to oneself, the
// name that it was sent to.
func (h *History) contact(p container.Parties) (string, error) {
	from, fromErr := h.normalize(p.From)
	to, toErr := h.normalize(p.To)
	if _, ours := h.own[from]; ours && fromErr == nil {
		return to, toErr
	}
	if _, ours := h.own[to]; ours && toErr == nil {
		return from, fromErr
	}
	if fromErr != nil || toErr != nil {
		return "", ErrName // which may be the one that is ours
	}
	return "", ErrNotOurs
}

// normalize is identity.Normalize behind a bounded table.
func (h *History) normalize(name string) (string, error) {
	h.mu.RLock()
	normal, known := h.names[name]
	h.mu.RUnlock()
	if known {
		return normal, nil
	}
	normal, err := identity.Normalize(name)
	if err != nil || normal == "" {
		return "", ErrName // the reason would not help, and the name is private
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.names) >= maxNames {
		clear(h.names)
	}
	h.names[name] = normal
	return normal, nil
}

// optionalContact normalises a contact unless it is empty.
func (h *History) optionalContact(contact string) (string, error) {
	if contact == "" {
		return "", nil
	}
	normal, err := identity.Normalize(contact)
	if err != nil {
		return "", fmt.Errorf("history: reading the contact: %w: %w", ErrName, err)
	}
	return normal, nil
}
