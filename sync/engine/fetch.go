package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrNoRoom is a cache that is too small to hold what was asked for.
var ErrNoRoom = errors.New("the cache has no room for that much at once; raise cache.blob_budget, or ask for less")

// Fetch brings what this device does not hold of a conversation here, From up to,
// not including, To (Unix milliseconds, To 0 is no end), newest first, so that it
// can be read without the provider. progress may be nil; it is called in this
// goroutine, with objects done and to be fetched. It fails with ErrNoRoom once
// the cache drops what was just fetched, with ErrNoConversation where nothing is
// known of the contact, and, after all else was fetched, when something could
// not be had. What was fetched before an error stays.
func (e *Engine) Fetch(ctx context.Context, contact string, from, to int64, progress func(Progress)) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	if !e.knows(contact) {
		return ErrNoConversation
	}
	w := Window{From: from, To: to}.settled()
	f := fetcher{engine: e, ctx: ctx, contact: contact, progress: progress, fetched: make(map[string]bool)}
	for range fetchRounds {
		states := e.distant(contact, w)
		if slices.ContainsFunc(states, func(want wanted) bool { return f.fetched[want.state.Name] }) {
			return fmt.Errorf("engine: fetch a conversation: %w", ErrNoRoom)
		}
		if len(states) == 0 {
			return nil
		}
		err := f.all(states)
		if unusable(err) {
			if err = e.lookAgain(ctx, contact); err == nil {
				err = f.all(e.distant(contact, w))
			}
		}
		if err != nil {
			return fmt.Errorf("engine: fetch a conversation: %w", err)
		}
	}
	return nil // what was there when it was asked for is here
}

// fetchRounds bounds how often Fetch looks for what was written meanwhile.
const fetchRounds = 3

// knows tells whether the engine has heard of a contact.
func (e *Engine) knows(contact string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.catalogue.Conversations[contact] != nil || len(e.pending[contact])+len(e.taken[contact]) > 0
}

// distant lists the states of a window that are not here, newest first; of those
// that travel in one head, one.
func (e *Engine) distant(contact string, w Window) []wanted {
	states, _ := e.touching(contact, w)
	heads := make(map[string]bool)
	return slices.DeleteFunc(states, func(want wanted) bool {
		if e.isHere(contact, want.identifier, &want.state) || heads[want.state.Head] {
			return true
		}
		if want.state.Inline() {
			heads[want.state.Head] = true
		}
		return false
	})
}

// fetcher belongs to one call of Fetch.
type fetcher struct {
	engine   *Engine
	ctx      context.Context // of the one call that it lives for
	contact  string
	progress func(Progress)
	done     int64
	fetched  map[string]bool // names of states
}

// all fetches states, a few at a time. What can't be had is passed over, and told
// at the end.
func (f *fetcher) all(states []wanted) (missing error) {
	total := f.done + int64(len(states))
	for batch := range slices.Chunk(states, f.engine.parallel()) {
		f.progress(Progress{Step: "fetch", Done: f.done, Total: total, Unit: "objects"})
		gone, err := f.batch(batch)
		if err != nil {
			return err
		}
		if gone != nil {
			missing = gone
		}
		f.done += int64(len(batch))
		if first := &states[0]; f.fetched[first.state.Name] && f.dropped(first) {
			return ErrNoRoom
		}
	}
	f.progress(Progress{Step: "fetch", Done: f.done, Total: total, Unit: "objects"})
	return missing
}

// batch fetches states side by side, and where one can't be had, each of them
// alone, so that it holds up no other.
func (f *fetcher) batch(states []wanted) (missing, failure error) {
	_, _, err := f.engine.loadChunks(f.ctx, f.contact, states)
	if err == nil {
		for i := range states {
			f.fetched[states[i].state.Name] = true
		}
		return nil, nil
	}
	if len(states) == 1 || !unusable(err) {
		if unusable(err) {
			return err, nil
		}
		return nil, err
	}
	for i := range states {
		gone, err := f.batch(states[i : i+1])
		if err != nil {
			return nil, err
		}
		if gone != nil {
			missing = gone
		}
	}
	return missing, nil
}

// dropped tells whether the cache let go of a state that is still in use.
func (f *fetcher) dropped(want *wanted) bool {
	e := f.engine
	return !e.isHere(f.contact, want.identifier, &want.state) && e.uses(f.contact, &want.identifier, want.state.Name)
}
