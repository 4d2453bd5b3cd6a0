package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// NotesType is the type of the messages in the conversation [NotesContact].
const NotesType = "dm3sync/notes"

// HaltedNote is a note there: where a message lies that was not delivered, so that it can
// be found without reading everything. Whether it still is halted, [Notes] of the message
// itself say.
type HaltedNote struct {
	Contact string  `json:"contact"` // normalised
	Halted  *Halted `json:"halted,omitempty"`
}

// Halted names a message of a conversation.
type Halted struct {
	Hash      container.MessageHash `json:"hash"`
	Timestamp int64                 `json:"timestamp"` // of the message, Unix milliseconds
}

// MarkHalted returns the envelope with a note that its message was not delivered yet, or
// was at last. The latter counts wherever both meet.
func MarkHalted(e container.Envelope, halted bool) (container.Envelope, error) {
	notes := ReadNotes(e)
	notes.Halted = &halted
	return Annotate(e, notes)
}

// IsHalted tells whether an envelope is marked as not delivered yet.
func IsHalted(e container.Envelope) bool {
	halted := ReadNotes(e).Halted
	return halted != nil && *halted
}

// NoteLine returns a line to append to the conversation [NotesContact]: text, any JSON, as
// a message of a type of our own. from is the account's name and at the message's time in
// Unix milliseconds. It is signed as every message is, so that a reader may tell whose it
// is. Equal arguments give equal lines.
func NoteLine(profile identity.Profile, from string, at int64, text []byte) ([]byte, error) {
	type metadata struct {
		From      string `json:"from"`
		Timestamp int64  `json:"timestamp"`
		To        string `json:"to"`
		Type      string `json:"type"`
	}
	type message struct {
		Message   string   `json:"message"`
		Metadata  metadata `json:"metadata"`
		Signature string   `json:"signature,omitempty"`
	}
	m := message{Message: string(text), Metadata: metadata{from, at, NotesContact, NotesType}}
	unsigned, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("bridge: writing a note: %w", err)
	}
	canonical, err := container.Canonical(nil, unsigned)
	if err != nil {
		return nil, fmt.Errorf("bridge: writing a note: %w", err)
	}
	m.Signature = profile.Sign(string(canonical))
	line, err := json.Marshal(struct {
		Message message `json:"message"`
	}{m})
	if err != nil {
		return nil, fmt.Errorf("bridge: writing a note: %w", err)
	}
	return line, nil
}

// noteHalted notes where the halted among items lie; refused are those that did not come
// into the tree, by index. A note bears the time of its message, so that every device
// that reads the node writes the same one.
func (b *Bridge) noteHalted(ctx context.Context, items []takenRecord, refused map[int]error) error {
	var lines bytes.Buffer
	for i, item := range items {
		if refused[i] != nil || item.notes.Halted == nil || !*item.notes.Halted {
			continue
		}
		text, err := json.Marshal(HaltedNote{item.contact, &Halted{item.envelope.Hash, item.envelope.Timestamp}})
		if err != nil {
			return fmt.Errorf("bridge: writing a note: %w", err)
		}
		line, err := NoteLine(b.options.Profile, b.codec.Account(), item.envelope.Timestamp, text)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	if lines.Len() == 0 {
		return nil
	}
	var reason error
	summary, err := b.options.Tree.Append(ctx, &lines, history.AppendOptions{Contact: NotesContact, Rejected: func(_ int, _ []byte, err error) error {
		reason = err
		return nil
	}})
	if err == nil && summary.Rejected > 0 {
		err = reason
	}
	if err != nil {
		return fmt.Errorf("bridge: noting what is halted: %w", err)
	}
	return b.hideNotes(ctx)
}

// hideNotes hides the notes from other clients of the tree.
func (b *Bridge) hideNotes(ctx context.Context) error {
	conversations, err := b.options.Tree.Conversations(ctx)
	if err != nil {
		return fmt.Errorf("bridge: noting what is halted: %w", err)
	}
	if !slices.ContainsFunc(conversations, func(c engine.Conversation) bool { return c.Contact == NotesContact && !c.Hidden }) {
		return nil
	}
	if err := b.options.Tree.Hide(ctx, NotesContact, true); err != nil {
		return fmt.Errorf("bridge: hiding the notes: %w", err)
	}
	return nil
}
