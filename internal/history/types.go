// Package history is what programs see of an account's conversations: it
// appends envelopes from NDJSON text and hands out pages of messages.
//
// Import order: above the ground packages container and identity and the
// types of sync/engine; below internal/api and internal/agent.
package history

import (
	"context"
	"errors"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// MaxLine is the longest accepted line in bytes, without its line end. Longer
// lines are rejected and skipped; what follows them is still read.
const MaxLine = 32 << 20

// MaxRejections is how many rejections a [Summary] lists; all are counted.
const MaxRejections = 100

// Batches handed to the engine hold at most this much, so that memory is
// bounded by one batch and one line, however long the input.
const (
	batchItems = 512     // envelopes
	batchBytes = 1 << 20 // of canonical text
)

// Reasons for which one envelope is rejected while the rest goes on, beside
// those of package container. They appear in [Rejection].Reason.
var (
	ErrLineTooLong = errors.New("the line is longer than 32 MiB")
	ErrName        = errors.New("the name in \"from\" or \"to\" is no dm3 name: it can't be normalised")
	ErrNotOurs     = errors.New("neither \"from\" nor \"to\" is a name of this account (its name and aliases in the configuration)")
	ErrDocument    = errors.New("the rest of the document is not valid JSON")
)

// Engine is what History needs of [engine.Engine]. All methods must be safe for
// concurrent use.
type Engine interface {
	// Append returns after the items are durable in the journal. An error that
	// matches [engine.ErrTooLarge] means that at least one item is too large.
	Append(ctx context.Context, items ...engine.Item) error
	// Remove returns after the tombstones are durable in the journal.
	Remove(ctx context.Context, contact string, tombstones ...container.Tombstone) error
	// Hide hides a conversation or shows it again, durably.
	Hide(ctx context.Context, contact string, hidden bool) error
	// Conversations lists what is known locally.
	Conversations(ctx context.Context) ([]engine.Conversation, error)
	// Messages returns one range of one conversation.
	Messages(ctx context.Context, contact string, r engine.Range) (engine.Page, error)
	// Read returns one window of one conversation.
	Read(ctx context.Context, contact string, w engine.Window) (engine.Page, error)
	// Locate tells when a message was sent, where that is known without fetching.
	Locate(ctx context.Context, contact string, hash container.MessageHash) (timestamp int64, known bool, err error)
	// Stretches draws the time line of one conversation.
	Stretches(ctx context.Context, contact string) ([]engine.Stretch, error)
	// Fetch brings a range of one conversation to this device.
	Fetch(ctx context.Context, contact string, from, to int64, progress func(engine.Progress)) error
	// Changed returns a channel that is closed at the next change.
	Changed() <-chan struct{}
}

// ErrSelection is a deletion that does not say of what.
var ErrSelection = errors.New("the selection names no messages")

// AppendOptions says how lines are taken.
type AppendOptions struct {
	// Contact, when not empty, is the conversation that every envelope goes to;
	// else it is the other side of each envelope's "from" and "to".
	Contact string
	// Rejected, when not nil, is called for every rejected envelope with its
	// line (from 1), its text (valid during the call only; nil for a line that
	// was too long; in canonical form for one above the chunk limit) and the
	// reason. Its error ends the append.
	Rejected func(line int, text []byte, reason error) error
}

// Rejection says why one line was not taken. Reason is a sentence that holds
// nothing of the message.
type Rejection struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Summary is the result of an append. Accepted envelopes are durable.
type Summary struct {
	Accepted      int         `json:"accepted"`
	Rejected      int         `json:"rejected"`
	Rejections    []Rejection `json:"rejections,omitempty"` // the first 100
	Conversations int         `json:"conversations"`        // how many got something
}
