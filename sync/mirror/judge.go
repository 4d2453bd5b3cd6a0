package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// judge decides what becomes of objects that the mirror has and nobody needs. What is
// superseded goes, when nothing speaks against the primary, an earlier look found it so,
// a pass has looked at the primary since, and the mirror holds all that is needed
// (complete). Anything else of this account is what the primary lost, or what another
// device wrote here, and is given to it.
//
// An object that nobody names may be one whose head is under way, and whose writer removes
// something in its favour, when another device has this place as its own. So only
// what this device put there goes for its content; else it must be known to be replaced,
// and so must everything where other devices are known to write (shared).
func (m *Mirror) judge(ctx context.Context, tree *engine.Tree, s *sight, names []string, complete bool, report *Report) error {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return m.settled[name] })
	var mu sync.Mutex
	var idle, held, lost []string
	heads := false
	err := m.each(ctx, tree, "judge", names, func(ctx context.Context, name string) error {
		superseded, is, err := m.weigh(ctx, tree, name)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case tree.Replaced(name):
			idle = append(idle, name)
		case superseded:
			held = append(held, name)
		case is == engine.Whole:
			lost = append(lost, name)
			heads = heads || tree.IsHead(name)
		default:
			m.settled[name] = true // not ours, for all that can be told
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range held {
		switch {
		case heads || m.o.Shared: // heads that come back may name what seems superseded
			lost = append(lost, name)
		case m.isOurs(name):
			idle = append(idle, name)
		default:
			m.settled[name] = true // another device that mirrors here lets it go
		}
	}
	if err := m.restore(ctx, tree, inOrder(tree, lost), report); err != nil {
		return err
	}
	idle = slices.DeleteFunc(idle, func(name string) bool { return !s.waiting[name] })
	if !complete || heads || len(idle) == 0 || !m.o.Engine.Calm(m.looks) {
		return nil
	}
	return m.remove(ctx, tree, idle, report)
}

// weigh reads an object and tells whether it is superseded.
func (m *Mirror) weigh(ctx context.Context, tree *engine.Tree, name string) (superseded bool, is engine.Standing, err error) {
	sealed, ok := tree.Kept(name) // objects never change: a copy tells as much
	if !ok {
		sealed, err = m.o.Mirror.Get(ctx, name)
		if errors.Is(err, providers.ErrNotFound) {
			return false, engine.Damaged, nil
		}
		if err != nil {
			return false, engine.Damaged, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	is = tree.Examine(name, sealed)
	if is != engine.Whole || m.o.Shared {
		return false, is, nil
	}
	superseded, err = tree.Superseded(ctx, name, sealed)
	return superseded, is, err
}

// remove takes superseded objects from the mirror: heads first, so that none names what
// is not there.
func (m *Mirror) remove(ctx context.Context, tree *engine.Tree, idle []string, report *Report) error {
	if at := m.o.Mirror.Properties(); !at.Deletes || at.Carried && m.o.Shared { // there deletions overtake what they are in favour of
		for _, name := range idle {
			m.settled[name] = true
		}
		return nil
	}
	names := inOrder(tree, idle)
	slices.Reverse(names)
	for len(names) > 0 {
		part := names[:min(batch, len(names))]
		names = names[len(part):]
		if err := m.o.Mirror.Delete(ctx, part...); err != nil {
			return fmt.Errorf("removing what is superseded: %w", err)
		}
		gone := make(map[string]byte, len(part))
		for _, name := range part {
			gone[name] = 0
		}
		if err := m.note(gone); err != nil {
			return err
		}
		report.Removed += len(part)
		m.progress("remove", report.Removed, len(idle))
	}
	return nil
}
