package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
)

// Messages returns a range of a conversation: one fetch for each state that
// the range touches and the cache does not hold, all of them side by side. It
// works without the provider for what the cache holds. Where a state can't be
// had, the page is provisional and says so; only when nothing at all could be
// read is there an error.
func (e *Engine) Messages(ctx context.Context, contact string, r Range) (Page, error) {
	if r.To == 0 {
		r.To = math.MaxInt64
	}
	page, err := e.readRange(ctx, contact, r)
	if err == nil && page.Fetched > 0 {
		e.fetchNeighbours(contact, r)
	}
	if !unusable(err) {
		return page, err
	}
	// What the catalogue named is gone: it was replaced since. Look again.
	if err := e.takeTurn(ctx); err != nil {
		return Page{}, err
	}
	if _, err = e.pull(ctx); err == nil {
		err = e.resolve(ctx, contact)
	}
	<-e.turn
	if err != nil {
		return Page{}, err
	}
	if page, err = e.readRange(ctx, contact, r); !unusable(err) {
		return page, err
	}
	return e.readWhatIsThere(ctx, contact, r)
}

// readRange reads a range from the states in use and the journal.
func (e *Engine) readRange(ctx context.Context, contact string, r Range) (Page, error) {
	// The journal first: what it forgets meanwhile is in the catalogue then.
	e.mu.Lock()
	behind, gapped := e.behind, e.gapped
	e.mu.Unlock()
	own, err := e.unconfirmed(contact, r)
	if err != nil {
		return Page{}, err
	}
	parts, err := e.doubted(contact)
	if err != nil {
		return Page{}, err
	}
	parts = append(parts, own)
	states := e.touching(contact, r)
	var page Page
	for len(states) > 0 {
		n := len(states)
		if r.Last > 0 {
			n = enough(states, r.Last)
		}
		loaded, fetched, err := e.loadChunks(ctx, contact, states[:n])
		if err != nil {
			return Page{}, err
		}
		page.Fetched += fetched
		parts = append(parts, loaded...)
		states = states[n:]
		page.Messages = pick(parts, r)
		if len(states) > 0 && len(page.Messages) >= r.Last && page.Messages[0].Timestamp > states[0].state.Last {
			break
		}
	}
	page.Messages = pick(parts, r)
	page.doubt(behind, gapped)
	return page, nil
}

// touching lists the states whose span meets the range, newest end first.
func (e *Engine) touching(contact string, r Range) []wanted {
	conversation := e.snapshot(contact)
	if conversation == nil {
		return nil
	}
	var states []wanted
	for _, chunk := range conversation.Chunks {
		for _, state := range chunk.States {
			if state.Items > 0 && state.First < r.To && state.Last >= r.From {
				states = append(states, wanted{chunk.Identifier, state})
			}
		}
	}
	slices.SortFunc(states, func(a, b wanted) int {
		return cmp.Or(cmp.Compare(b.state.Last, a.state.Last), cmp.Compare(a.state.Name, b.state.Name))
	})
	return states
}

// enough counts the states, newest first, that hold at least last items and
// all others that reach into the time of those.
func enough(states []wanted, last int) int {
	var items int64
	first := int64(math.MaxInt64)
	for i, want := range states {
		if items >= int64(last) && want.state.Last < first {
			return i
		}
		items += want.state.Items
		first = min(first, want.state.First)
	}
	return len(states)
}

// pick unites parts of a conversation and cuts the range out of them.
func pick(parts []*container.Chunk, r Range) []container.Envelope {
	union := container.UnionChunk(parts...)
	messages := slices.DeleteFunc(union.Messages, func(m container.Envelope) bool {
		return m.Timestamp < r.From || m.Timestamp >= r.To
	})
	if r.Last > 0 && len(messages) > r.Last {
		messages = messages[len(messages)-r.Last:]
	}
	return messages
}

// unconfirmed reads what the journal holds of a range.
func (e *Engine) unconfirmed(contact string, r Range) (*container.Chunk, error) {
	e.mu.Lock()
	entries := slices.Concat(e.pending[contact], e.taken[contact])
	for _, b := range e.owed {
		for _, item := range b.items[contact] {
			entries = append(entries, item.entry)
		}
	}
	e.mu.Unlock()
	entries = slices.DeleteFunc(entries, func(at entry) bool { return at.kind == journalHidden || at.timestamp < r.From || at.timestamp >= r.To })
	own := &container.Chunk{}
	var sealed []byte
	for _, at := range entries {
		var err error
		if sealed, err = e.o.Cache.Journal().Read(sealed[:0], at.id); err != nil {
			if errors.Is(err, cache.ErrNotFound) || damagedInCache(err) {
				continue // confirmed meanwhile, or reported by the next pass
			}
			return nil, fmt.Errorf("engine: read journal: %w", err)
		}
		content, err := e.openEntry(sealed)
		switch {
		case err != nil:
		case content.tombstone:
			own.Tombstones = append(own.Tombstones, container.Tombstone{Hash: content.envelope.Hash, Timestamp: content.envelope.Timestamp})
		default:
			own.Messages = append(own.Messages, content.envelope)
		}
	}
	return own, nil
}

// readWhatIsThere reads a range though some of its states are gone, and says
// so.
func (e *Engine) readWhatIsThere(ctx context.Context, contact string, r Range) (Page, error) {
	var page Page
	own, err := e.unconfirmed(contact, r)
	if err != nil {
		return page, err
	}
	parts, err := e.doubted(contact)
	if err != nil {
		return page, err
	}
	parts = append(parts, own)
	for _, want := range e.touching(contact, r) {
		chunk, fetched, err := e.chunkState(ctx, contact, want.identifier, want.state)
		switch {
		case unusable(err):
			if absent(err) {
				key := e.chunkKey(contact, want.identifier)
				if !want.state.Inline() {
					e.suspect(missing(string(key)+"/"+want.state.Name, contact), "")
				}
			}
			page.Provisional = true
			page.Reasons = append(page.Reasons, fmt.Sprintf("%d messages between %d and %d can not be read", want.state.Items, want.state.First, want.state.Last))
			continue
		case err != nil:
			return Page{}, err
		}
		if fetched {
			page.Fetched++
		}
		parts = append(parts, chunk)
	}
	page.Messages = pick(parts, r)
	return page, nil
}
