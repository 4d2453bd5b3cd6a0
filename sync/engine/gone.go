package engine

import (
	"context"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// A head that absorbs all live ones leaves out the names of replaced states. A
// head that another device wrote at the same time may still name such a state,
// though its object is gone. So a device remembers for a while what it saw
// replaced, passes over it wherever it stands, and absorbs the head that names
// it.

// goneLooks is for how many looks a replaced name is remembered.
const goneLooks = 256

// learnGone remembers what states replace. The caller holds e.mu.
func (e *Engine) learnGone(replaced []string) {
	for _, name := range replaced {
		e.gone[name] = e.passes
	}
}

// passOver takes replaced states out of a head that was read. It tells whether
// one of them was replaced before this device last left such names out of a
// head: then no live head may say so any more. The caller holds e.mu.
func (e *Engine) passOver(head *container.Head) (unsaid bool) {
	for ref := range head.States() {
		e.learnGone(ref.Replaces)
	}
	clean := func(refs []container.StateRef) []container.StateRef {
		return slices.DeleteFunc(refs, func(ref container.StateRef) bool {
			pass, gone := e.gone[ref.Name]
			unsaid = unsaid || gone && pass < e.forgot
			return gone
		})
	}
	head.Root = clean(head.Root)
	for i := range head.Talks {
		talk := &head.Talks[i]
		talk.States = clean(talk.States)
		for j := range talk.Chunks {
			talk.Chunks[j].States = clean(talk.Chunks[j].States)
		}
	}
	return unsaid
}

// absorbStale writes a head that stands for all others when another device's
// names what no head calls replaced any more, and forgets names that are old enough.
func (e *Engine) absorbStale(ctx context.Context) error {
	e.mu.Lock()
	stale := e.stale
	e.stale = false
	for name, pass := range e.gone {
		if e.passes-pass > goneLooks {
			delete(e.gone, name)
		}
	}
	e.mu.Unlock()
	if !stale {
		return nil
	}
	_, err := e.writeHead(ctx, &reconcile.Catalogue{}, nil, true)
	return err
}
