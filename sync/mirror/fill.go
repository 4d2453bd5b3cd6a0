package mirror

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Refill gives the primary all objects of the account that the mirror has whole and the
// primary lacks or has damaged, states before heads: for a place that was lost. It
// returns how many. The caller keeps passes of the engine out meanwhile.
func (m *Mirror) Refill(ctx context.Context) (int, error) {
	if err := m.take(ctx); err != nil {
		return 0, err
	}
	defer m.release()
	count, err := m.refill(ctx)
	if err != nil {
		return count, fmt.Errorf("mirror: taking from %s: %w", m.o.Name, err)
	}
	return count, nil
}

func (m *Mirror) refill(ctx context.Context) (int, error) {
	tree := m.o.Engine.Tree()
	here, err := list(ctx, m.o.Mirror)
	if err != nil {
		return 0, fmt.Errorf("listing it: %w", err)
	}
	there, err := list(ctx, m.o.Primary)
	if err != nil {
		return 0, fmt.Errorf("listing the account's own place: %w", err)
	}
	ailing := m.o.Engine.Ailing()
	names := slices.DeleteFunc(ordered(here, tree.IsHead), func(name string) bool {
		size, ok := there[name]
		return ok && size == here[name] && !slices.Contains(ailing, name)
	})
	var mu sync.Mutex
	count := 0
	err = m.each(ctx, tree, "refill", names, func(ctx context.Context, name string) error {
		_, written, err := m.giveBackWhole(ctx, tree, name)
		mu.Lock()
		defer mu.Unlock()
		if written {
			count++
		}
		return err
	})
	return count, err
}

// Verification is what a comparison of the mirror with the account found.
type Verification struct {
	Objects int      `json:"objects"` // needed ones
	Read    int      `json:"read"`    // and compared byte by byte now; the others were by an interrupted run
	Mended  int      `json:"mended"`
	Missing []string `json:"missing,omitempty"` // not there, or not whole, and no other copy could be had
}

// Verify compares every object that the account needs with the mirror's copy, byte by
// byte, and writes again what differs. It goes on where an interrupted run ended, unless
// restart is set.
func (m *Mirror) Verify(ctx context.Context, restart bool) (v Verification, err error) {
	if err := m.take(ctx); err != nil {
		return v, err
	}
	defer m.release()
	if v, err = m.verify(ctx, restart); err != nil {
		return v, fmt.Errorf("mirror: verifying %s: %w", m.o.Name, err)
	}
	return v, nil
}

func (m *Mirror) verify(ctx context.Context, restart bool) (v Verification, err error) {
	if restart {
		again := make(map[fingerprint]byte)
		for f, value := range m.held {
			if value&verified != 0 {
				again[f] = value &^ verified
			}
		}
		if err := m.change(again); err != nil {
			return v, err
		}
	}
	tree := m.o.Engine.Tree()
	var names []string
	for name := range tree.Objects() {
		v.Objects++
		if m.held[fingerprintOf(name)]&verified == 0 {
			names = append(names, name)
		}
	}
	var mu sync.Mutex
	err = m.batches(ctx, tree, "compare", names, func(ctx context.Context, name string, k *known) error {
		mended, wrong, err := m.check(ctx, tree, name, true, k)
		mu.Lock()
		defer mu.Unlock()
		v.Read++
		v.Mended += mended
		if wrong && m.o.Engine.Tree().Names(name) { // else it was replaced meanwhile
			v.Missing = append(v.Missing, name)
		}
		return err
	})
	slices.Sort(v.Missing)
	return v, err
}
