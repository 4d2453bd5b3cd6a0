package engine

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// abreast does work for each index below count, as much of it side by side as the
// place takes. It returns the first error, which cancels the context of the work
// that is not done yet.
func (e *Engine) abreast(ctx context.Context, count int, work func(ctx context.Context, index int) error) error {
	if limit := e.parallel(); limit > 1 && count > 1 {
		group, groupContext := errgroup.WithContext(ctx)
		group.SetLimit(limit)
		for i := range count {
			group.Go(func() error { return work(groupContext, i) })
		}
		return group.Wait()
	}
	// One by one, and without goroutines, each of which would have to grow its stack.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first error
	for i := range count {
		if err := work(ctx, i); err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}
