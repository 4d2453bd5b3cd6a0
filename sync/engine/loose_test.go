package engine_test

import (
	"context"
	"errors"
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
