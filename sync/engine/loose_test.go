package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var errRefused = errors.New("refused")

// refusing lets some puts happen and refuses the next one, once.
type refusing struct {
	providers.Store
	left  atomic.Int64
	after bool // it happens all the same
}

func (r *refusing) Put(ctx context.Context, name string, data []byte) error {
	if r.left.Add(-1) != 0 {
		return r.Store.Put(ctx, name, data)
	}
	if r.after {
		return errors.Join(r.Store.Put(ctx, name, data), errRefused)
	}
	return errRefused
}

// What a pass wrote before it failed is named by the next one, and no scrub is
// needed for that.
func TestFailedPassLeavesNothing(t *testing.T) {
	failed := 0
	for left := int64(1); left < 24; left += 2 {
		for _, after := range []bool{false, true} {
			store := &refusing{Store: memory.New(nil), after: after}
			store.left.Store(left)
			d := newDevice(t, store, smallChunks)
			d.append(many(1, 3, 1500)...)
			if _, err := d.Pass(t.Context(), engine.Work{Flush: true}); errors.Is(err, errRefused) {
				failed++
			}
			d.settle()
			d.wantClean()
		}
	}
	if failed < 12 {
		t.Errorf("only %d passes failed", failed)
	}
}

// between lets some puts through, then none for a while, and so on.
type between struct {
	providers.Store
	calls       atomic.Int64
	good, outed int64
}

func (b *between) call() error {
	if (b.calls.Add(1)-1)%(b.good+b.outed) >= b.good {
		return errRefused
	}
	return nil
}

func (b *between) Put(ctx context.Context, name string, data []byte) error {
	if err := b.call(); err != nil {
		return err
	}
	return b.Store.Put(ctx, name, data)
}

func (b *between) Get(ctx context.Context, name string) ([]byte, error) {
	if err := b.call(); err != nil {
		return nil, err
	}
	return b.Store.Get(ctx, name)
}

// TestPushBetweenOutages: a place that can be reached for a while only, again and again, gets
// everything in the end, though all that waits is more than it takes in one of these whiles.
func TestPushBetweenOutages(t *testing.T) {
	for _, good := range []int64{40, 80, 150} {
		place := memory.New(nil)
		d := newDevice(t, &between{Store: place, good: good, outed: 20}, nil)
		var items []engine.Item
		for i := range 160 {
			items = append(items, message(fmt.Sprintf("contact-%03d.eth", i), int64(1000+i), rand.Text()+strings.Repeat("a long one ", 4000)))
		}
		d.append(items...)
		passes := 0
		for {
			report, err := d.Pass(t.Context(), engine.Work{})
			if err != nil && !errors.Is(err, errRefused) {
				t.Fatal(err)
			}
			if err == nil && report.Pending == 0 {
				break
			}
			if passes++; passes > 400 {
				t.Fatalf("%d calls at a time: %d wait after %d passes, and there are %d objects", good, report.Pending, passes, len(objects(t, place, false)))
			}
		}
		if n := len(objects(t, place, false)); n > 4*len(items) {
			t.Errorf("%d calls at a time: %d objects for %d messages", good, n, len(items))
		}
		other := newDevice(t, place, nil)
		other.settle()
		same(t, "another device", other.holds(), hashes(items))
		other.wantClean()
		t.Logf("%d calls at a time: %d passes", good, passes)
	}
}
