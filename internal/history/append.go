package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Append takes NDJSON, one envelope a line, and returns when every accepted one
// is durable. Blank lines are skipped; a bad line is rejected and counted, and
// nothing else suffers. An error is r's, the context's or the engine's (disk or
// journal full); what the summary then calls accepted is durable nevertheless.
// Memory is bounded by one batch and one line.
func (h *History) Append(ctx context.Context, r io.Reader, o AppendOptions) (Summary, error) {
	a, err := h.appender(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	lines := newLineReader(r)
	for {
		text, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return a.finish(nil)
		case errors.Is(err, ErrLineTooLong):
			err = a.reject(lines.number, nil, err)
		case err != nil:
			err = fmt.Errorf("history: reading line %d: %w", lines.number+1, err)
		default:
			err = a.take(lines.number, text)
		}
		if err != nil {
			return a.finish(err)
		}
	}
}

// AppendDocument takes JSON text of another shape: envelopes one after the
// other, over any number of lines, or arrays of them. The number of an envelope
// takes the place of the line. Text that is not JSON is rejected from there to
// the end. Memory is bounded by the largest value, so callers bound r.
func (h *History) AppendDocument(ctx context.Context, r io.Reader, o AppendOptions) (Summary, error) {
	a, err := h.appender(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	decoder := json.NewDecoder(r)
	for number := 1; ; {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return a.finish(nil)
		}
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			return a.finish(a.reject(number, nil, ErrDocument))
		}
		if err != nil {
			return a.finish(fmt.Errorf("history: reading document: %w", err))
		}
		for _, text := range elements(value) {
			if err := a.take(number, text); err != nil {
				return a.finish(err)
			}
			number++
		}
	}
}

// elements are the members of an array, and else the value itself.
func elements(value json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) && json.Unmarshal(value, &list) == nil {
		return list
	}
	return []json.RawMessage{value}
}

// appender gathers envelopes to batches. It belongs to one call.
type appender struct {
	ctx     context.Context // of the one call that it lives for
	history *History
	options AppendOptions
	summary Summary

	items []engine.Item
	lines []int // of items
	bytes int

	seed     maphash.Seed
	contacts map[uint64]struct{} // hashes of the conversations that got something
}

func (h *History) appender(ctx context.Context, o AppendOptions) (*appender, error) {
	contact, err := h.optionalContact(o.Contact)
	if err != nil {
		return nil, err
	}
	o.Contact = contact
	return &appender{
		ctx: ctx, history: h, options: o,
		seed: maphash.MakeSeed(), contacts: make(map[uint64]struct{}),
	}, nil
}

// take adds one envelope to the batch, or rejects it.
func (a *appender) take(line int, text []byte) error {
	item, err := a.history.item(text, a.options.Contact)
	if err != nil {
		return a.reject(line, text, err)
	}
	a.items = append(a.items, item)
	a.lines = append(a.lines, line)
	a.bytes += len(item.Envelope.JSON)
	if len(a.items) < batchItems && a.bytes < batchBytes {
		return nil
	}
	return a.flush()
}

func (a *appender) finish(err error) (Summary, error) {
	if err == nil {
		err = a.flush()
	}
	a.summary.Conversations = len(a.contacts)
	return a.summary, err
}

// flush makes the batch durable.
func (a *appender) flush() error {
	err := a.store(a.items, a.lines)
	clear(a.items) // lets go of the texts
	a.items, a.lines, a.bytes = a.items[:0], a.lines[:0], 0
	return err
}

// store appends items. The engine refuses a batch as a whole when one of it is
// too large, so halves are tried until the large ones stand alone. Should the
// engine have kept some nevertheless, taking them twice is harmless.
func (a *appender) store(items []engine.Item, lines []int) error {
	if len(items) == 0 {
		return nil
	}
	err := a.history.engine.Append(a.ctx, items...)
	switch {
	case err == nil:
		a.accept(items)
		return nil
	case !errors.Is(err, engine.ErrTooLarge):
		return fmt.Errorf("history: appending: %w", err)
	case len(items) == 1:
		return a.reject(lines[0], items[0].Envelope.JSON, err)
	}
	half := len(items) / 2
	if err := a.store(items[:half], lines[:half]); err != nil {
		return err
	}
	return a.store(items[half:], lines[half:])
}

func (a *appender) accept(items []engine.Item) {
	a.summary.Accepted += len(items)
	for i := range items {
		a.contacts[maphash.String(a.seed, items[i].Contact)] = struct{}{}
	}
}

func (a *appender) reject(line int, text []byte, reason error) error {
	a.summary.Rejected++
	if len(a.summary.Rejections) < MaxRejections {
		a.summary.Rejections = append(a.summary.Rejections, Rejection{Line: line, Reason: display.Reason(reason.Error())})
	}
	if a.options.Rejected == nil {
		return nil
	}
	if err := a.options.Rejected(line, text, reason); err != nil {
		return fmt.Errorf("history: handing on rejected line %d: %w", line, err)
	}
	return nil
}
