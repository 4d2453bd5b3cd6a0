package providers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/time/rate"
)

// LimitOptions says what [Limit] allows. Zero means unlimited; a zero Parallel means the store's own Properties().Parallel.
type LimitOptions struct {
	Parallel int   // calls at one time
	Up       int64 // bytes a second, of Put
	Down     int64 // bytes a second, of Get and GetRange

	// SharedUp and SharedDown bound this store together with others; nil is no bound.
	SharedUp, SharedDown *Pace
}

// Pace is a limit of bytes a second that several stores share, and that can change while they
// work. The zero value has no limit. It is safe for concurrent use.
type Pace struct {
	mu      sync.Mutex
	rate    int64
	limiter *rate.Limiter // nil: no limit
}

// Set changes the limit, in bytes a second; 0 is none. Who waits by the old one for a portion, a
// second's worth at most, goes on by the new one then.
func (p *Pace) Set(bytesPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate != bytesPerSecond {
		p.rate, p.limiter = bytesPerSecond, limiter(bytesPerSecond)
	}
}

// Rate is the limit in bytes a second; 0 is none.
func (p *Pace) Rate() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}

// wait waits until size bytes may pass.
func (p *Pace) wait(ctx context.Context, size int) error {
	for p != nil && size > 0 {
		p.mu.Lock()
		current := p.limiter
		p.mu.Unlock()
		if current == nil {
			return nil
		}
		portion := min(size, current.Burst())
		if err := pace(ctx, current, portion); err != nil {
			return err
		}
		size -= portion
	}
	return nil
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
	return &limited{Store: store, places: make(chan struct{}, o.Parallel), up: limiter(o.Up), down: limiter(o.Down), sharedUp: o.SharedUp, sharedDown: o.SharedDown}
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

	sharedUp, sharedDown *Pace
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
	if err := errors.Join(pace(ctx, l.up, len(data)), l.sharedUp.wait(ctx, len(data))); err != nil {
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
	if err := errors.Join(pace(ctx, l.down, len(data)), l.sharedDown.wait(ctx, len(data))); err != nil {
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
