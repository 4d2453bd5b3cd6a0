package providertest

import (
	"context"
	"iter"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// SlowOptions says how long the calls of a [Slow] take longer.
type SlowOptions struct {
	Seed              uint64
	Shortest, Longest time.Duration                                    // the delay is drawn between them
	Delay             func(Call) time.Duration                         // if set, decides instead
	Sleep             func(ctx context.Context, d time.Duration) error // the clock: providers.Sleep
}

// Slow is a store that waits before every call. A context that ends meanwhile ends the call without effect.
type Slow struct {
	double
	options SlowOptions
}

// NewSlow wraps store.
func NewSlow(store providers.Store, options *SlowOptions) *Slow {
	s := &Slow{}
	if options != nil {
		s.options = *options
	}
	if s.options.Sleep == nil {
		s.options.Sleep = providers.Sleep
	}
	s.double = newDouble(store, s.options.Seed)
	return s
}

func (s *Slow) wait(ctx context.Context, operation Operation, name string) error {
	call := s.call(operation, name)
	if s.options.Delay != nil {
		return s.options.Sleep(ctx, s.options.Delay(call))
	}
	spread := int(s.options.Longest - s.options.Shortest)
	return s.options.Sleep(ctx, s.options.Shortest+time.Duration(s.below(spread+1)))
}

// Put implements providers.Store.
func (s *Slow) Put(ctx context.Context, name string, data []byte) error {
	if err := s.wait(ctx, OperationPut, name); err != nil {
		return err
	}
	return s.Store.Put(ctx, name, data)
}

// Get implements providers.Store.
func (s *Slow) Get(ctx context.Context, name string) ([]byte, error) {
	if err := s.wait(ctx, OperationGet, name); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, name)
}

// GetRange implements providers.Store.
func (s *Slow) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := s.wait(ctx, OperationRange, name); err != nil {
		return nil, err
	}
	return s.Store.GetRange(ctx, name, offset, length)
}

// List implements providers.Store.
func (s *Slow) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if err := s.wait(ctx, OperationList, prefix); err != nil {
			yield(providers.Object{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

// Delete implements providers.Store.
func (s *Slow) Delete(ctx context.Context, names ...string) error {
	if err := s.wait(ctx, OperationDelete, first(names)); err != nil {
		return err
	}
	return s.Store.Delete(ctx, names...)
}
