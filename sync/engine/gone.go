package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// A head that absorbs all live ones leaves out the names of replaced states. A
// head that another device wrote at the same time may still name such a state,
// and a device that finds a leftover object adopts it. So a device remembers for
// a while what it saw replaced, passes over it wherever it stands, removes what
// is left of it, and absorbs the head that names it.
//
// That is for devices that were held up between their look and their head. So that
// it stays rare, a device that is not alone absorbs and rewrites only right after
// a look, and heads carry such names for some looks more.

const (
	goneLooks = 256 // for how many looks a replaced name is remembered
	newsLooks = 8   // for how many looks heads carry it
)

// learnGone remembers what states replace. The caller holds e.mu.
func (e *Engine) learnGone(replaced []string) {
	for _, name := range replaced {
		e.gone[name] = e.passes
		if _, known := e.since[name]; !known {
			e.since[name] = e.passes
		}
	}
}

// isGone tells whether an object is remembered as replaced.
func (e *Engine) isGone(object string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, gone := e.gone[nameOf(object)]
	return gone
}

// isOldNews returns what tells whether heads need not carry a replaced name any
// more, as far as this device can know. For a lone one that is at once, unless a
// head whose put failed, in this run or at the end of the last one, may still come.
func (e *Engine) isOldNews() func(name string) bool {
	if e.alone() && len(e.void) == 0 && e.passes >= newsLooks {
		return func(string) bool { return true }
	}
	return func(name string) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		since, known := e.since[name]
		return known && e.passes-since >= newsLooks
	}
}

// addHead adds a head to a catalogue without what is known to be replaced. What
// a dropped state had replaced is taken over first, by its heir in the
// catalogue. The caller holds e.mu.
func (e *Engine) addHead(catalogue *reconcile.Catalogue, name string, head *container.Head) {
	e.gather(catalogue, name, head)
	catalogue.Drop(head, func(state string) bool { _, gone := e.gone[state]; return gone })
}

// gather adds one of several heads to a catalogue: only when all are there, the
// heirs are, and dropGone may follow. The caller holds e.mu.
func (e *Engine) gather(catalogue *reconcile.Catalogue, name string, head *container.Head) {
	for ref := range head.States() {
		e.learnGone(ref.Replaces)
	}
	catalogue.Add(name, head)
}

// dropGone takes what is known to be replaced out of a catalogue of several
// heads, but for what news names anew. The caller holds e.mu.
func (e *Engine) dropGone(catalogue, news *reconcile.Catalogue) {
	fresh := make(map[string]bool)
	news.States(func(_ string, _ *container.ChunkIdentifier, state *reconcile.State) bool {
		fresh[state.Name] = true
		return true
	})
	catalogue.DropAll(func(state string) bool { _, gone := e.gone[state]; return gone && !fresh[state] })
}

// notice looks through another device's new head for states that this device
// knew to be replaced before: that head is to be absorbed, and their objects are
// leftovers. The caller holds e.mu.
func (e *Engine) notice(head *container.Head) {
	look := func(key func() container.Key, refs []container.StateRef) {
		for _, ref := range refs {
			pass, gone := e.gone[ref.Name]
			if !gone || pass >= e.passes {
				continue
			}
			e.stale = true
			if ref.Length == 0 {
				e.remains = append(e.remains, string(key())+"/"+ref.Name)
			}
		}
	}
	look(func() container.Key { return e.o.Root }, head.Root)
	for i := range head.Talks {
		talk := &head.Talks[i]
		look(func() container.Key { return e.conversationKey(talk.Contact) }, talk.States)
		for j := range talk.Chunks {
			look(func() container.Key { return e.chunkKey(talk.Contact, talk.Chunks[j].Identifier) }, talk.Chunks[j].States)
		}
	}
}

// absorbStale writes a head that stands for all others when another device's
// names what no head calls replaced any more, and forgets names that are old enough.
func (e *Engine) absorbStale(ctx context.Context) error {
	e.mu.Lock()
	stale, leftovers := e.stale, e.remains
	e.stale, e.remains = false, nil
	var old []string
	for name, pass := range e.gone {
		if e.passes-pass > goneLooks {
			delete(e.gone, name)
			delete(e.since, name)
			old = append(old, name)
		}
	}
	e.mu.Unlock()
	if err := e.forgetGone(old); err != nil {
		return err
	}
	if !stale {
		return nil
	}
	if _, err := e.writeHead(ctx, &reconcile.Catalogue{}, nil, true); err != nil {
		return err
	}
	return e.removeNamed(ctx, distinct(leftovers))
}

// forgetGone takes names out of what is remembered over a restart.
func (e *Engine) forgetGone(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return e.dropRecords("gone", names...)
}

// findUnsaid looks through all live heads for what only absorbing them all
// mends: states that one of them names, that this device knows to be replaced,
// and that none of them calls so; and states that were replaced and still travel
// in one, with messages that may be deleted.
func (e *Engine) findUnsaid(ctx context.Context) error {
	e.mu.Lock()
	heads := slices.Sorted(maps.Keys(e.heads))
	used := make(map[string]bool)
	e.catalogue.States(func(_ string, _ *container.ChunkIdentifier, state *reconcile.State) bool {
		used[state.Name] = true
		return true
	})
	e.mu.Unlock()
	unused := make(map[string]bool)
	said := make(map[string]bool)
	for _, name := range heads {
		head, err := e.loadHead(ctx, name)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		for ref := range head.States() {
			if !used[ref.Name] {
				unused[ref.Name] = true
			}
			for _, replaced := range ref.Replaces {
				said[replaced] = true
			}
		}
		e.mu.Lock()
		e.stale = e.stale || e.carriesDeleted(head, used)
		e.mu.Unlock()
	}
	for name := range unused {
		if !said[name] {
			e.mu.Lock()
			e.stale = true
			e.mu.Unlock()
			return nil
		}
	}
	return nil
}

// carriesDeleted tells whether a head carries a replaced state that may hold a
// deleted message. The caller holds e.mu.
func (e *Engine) carriesDeleted(head *container.Head, used map[string]bool) bool {
	for i := range head.Talks {
		conversation := e.catalogue.Conversations[head.Talks[i].Contact]
		for j := range head.Talks[i].Chunks {
			for _, ref := range head.Talks[i].Chunks[j].States {
				if ref.Length > 0 && !used[ref.Name] && conversation.MayHoldDeleted(&reconcile.State{StateRef: ref}) {
					return true
				}
			}
		}
	}
	return false
}
