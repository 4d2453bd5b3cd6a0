package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// A look at everything reads one of samplePart of what the mirror holds again, at least
// sampleLeast: as a scrub does with the primary.
const (
	samplePart  = 100
	sampleLeast = 16
)

// heal gives the primary back what the engine misses there or can't open, as far as
// the mirror has it whole. What it was asked for in vain is asked for again when
// it is looked at.
func (m *Mirror) heal(ctx context.Context, again bool, report *Report) error {
	ailing := m.o.Engine.Ailing()
	if !again && slices.Equal(ailing, m.ailing) {
		return nil
	}
	m.ailing = ailing
	tree := m.o.Engine.Tree()
	if err := m.restore(ctx, tree, ailing, report); err != nil {
		return err
	}
	unused := slices.DeleteFunc(slices.Clone(ailing), tree.Names)
	if len(unused) == 0 {
		return nil
	}
	if err := m.o.Engine.Recheck(ctx, unused...); err != nil {
		return fmt.Errorf("looking at what nobody needs any more: %w", err)
	}
	return nil
}

// restore writes objects to the primary that the mirror has whole, and lets the engine
// see them. What the mirror lacks, or has damaged, is passed over.
//
// A primary that shows no head at all gets nothing: it may be another place than is
// meant, and only the user's word (Refill) fills it.
func (m *Mirror) restore(ctx context.Context, tree *engine.Tree, names []string, report *Report) error {
	if len(names) == 0 {
		return nil
	}
	if shows, err := showsAny(ctx, m.o.Primary, tree.Heads()); err != nil || !shows {
		return err
	}
	var mu sync.Mutex
	var back []string
	err := m.each(ctx, tree, "restore", names, func(ctx context.Context, name string) error {
		whole, written, err := m.giveBackWhole(ctx, tree, name)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && whole && !written && !tree.Names(name) {
			m.settled[name] = true // the primary has it, too
		}
		if err != nil || !written {
			return err
		}
		back = append(back, name)
		if tree.IsHead(name) {
			report.Heads++
		}
		return nil
	})
	report.Restored += len(back)
	if len(back) > 0 {
		m.o.Log.Info("the account's own place got objects back from a mirror", "mirror", m.o.Name, "objects", len(back))
	}
	if err != nil || len(back) == 0 {
		return err
	}
	slices.Sort(back)
	if err := m.o.Engine.Recheck(ctx, back...); err != nil {
		return fmt.Errorf("looking at what was restored: %w", err)
	}
	return nil
}

// showsAny tells whether a place lists anything under a prefix.
func showsAny(ctx context.Context, store providers.Store, prefix string) (bool, error) {
	for _, err := range store.List(ctx, prefix) {
		if err != nil {
			return false, fmt.Errorf("listing the heads at the account's own place: %w", err)
		}
		return true, nil
	}
	return false, nil
}

// giveBackWhole gives the primary an object that the mirror has whole, and says whether it
// has, and whether that was written there.
func (m *Mirror) giveBackWhole(ctx context.Context, tree *engine.Tree, name string) (whole, written bool, err error) {
	sealed, err := m.o.Mirror.Get(ctx, name)
	if errors.Is(err, providers.ErrNotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("reading %s: %w", name, err)
	}
	if tree.Examine(name, sealed) != engine.Whole {
		return false, false, nil
	}
	written, err = m.giveBack(ctx, name, sealed)
	return true, written, err
}

// giveBack writes an object to the primary, unless it is there as it should be.
func (m *Mirror) giveBack(ctx context.Context, name string, sealed []byte) (written bool, err error) {
	there, err := m.o.Primary.Get(ctx, name)
	if err == nil && bytes.Equal(there, sealed) {
		return false, nil
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return false, fmt.Errorf("looking for %s at the account's own place: %w", name, err)
	}
	if err := put(ctx, m.o.Primary, name, sealed, true); err != nil {
		return false, fmt.Errorf("writing %s to the account's own place: %w", name, err)
	}
	return true, nil
}

// compare settles which of two copies of different size is right, and reads a random
// sample of what the mirror holds. What is not whole there is written again.
func (m *Mirror) compare(ctx context.Context, tree *engine.Tree, s *sight, differing []string, report *Report) error {
	names, err := m.sample(slices.Sorted(maps.Keys(s.mirror)))
	if err != nil {
		return err
	}
	names = slices.Concat(differing, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(differing, name) }))
	var mu sync.Mutex
	err = m.batches(ctx, tree, "sample", inOrder(tree, names), func(ctx context.Context, name string, k *known) error {
		mended, _, err := m.check(ctx, tree, name, false, k)
		mu.Lock()
		defer mu.Unlock()
		report.Mended += mended
		return err
	})
	if err != nil || len(differing) == 0 {
		return err
	}
	// It may be the primary's copy that is wrong: the engine names that.
	if err := m.o.Engine.Recheck(ctx, differing...); err != nil {
		return fmt.Errorf("looking at copies that differ: %w", err)
	}
	return m.heal(ctx, true, report)
}

// check reads an object from the mirror and writes it again when it is not what it
// should be. With exact, it is compared with another copy byte by byte; else it has to
// open. wrong tells that it could not be mended.
func (m *Mirror) check(ctx context.Context, tree *engine.Tree, name string, exact bool, k *known) (mended int, wrong bool, err error) {
	sealed, err := m.o.Mirror.Get(ctx, name)
	absent := errors.Is(err, providers.ErrNotFound)
	if err != nil && !absent {
		return 0, false, fmt.Errorf("reading %s: %w", name, err)
	}
	is := engine.Damaged
	if !absent {
		is = tree.Examine(name, sealed)
	}
	if !exact && is != engine.Damaged || is == engine.Foreign && !tree.Names(name) {
		return 0, false, nil
	}
	right, err := m.source(ctx, tree, name)
	if err != nil {
		return 0, false, err
	}
	if right == nil { // the primary has none: this is as good as it gets
		return 0, is != engine.Whole && tree.Names(name), nil
	}
	if bytes.Equal(right, sealed) && !absent {
		k.set(name, shown|verified)
		return 0, false, nil
	}
	if !absent {
		m.damaged(name)
	}
	if err := put(ctx, m.o.Mirror, name, right, true); err != nil {
		return 0, true, fmt.Errorf("writing %s again: %w", name, err)
	}
	k.set(name, shown|verified)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lower(kindDamaged+" "+name, "written again")
	return 1, false, nil
}

// damaged names an object that the mirror changed: objects never change.
func (m *Mirror) damaged(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise(kindDamaged+" "+name, engine.Problem{Kind: kindDamaged, Alarm: !m.o.Mirror.Properties().Carried, Object: name,
		Detail: "this object is not what was written there"})
}

// sample picks some names at random.
func (m *Mirror) sample(names []string) ([]string, error) {
	var seed [32]byte
	if _, err := io.ReadFull(m.o.Random, seed[:]); err != nil {
		return nil, fmt.Errorf("drawing a sample: %w", err)
	}
	random := rand.New(rand.NewChaCha8(seed))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:min(len(names), max(sampleLeast, hundredth(len(names))))], nil
}

func hundredth(n int) int { return (n + samplePart - 1) / samplePart }

// inOrder puts heads last, for each.
func inOrder(tree *engine.Tree, names []string) []string {
	listing := make(map[string]int64, len(names))
	for _, name := range names {
		listing[name] = 0
	}
	return ordered(listing, tree.IsHead)
}
