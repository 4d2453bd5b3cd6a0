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

// ErrOnlyCopy says that a mirror holds what the account's own place lacks and can't be
// given, so that it was not erased.
var ErrOnlyCopy = errors.New("it holds what the account's own place does not show, so nothing was removed there; `dm3sync sync` tells what is wrong with the account's own place")

// Erase removes the account's objects from the mirror, heads first; what is sealed with
// another key stays. It returns how many are gone. For a place that the user leaves: until
// it is opened anew, passes do nothing there. What the account's own place lacks, as when
// another device wrote it to the mirror a moment ago, is given to that first; where that
// can't be, nothing is removed, and the error matches [ErrOnlyCopy].
func (m *Mirror) Erase(ctx context.Context) (int, error) {
	if err := m.take(ctx); err != nil {
		return 0, err
	}
	defer m.release()
	report := Report{}
	if err := m.erase(ctx, &report); err != nil {
		return report.Removed, fmt.Errorf("mirror: erasing %s: %w", m.o.Name, err)
	}
	return report.Removed, nil
}

func (m *Mirror) erase(ctx context.Context, report *Report) error {
	tree := m.o.Engine.Tree()
	here, err := list(ctx, m.o.Mirror)
	if err != nil {
		return fmt.Errorf("listing it: %w", err)
	}
	there, err := list(ctx, m.o.Primary)
	if err != nil {
		return fmt.Errorf("listing the account's own place: %w", err)
	}
	for _, name := range m.o.Engine.Ailing() {
		delete(there, name) // what is known to be damaged there is no copy
	}
	ours, only, err := m.sort(ctx, tree, here, there)
	if err != nil {
		return err
	}
	if err := m.restore(ctx, tree, only, report); err != nil {
		return err
	}
	if err := m.wantAt(ctx, tree, only); err != nil {
		return err
	}
	m.erased = true
	return m.remove(ctx, tree, ours, report)
}

// sort tells which objects of the mirror are the account's, and which of them it can't do
// without that the primary lacks.
func (m *Mirror) sort(ctx context.Context, tree *engine.Tree, here, there map[string]int64) (ours, only []string, err error) {
	var mu sync.Mutex
	var held []string // their items are in states in use
	heads := false
	err = m.each(ctx, tree, "look", ordered(here, tree.IsHead), func(ctx context.Context, name string) error {
		sealed, err := m.o.Mirror.Get(ctx, name)
		if errors.Is(err, providers.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		whole := tree.Examine(name, sealed) == engine.Whole
		size, copied := there[name]
		copied = copied && size == here[name]
		superseded := false
		if whole && !copied {
			if superseded, err = tree.Superseded(ctx, name, sealed); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !whole && !tree.Names(name):
			return nil // not ours, for all that can be told
		case copied || tree.Replaced(name):
		case superseded:
			held = append(held, name)
		default:
			only = append(only, name)
			heads = heads || tree.IsHead(name)
		}
		ours = append(ours, name)
		return nil
	})
	if heads { // they may name what seems superseded
		only = append(only, held...)
	}
	return ours, inOrder(tree, only), err
}

// wantAt makes sure that the primary has some objects.
func (m *Mirror) wantAt(ctx context.Context, tree *engine.Tree, names []string) error {
	var mu sync.Mutex
	var missing []string
	err := m.each(ctx, tree, "look", names, func(ctx context.Context, name string) error {
		_, err := m.o.Primary.Get(ctx, name)
		if !errors.Is(err, providers.ErrNotFound) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		missing = append(missing, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for what is only at the mirror: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w (%d objects, such as %s)", ErrOnlyCopy, len(missing), slices.Min(missing))
	}
	return nil
}
