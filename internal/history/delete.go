package history

import (
	"context"
	"fmt"
	"math"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// pageMessages is how many messages are looked at together: with the chunks that
// hold them they bound the memory of a deletion.
const pageMessages = 512

// Selection names messages of one conversation: those with the given Hashes, or,
// without any, those From up to, not including, To (Unix milliseconds, To 0 is no
// end), or All.
type Selection struct {
	Contact string                  `json:"contact"`
	Hashes  []container.MessageHash `json:"hashes,omitempty"`
	From    int64                   `json:"from,omitempty"`
	To      int64                   `json:"to,omitempty"`
	All     bool                    `json:"all,omitempty"`
	// DryRun counts and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Deletion says what was deleted, or would be: how many messages, and the
// timestamps (milliseconds) of the first and the last of them. Unknown are the
// hashes that no message has; then nothing is deleted. It is Provisional, with
// the Reasons, when messages could not be read, and so neither counted nor
// deleted.
type Deletion struct {
	Messages    int                     `json:"messages"`
	First       int64                   `json:"first"`
	Last        int64                   `json:"last"`
	Unknown     []container.MessageHash `json:"unknown,omitempty"`
	Provisional bool                    `json:"provisional,omitempty"`
	Reasons     []string                `json:"reasons,omitempty"`
}

// Delete deletes messages for ever, on all devices. It is durable when it
// returns; after an error, what had been deleted before it stays so. Memory is
// bounded by a page of messages and the hashes that were named. A contact that
// cannot be normalised is an error that matches [ErrName], a selection that names
// nothing one that matches [ErrSelection].
func (h *History) Delete(ctx context.Context, s Selection) (Deletion, error) {
	contact, err := identity.Normalize(s.Contact)
	if err != nil || contact == "" {
		return Deletion{}, fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	if len(s.Hashes) == 0 && s.From == 0 && s.To == 0 && !s.All {
		return Deletion{}, fmt.Errorf("history: deleting: %w", ErrSelection)
	}
	s.Contact = contact
	d := &deleter{ctx: ctx, history: h, selection: s, wanted: make(map[container.MessageHash]bool)}
	for _, hash := range s.Hashes {
		d.wanted[hash] = true
	}
	if err := d.pages(); err != nil {
		return d.result, fmt.Errorf("history: deleting: %w", err)
	}
	for _, hash := range s.Hashes {
		if d.wanted[hash] {
			d.result.Unknown = append(d.result.Unknown, hash)
		}
	}
	if len(d.found) == 0 || len(d.result.Unknown) > 0 || s.DryRun {
		return d.result, nil
	}
	if err := h.engine.Remove(ctx, contact, d.found...); err != nil {
		return d.result, fmt.Errorf("history: deleting: %w", err)
	}
	return d.result, nil
}

// Hide hides (true) the conversation with contact, which is normalised here, on
// all devices, or shows it again. It is durable when it returns.
func (h *History) Hide(ctx context.Context, contact string, hidden bool) error {
	normal, err := identity.Normalize(contact)
	if err != nil || normal == "" {
		return fmt.Errorf("history: reading the contact: %w", ErrName)
	}
	return h.engine.Hide(ctx, normal, hidden)
}

// deleter belongs to one call of Delete.
type deleter struct {
	ctx       context.Context // of the one call that it lives for
	history   *History
	selection Selection
	result    Deletion
	wanted    map[container.MessageHash]bool // hashes not found yet
	found     []container.Tombstone          // of the wanted ones
}

// pages goes from the newest page of the range to the oldest. Pages overlap in
// one timestamp, since a page may end between messages of the same one.
func (d *deleter) pages() error {
	to, last := d.selection.To, pageMessages
	if to == 0 {
		to = math.MaxInt64
	}
	seen := make(map[container.MessageHash]bool)
	for {
		page, err := d.history.engine.Messages(d.ctx, d.selection.Contact, engine.Range{From: d.selection.From, To: to, Last: last})
		if err != nil {
			return err
		}
		if page.Provisional && !d.result.Provisional {
			d.result.Provisional, d.result.Reasons = true, page.Reasons
		}
		fresh, err := d.take(page.Messages, seen)
		switch {
		case err != nil:
			return err
		case len(page.Messages) < last || d.done():
			return nil
		case !fresh:
			last *= 2 // more messages of one timestamp than a page holds
			continue
		}
		first := page.Messages[0].Timestamp
		if first+1 != to {
			clear(seen)
		}
		for i := range page.Messages {
			if page.Messages[i].Timestamp == first {
				seen[page.Messages[i].Hash] = true
			}
		}
		to, last = first+1, pageMessages
	}
}

// done tells whether there are hashes to look for and all are found.
func (d *deleter) done() bool { return len(d.selection.Hashes) > 0 && len(d.wanted) == 0 }

// take deletes the selected messages of a page, or keeps those that a hash names
// for the end. fresh tells whether any message was not seen before.
func (d *deleter) take(messages []container.Envelope, seen map[container.MessageHash]bool) (fresh bool, err error) {
	var tombstones []container.Tombstone
	for i := range messages {
		message := &messages[i]
		if seen[message.Hash] {
			continue
		}
		fresh = true
		if len(d.selection.Hashes) > 0 && !d.wanted[message.Hash] {
			continue
		}
		delete(d.wanted, message.Hash)
		tombstones = append(tombstones, container.Tombstone{Hash: message.Hash, Timestamp: message.Timestamp})
		if d.result.Messages == 0 || message.Timestamp < d.result.First {
			d.result.First = message.Timestamp
		}
		d.result.Last = max(d.result.Last, message.Timestamp)
		d.result.Messages++
	}
	if len(d.selection.Hashes) > 0 {
		d.found = append(d.found, tombstones...)
		return fresh, nil
	}
	if d.selection.DryRun || len(tombstones) == 0 {
		return fresh, nil
	}
	return fresh, d.history.engine.Remove(d.ctx, d.selection.Contact, tombstones...)
}
