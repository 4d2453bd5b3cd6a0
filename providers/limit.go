package providers

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/time/rate"
)

// LimitOptions says what [Limit] allows. Zero means unlimited; a zero Parallel means the store's own Properties().Parallel.
type LimitOptions struct {
	Parallel int   // calls at one time
	Up       int64 // bytes a second, of Put
	Down     int64 // bytes a second, of Get and GetRange
}

// Limit bounds the calls in flight and the bytes a second. The pace of downloads is kept by waiting after each one, as
// sizes are not known before; so a single object passes at full speed and the next one waits. The loop body of a
// listing holds no place, so it may call the store even with Parallel 1.
func Limit(store Store, options *LimitOptions) Store {
	o := LimitOptions{}
	if options != nil {
		o = *options
	}
	if o.Parallel <= 0 {
		o.Parallel = max(1, store.Properties().Parallel)
	}
	return &limited{Store: store, places: make(chan struct{}, o.Parallel), up: limiter(o.Up), down: limiter(o.Down)}
}

// limiter allows bursts of a second's worth.
func limiter(bytes int64) *rate.Limiter {
	if bytes <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytes), int(min(bytes, 1<<30)))
}

type limited struct {
	Store    // Close
	places   chan struct{}
	up, down *rate.Limiter
}

// Unwrap implements Wrapper.
func (l *limited) Unwrap() Store { return l.Store }

// Properties implements Store; Parallel is what the limit leaves.
func (l *limited) Properties() Properties {
	p := l.Store.Properties()
	p.Parallel = min(p.Parallel, cap(l.places))
	return p
}

func (l *limited) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil { // select picks at random when both are ready
		return fmt.Errorf("providers: waiting for a place: %w", err)
	}
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("providers: waiting for a place: %w", ctx.Err())
	}
}

func (l *limited) leave() { <-l.places }

// pace waits until size bytes may pass, in portions that the limiter's burst allows.
func pace(ctx context.Context, limiter *rate.Limiter, size int) error {
	if limiter == nil {
		return nil
	}
	for size > 0 {
		portion := min(size, limiter.Burst())
		if err := limiter.WaitN(ctx, portion); err != nil {
			if ctx.Err() == nil { // the deadline would pass while waiting
				err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
			}
			return fmt.Errorf("providers: bandwidth limit: %w", err)
		}
		size -= portion
	}
	return nil
}

// Put implements Store.
func (l *limited) Put(ctx context.Context, name string, data []byte) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if err := pace(ctx, l.up, len(data)); err != nil {
		return err
	}
	return l.Store.Put(ctx, name, data)
}

// Get implements Store.
func (l *limited) Get(ctx context.Context, name string) ([]byte, error) {
	return l.download(ctx, func() ([]byte, error) { return l.Store.Get(ctx, name) })
}

// GetRange implements Store.
func (l *limited) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	return l.download(ctx, func() ([]byte, error) { return l.Store.GetRange(ctx, name, offset, length) })
}

func (l *limited) download(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	data, err := call()
	if err != nil {
		return nil, err
	}
	if err := pace(ctx, l.down, len(data)); err != nil {
		return nil, err
	}
	return data, nil
}

// Delete implements Store.
func (l *limited) Delete(ctx context.Context, names ...string) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return l.Store.Delete(ctx, names...)
}

// List implements Store. The place is given back around every step of the loop body.
func (l *limited) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := l.enter(ctx); err != nil {
			yield(Object{}, err)
			return
		}
		inside := true
		defer func() {
			if inside {
				l.leave()
			}
		}()
		for object, err := range l.Store.List(ctx, prefix) {
			l.leave()
			inside = false
			if !yield(object, err) || err != nil {
				return
			}
			if err := l.enter(ctx); err != nil {
				yield(Object{}, err)
				return
			}
			inside = true
		}
	}
}
