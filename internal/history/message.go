package history

import (
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Message returns one message of the conversation with contact, which is
// normalised here. Where this device can't tell in which part of the
// conversation it stands, all parts are read, those that are here first. It fails
// with an error that matches [ErrName] or [ErrNoMessage]; others are the
// engine's. When parts could not be read, the error says so instead.
func (h *History) Message(ctx context.Context, contact string, hash container.MessageHash) (container.Envelope, error) {
	normal, err := identity.Normalize(contact)
	if err != nil || normal == "" {
		return container.Envelope{}, fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	s := seeker{history: h, contact: normal, hash: hash}
	found, err := s.find(ctx)
	if err != nil {
		return container.Envelope{}, fmt.Errorf("history: reading a message: %w", err)
	}
	return found, nil
}

// seeker belongs to one call of Message.
type seeker struct {
	history *History
	contact string
	hash    container.MessageHash
}

// find looks where the message is known to stand, then at all that is here, and
// then at all.
func (s *seeker) find(ctx context.Context) (container.Envelope, error) {
	timestamp, known, err := s.history.engine.Locate(ctx, s.contact, s.hash)
	if err != nil {
		return container.Envelope{}, err
	}
	if known {
		page, err := s.history.engine.Read(ctx, s.contact, engine.Window{From: timestamp, To: timestamp + 1})
		if err != nil {
			return container.Envelope{}, err
		}
		if at := s.in(page.Messages); at >= 0 {
			return page.Messages[at], nil
		}
		if !page.Provisional {
			return container.Envelope{}, ErrNoMessage // it was deleted
		}
	}
	found, here, err := s.walk(ctx, true)
	if err != nil || here || found != nil {
		return s.result(found, err)
	}
	found, _, err = s.walk(ctx, false)
	return s.result(found, err)
}

func (s *seeker) result(found *container.Envelope, err error) (container.Envelope, error) {
	switch {
	case err != nil:
		return container.Envelope{}, err
	case found == nil:
		return container.Envelope{}, ErrNoMessage
	}
	return *found, nil
}

func (s *seeker) in(messages []container.Envelope) int {
	return slices.IndexFunc(messages, func(m container.Envelope) bool { return m.Hash == s.hash })
}

// walk goes from the newest messages to the oldest. whole tells that no part was
// left out.
func (s *seeker) walk(ctx context.Context, local bool) (found *container.Envelope, whole bool, err error) {
	whole = true
	var before *engine.Position
	for {
		page, err := s.history.engine.Read(ctx, s.contact, engine.Window{Before: before, Last: pageMessages, Local: local})
		if err != nil {
			return nil, false, err
		}
		if at := s.in(page.Messages); at >= 0 {
			return &page.Messages[at], true, nil
		}
		whole = whole && len(page.Gaps) == 0
		if len(page.Messages) < pageMessages {
			return nil, whole, nil
		}
		at := engine.PositionOf(&page.Messages[0])
		before = &at
	}
}
