package history

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// How many messages Read returns when it is not told, and at most.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Errors of Read and Message, for errors.Is.
var (
	// ErrCursor is a cursor that was not returned by Read, or several ways of
	// asking at once.
	ErrCursor = errors.New("the cursor is not one that was given out; begin again without one")
	// ErrNoMessage is a message that the conversation does not have.
	ErrNoMessage = errors.New("the conversation has no such message")
)

// Cursor is a place between the messages of a conversation. It holds the
// timestamp and the hash of a message, and stays right when messages come on
// either side of it, early or late, and when its own message is deleted. It is
// text that needs no escaping in a URL, and means the same on all devices of the
// account. Empty is none.
type Cursor string

// ReadOptions say which messages Read returns: the ones next to Before (older) or
// After (newer), or those around a time (Around, Unix milliseconds; 0 is none),
// or else the newest ones. At most one of the three may be given.
type ReadOptions struct {
	Before, After Cursor
	Around        int64
	Limit         int  // 0 is DefaultLimit; at most MaxLimit
	Local         bool // only what is on this device: nothing is fetched, and Gaps says what was left out
}

// Slice is a part of a conversation, in the order of time. Older and Newer are
// for the next call, as Before and After; empty says that there is nothing
// further on that side now. A cursor that is not empty can still lead to a Slice
// without messages, when what was there was deleted. Begin and End stand at the
// first and the last message of the slice, empty when it has none: who waits for
// new messages asks for what is After the End, again and again.
//
// Of a Local read, Older and Newer lead to messages on this device; what was left
// out on the way is in Gaps.
type Slice struct {
	engine.Page
	Older, Newer Cursor
	Begin, End   Cursor
}

// cursorVersion begins each cursor.
const cursorVersion = 1

// cursorAt is the cursor of a position.
func cursorAt(at engine.Position) Cursor {
	raw := make([]byte, 0, 1+8+len(at.Hash))
	raw = append(raw, cursorVersion)
	raw = binary.BigEndian.AppendUint64(raw, uint64(at.Timestamp))
	return Cursor(base64.RawURLEncoding.EncodeToString(append(raw, at.Hash[:]...)))
}

// CursorOf is the cursor of a message: Before and After it are its neighbours.
func CursorOf(message *container.Envelope) Cursor { return cursorAt(engine.PositionOf(message)) }

// position reads a cursor; of none it is nil.
func (c Cursor) position() (*engine.Position, error) {
	if c == "" {
		return nil, nil
	}
	at := &engine.Position{}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(raw) != 1+8+len(at.Hash) || raw[0] != cursorVersion {
		return nil, ErrCursor
	}
	if at.Timestamp = int64(binary.BigEndian.Uint64(raw[1:])); at.Timestamp < 0 {
		return nil, ErrCursor
	}
	copy(at.Hash[:], raw[9:])
	return at, nil
}

// Read returns a part of the conversation with contact, which is normalised here.
// Of a contact without messages the Slice is empty. A contact that cannot be
// normalised is an error that matches [ErrName], a wrong cursor one that matches
// [ErrCursor]; others are the engine's.
func (h *History) Read(ctx context.Context, contact string, o ReadOptions) (Slice, error) {
	normal, err := identity.Normalize(contact)
	if err != nil || normal == "" {
		return Slice{}, fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	before, err := o.Before.position()
	if err != nil {
		return Slice{}, fmt.Errorf("history: reading a conversation: %w", err)
	}
	after, err := o.After.position()
	if err != nil {
		return Slice{}, fmt.Errorf("history: reading a conversation: %w", err)
	}
	if before != nil && after != nil || o.Around != 0 && (before != nil || after != nil) {
		return Slice{}, fmt.Errorf("history: reading a conversation: only one of before, after and around can be asked for: %w", ErrCursor)
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	o.Limit = min(o.Limit, MaxLimit)
	r := reader{ctx: ctx, history: h, contact: normal, local: o.Local}
	var slice Slice
	switch {
	case o.Around != 0:
		slice, err = r.around(max(o.Around, 0), o.Limit)
	case after != nil:
		slice, err = r.newer(after, o.Limit)
	default:
		slice, err = r.older(before, o.Limit)
	}
	if err != nil {
		return Slice{}, fmt.Errorf("history: reading a conversation: %w", err)
	}
	if n := len(slice.Messages); n > 0 {
		slice.Begin, slice.End = CursorOf(&slice.Messages[0]), CursorOf(&slice.Messages[n-1])
	}
	return slice, nil
}

// reader belongs to one call of Read.
type reader struct {
	ctx     context.Context // of the one call that it lives for
	history *History
	contact string
	local   bool
}

func (r *reader) read(w engine.Window) (engine.Page, error) {
	w.Local = r.local
	return r.history.engine.Read(r.ctx, r.contact, w)
}

// older reads what stands before a position, nil for the end. One message more
// than asked for tells whether there is more.
func (r *reader) older(before *engine.Position, limit int) (Slice, error) {
	page, err := r.read(engine.Window{Before: before, Last: limit + 1})
	slice := Slice{Page: page}
	if err != nil {
		return slice, err
	}
	if extra := len(page.Messages) - limit; extra > 0 {
		slice.Messages = page.Messages[extra:]
		slice.Older = CursorOf(&slice.Messages[0])
	}
	switch {
	case before == nil: // the newest are among them
	case len(slice.Messages) > 0:
		slice.Newer = CursorOf(&slice.Messages[len(slice.Messages)-1])
	default:
		slice.Newer = cursorAt(engine.Position{}) // from the begin on
	}
	return slice, nil
}

// newer reads what stands after a position.
func (r *reader) newer(after *engine.Position, limit int) (Slice, error) {
	page, err := r.read(engine.Window{After: after, First: limit + 1})
	slice := Slice{Page: page}
	if err != nil {
		return slice, err
	}
	if len(page.Messages) > limit {
		slice.Messages = page.Messages[:limit]
		slice.Newer = CursorOf(&slice.Messages[limit-1])
	}
	slice.Older = cursorAt(*after)
	if len(slice.Messages) > 0 {
		slice.Older = CursorOf(&slice.Messages[0])
	}
	return slice, nil
}

// around reads what stands on both sides of a time, half of it before where both
// sides have enough.
func (r *reader) around(at int64, limit int) (Slice, error) {
	late, err := r.read(engine.Window{From: at, First: limit + 1})
	if err != nil {
		return Slice{}, err
	}
	wanted := limit - min(len(late.Messages), limit-limit/2)
	early, err := r.read(engine.Window{Before: &engine.Position{Timestamp: at}, Last: wanted + 1})
	if err != nil {
		return Slice{}, err
	}
	slice := Slice{Page: joined(&early, &late)}
	earlier := len(early.Messages)
	if earlier > wanted {
		early.Messages = early.Messages[earlier-wanted:]
	}
	later := min(len(late.Messages), limit-len(early.Messages))
	slice.Messages = append(early.Messages[:len(early.Messages):len(early.Messages)], late.Messages[:later]...)
	if n := len(slice.Messages); n > 0 && earlier > wanted {
		slice.Older = CursorOf(&slice.Messages[0])
	}
	if n := len(slice.Messages); n > 0 && later < len(late.Messages) {
		slice.Newer = CursorOf(&slice.Messages[n-1])
	}
	return slice, nil
}

// joined unites what two pages say beside their messages.
func joined(a, b *engine.Page) engine.Page {
	page := engine.Page{Provisional: a.Provisional || b.Provisional, Fetched: a.Fetched + b.Fetched}
	page.Reasons = append(page.Reasons, a.Reasons...)
	for _, reason := range b.Reasons {
		if !slices.Contains(page.Reasons, reason) {
			page.Reasons = append(page.Reasons, reason)
		}
	}
	page.Gaps = append(page.Gaps, a.Gaps...)
	for _, gap := range b.Gaps {
		if !slices.Contains(page.Gaps, gap) {
			page.Gaps = append(page.Gaps, gap)
		}
	}
	return page
}

// Stretches draws the time line of the conversation with contact, which is
// normalised here, as [engine.Engine.Stretches] does.
func (h *History) Stretches(ctx context.Context, contact string) ([]engine.Stretch, error) {
	normal, err := identity.Normalize(contact)
	if err != nil || normal == "" {
		return nil, fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	return h.engine.Stretches(ctx, normal)
}

// Fetch brings a range of the conversation with contact, which is normalised
// here, to this device, as [engine.Engine.Fetch] does.
func (h *History) Fetch(ctx context.Context, contact string, from, to int64, progress func(engine.Progress)) error {
	normal, err := identity.Normalize(contact)
	if err != nil || normal == "" {
		return fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	return h.engine.Fetch(ctx, normal, from, to, progress)
}
