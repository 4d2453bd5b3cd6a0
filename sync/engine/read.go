package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
)

// Messages returns a range of a conversation, as Read does.
func (e *Engine) Messages(ctx context.Context, contact string, r Range) (Page, error) {
	return e.Read(ctx, contact, Window{From: r.From, To: r.To, Last: r.Last})
}

// Read returns a window of a conversation: one fetch for each state that it
// touches and the cache does not hold, all of them side by side. It works without
// the provider for what the cache holds, and for all that Local asks for. Where a
// state can't be had, the page is provisional and says so; only when nothing at
// all could be read is there an error.
func (e *Engine) Read(ctx context.Context, contact string, w Window) (Page, error) {
	w = w.settled()
	if w.Local {
		return e.readLocal(contact, w)
	}
	page, err := e.readWindow(ctx, contact, w)
	if err == nil {
		e.fetchAhead(contact, w, &page)
	}
	if !unusable(err) {
		return page, err
	}
	if err := e.lookAgain(ctx, contact); err != nil {
		return Page{}, err
	}
	if page, err = e.readWindow(ctx, contact, w); !unusable(err) {
		return page, err
	}
	return e.readWhatIsThere(ctx, contact, w)
}

// fetchAhead fetches what is next to what was read. Who reads piece by piece goes
// on to the next one, also when this one was here.
func (e *Engine) fetchAhead(contact string, w Window, page *Page) {
	switch n := len(page.Messages); {
	case n > 0 && (w.First > 0 || w.Last > 0):
		e.fetchNeighbours(contact, Range{From: page.Messages[0].Timestamp, To: page.Messages[n-1].Timestamp + 1})
	case page.Fetched > 0:
		e.fetchNeighbours(contact, w.span())
	}
}

// span is the time of a window.
func (w *Window) span() Range { return Range{From: w.From, To: w.To} }

// lookAgain is for a reader who found that what the catalogue named is gone: it
// was replaced since.
func (e *Engine) lookAgain(ctx context.Context, contact string) error {
	if err := e.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-e.turn }()
	if _, err := e.pull(ctx); err != nil {
		return err
	}
	return e.resolve(ctx, contact)
}

// readWindow reads a window from the states in use and the journal.
func (e *Engine) readWindow(ctx context.Context, contact string, w Window) (Page, error) {
	parts, err := e.apart(contact, w)
	if err != nil {
		return Page{}, err
	}
	states, page := e.touching(contact, w)
	for len(states) > 0 {
		n := w.enough(states)
		loaded, fetched, err := e.loadChunks(ctx, contact, states[:n])
		if err != nil {
			return Page{}, err
		}
		page.Fetched += fetched
		parts = append(parts, loaded...)
		states = states[n:]
		page.Messages = w.cut(container.UnionChunk(parts...).Messages)
		if w.complete(page.Messages, states) {
			return page, nil
		}
	}
	page.Messages = w.cut(container.UnionChunk(parts...).Messages)
	return page, nil
}

// readLocal reads a window from what is on this device.
func (e *Engine) readLocal(contact string, w Window) (Page, error) {
	parts, err := e.apart(contact, w)
	if err != nil {
		return Page{}, err
	}
	states, page := e.touching(contact, w)
	for len(states) > 0 {
		n := w.enough(states)
		for _, want := range states[:n] {
			if chunk, here := e.readHere(contact, want); here {
				parts = append(parts, chunk)
				continue
			}
			page.Gaps = append(page.Gaps, Gap{First: want.state.First, Last: want.state.Last, Messages: want.state.Messages(), Fetch: 1})
		}
		states = states[n:]
		page.Messages = w.cut(container.UnionChunk(parts...).Messages)
		if w.complete(page.Messages, states) {
			break
		}
	}
	page.Messages = w.cut(container.UnionChunk(parts...).Messages)
	page.Gaps = w.within(page.Gaps, page.Messages)
	slices.SortFunc(page.Gaps, func(a, b Gap) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	return page, nil
}

// apart reads what no state in use holds: what waits in the journal, and copies
// in doubt. The journal comes first, and both before the catalogue: what they
// forget meanwhile is in the catalogue then.
func (e *Engine) apart(contact string, w Window) ([]*container.Chunk, error) {
	own, err := e.unconfirmed(contact, w.span())
	if err != nil {
		return nil, err
	}
	parts, err := e.doubted(contact, w.span())
	if err != nil {
		return nil, err
	}
	return append(parts, own), nil
}

// touching lists the states whose span meets the window, in the order in which
// it reads them, and begins its page, with what the catalogue may lack at this
// moment.
func (e *Engine) touching(contact string, w Window) (states []wanted, page Page) {
	e.mu.Lock()
	defer e.mu.Unlock()
	page.Reasons = e.lacks()
	page.Provisional = len(page.Reasons) > 0
	conversation := e.catalogue.Conversations[contact]
	if conversation == nil {
		return nil, page
	}
	for _, chunk := range conversation.Chunks {
		for _, state := range chunk.States {
			if state.Items > 0 && state.First < w.To && state.Last >= w.From {
				states = append(states, wanted{chunk.Identifier, state})
			}
		}
	}
	w.sort(states)
	return states, page
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

// readWhatIsThere reads a window though some of its states are gone, and says
// so.
func (e *Engine) readWhatIsThere(ctx context.Context, contact string, w Window) (Page, error) {
	parts, err := e.apart(contact, w)
	if err != nil {
		return Page{}, err
	}
	states, page := e.touching(contact, w)
	for _, want := range states {
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
			page.Reasons = append(page.Reasons, fmt.Sprintf("%d messages between %d and %d can't be read", want.state.Items, want.state.First, want.state.Last))
			continue
		case err != nil:
			return Page{}, err
		}
		if fetched {
			page.Fetched++
		}
		parts = append(parts, chunk)
	}
	page.Messages = w.cut(container.UnionChunk(parts...).Messages)
	return page, nil
}
