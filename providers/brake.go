package providers

import (
	"context"
	"errors"
	"sync"
	"time"
)

// brake spaces the calls of one store while its place refuses some for being too many. Each call that waits by itself is not
// enough: those that get through are followed by others at once, so that the place goes on refusing, and of many calls some
// would be refused until their attempts are used up. A refusal doubles the gap between calls, unless the call had begun before
// the gap was last changed; each other answer shortens it a little. It needs no clock.
type brake struct {
	least, most time.Duration // bounds of the gap, when there is one
	turn        chan struct{} // held by the one call that waits for its gap

	mutex  sync.Mutex
	gap    time.Duration // 0: none
	raised int           // how often the gap was doubled
}

// newBrake makes one that is not felt.
func newBrake(first time.Duration) *brake {
	return &brake{least: first / 2, most: 10 * first, turn: make(chan struct{}, 1)}
}

// wait lets a call begin when it may.
func (b *brake) wait(ctx context.Context, sleep func(context.Context, time.Duration) error) error {
	if gap, _ := b.now(); gap == 0 {
		return nil
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	gap, _ := b.now() // others have been answered meanwhile
	if gap == 0 {
		return nil
	}
	return sleep(ctx, gap)
}

// now is the gap, and the mark by which answered knows whether a call began before it was doubled last.
func (b *brake) now() (gap time.Duration, mark int) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.gap, b.raised
}

// answered takes the result of a call that began at the mark.
func (b *brake) answered(mark int, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch {
	case errors.Is(err, ErrRateLimited):
		if mark == b.raised {
			b.gap = min(max(2*b.gap, b.least), b.most)
			b.raised++
		}
	case b.gap > b.least/16:
		b.gap -= b.gap / 16
	default:
		b.gap = 0
	}
}
