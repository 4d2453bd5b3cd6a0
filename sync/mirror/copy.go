package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// errUnlike is a read-back that shows other bytes than were written, or none: the next
// pass writes them again.
var errUnlike = fmt.Errorf("what was written is not there as it was written: %w", providers.ErrTransient)

// each calls work for every name, some at once, states before heads. It ends with the
// first error.
func (m *Mirror) each(ctx context.Context, tree *engine.Tree, step string, names []string, work func(ctx context.Context, name string) error) error {
	first := len(names)
	for i, name := range names {
		if tree.IsHead(name) {
			first = i
			break
		}
	}
	var mu sync.Mutex
	done := 0
	for _, part := range [][]string{names[:first], names[first:]} {
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(m.parallel())
		for _, name := range part {
			if within.Err() != nil {
				break
			}
			group.Go(func() error {
				if err := work(within, name); err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				done++
				m.progress(step, done, len(names))
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// known collects what work learns of objects, and is written now and then, so that a
// pass that is cut off has not to begin anew.
type known struct {
	mu     sync.Mutex
	values map[string]byte
}

func (k *known) set(name string, value byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.values == nil {
		k.values = make(map[string]byte)
	}
	k.values[name] = value
}

// batch is how many objects are worked on before what is known of them is kept.
const batch = 1000

// batches is each in parts, and keeps what was learned after every part, also of one
// that ended early.
func (m *Mirror) batches(ctx context.Context, tree *engine.Tree, step string, names []string, work func(ctx context.Context, name string, k *known) error) error {
	for from := 0; from < len(names); from += batch {
		k := &known{}
		part := names[from:min(from+batch, len(names))]
		err := m.each(ctx, tree, step, part, func(ctx context.Context, name string) error { return work(ctx, name, k) })
		if err := errors.Join(err, m.note(k.values)); err != nil {
			return err
		}
	}
	return nil
}

// copyAll copies objects to the mirror and returns how many needed ones it could not
// get whole: the primary's own care is to heal those.
func (m *Mirror) copyAll(ctx context.Context, tree *engine.Tree, names []string, report *Report) (missing int, err error) {
	var mu sync.Mutex
	err = m.batches(ctx, tree, "mirror", names, func(ctx context.Context, name string, k *known) error {
		sealed, err := m.source(ctx, tree, name)
		if err != nil {
			return err
		}
		if sealed == nil {
			mu.Lock()
			defer mu.Unlock()
			if tree.Names(name) && m.o.Engine.Tree().Names(name) { // not replaced meanwhile
				missing++
			}
			return nil
		}
		if err := put(ctx, m.o.Mirror, name, sealed, false); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		k.set(name, shown|ours)
		mu.Lock()
		defer mu.Unlock()
		report.Copied++
		report.Bytes += int64(len(sealed))
		return nil
	})
	return missing, err
}

// source returns an object as it should be, from the cache or the primary; nil when
// neither has it whole, or when nobody needs it.
func (m *Mirror) source(ctx context.Context, tree *engine.Tree, name string) ([]byte, error) {
	if tree.Names(name) {
		if sealed, ok := tree.Kept(name); ok {
			return sealed, nil
		}
	}
	sealed, err := m.o.Primary.Get(ctx, name)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s from the account's own place: %w", name, err)
	}
	switch tree.Examine(name, sealed) {
	case engine.Whole:
	case engine.Newer: // of this account, for all that can be told
		return sealed, nil
	default:
		return nil, nil
	}
	if !tree.Names(name) {
		superseded, err := tree.Superseded(ctx, name, sealed)
		if err != nil || superseded {
			return nil, err
		}
	}
	return sealed, nil
}

// put writes an object, and reads it back where the place does not promise that it is
// whole, or where proof is asked for.
func put(ctx context.Context, store providers.Store, name string, sealed []byte, proof bool) error {
	if err := store.Put(ctx, name, sealed); err != nil {
		return err
	}
	if store.Properties().Durable && !proof {
		return nil
	}
	back, err := store.Get(ctx, name)
	if errors.Is(err, providers.ErrNotFound) || err == nil && !bytes.Equal(back, sealed) {
		return errUnlike
	}
	return err
}
