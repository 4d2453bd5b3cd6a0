package agent

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
)

// openingMoment is how long opening an account waits for its provider; what
// comes later is used from then on.
const openingMoment = 2 * time.Second

// decorate puts the limits and retries around a counted store. The counter is
// innermost, so that it sees what the provider sees.
func decorate(counter *providers.Counter, p config.Provider, o *AccountOptions) providers.Store {
	limits := providers.LimitOptions{
		Parallel: p.Parallel, Up: int64(p.BytesPerSecond), Down: int64(p.BytesPerSecond), SharedUp: o.Up, SharedDown: o.Down,
	}
	return providers.Retry(providers.Limit(counter, &limits), &providers.RetryOptions{
		Attempts: o.Attempts,
		Notify: func(operation string, attempt int, err error, wait time.Duration) {
			o.Log.Debug("the place did not answer as it should, trying again", "operation", operation, "attempt", attempt, "wait", wait, "error", err)
		},
	})
}

// lazyStore is a provider that is opened when it is first needed, and again
// after a failure: a drive that is not mounted yet, or a credential that is not
// there yet, costs nothing but time. One attempt runs at a time; those who wait
// for it leave when their context ends, even if the attempt hangs.
type lazyStore struct {
	open   func(context.Context) (providers.Store, error)
	before providers.Properties // until it is open

	mu      sync.Mutex
	store   providers.Store
	attempt *attempt
	closed  bool
}

// attempt is one running attempt to open; its fields are set before done closes.
type attempt struct {
	done  chan struct{}
	store providers.Store
	err   error
}

func newLazyStore(p config.Provider, open func(context.Context) (providers.Store, error)) *lazyStore {
	parallel := p.Parallel
	if parallel <= 0 {
		parallel = 8
	}
	return &lazyStore{open: open, before: providers.Properties{
		// Promises nothing: what is not promised is checked.
		Kind: p.Kind, Carried: p.Carried, MaxObject: providers.DefaultMaxObject, Parallel: parallel,
	}}
}

// tryOpening opens the store if that takes only a moment. The error comes again
// with the first operation.
func (l *lazyStore) tryOpening(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, openingMoment)
	defer cancel()
	_, _ = l.get(ctx)
}

// get returns the open store, or waits for an attempt to open it.
func (l *lazyStore) get(ctx context.Context) (providers.Store, error) {
	l.mu.Lock()
	store, running := l.store, l.attempt
	if store == nil && running == nil && !l.closed {
		running = l.begin(ctx)
	}
	l.mu.Unlock()
	switch {
	case store != nil:
		return store, nil
	case running == nil:
		return nil, fmt.Errorf("agent: opening the place: %w", context.Canceled)
	}
	select {
	case <-running.done:
		return running.store, running.err
	case <-ctx.Done():
		return nil, fmt.Errorf("agent: waiting for the place to open: %w", ctx.Err())
	}
}

// begin starts an attempt; l.mu is held. It outlives the context of who asked,
// since others may wait for it, too; a store that comes after Close is closed.
func (l *lazyStore) begin(ctx context.Context) *attempt {
	running := &attempt{done: make(chan struct{})}
	l.attempt = running
	go func() {
		store, err := l.open(context.WithoutCancel(ctx))
		if err != nil {
			store, err = nil, fmt.Errorf("agent: opening the place: %w", err)
		}
		l.mu.Lock()
		running.store, running.err = store, err
		l.store, l.attempt = store, nil
		closed := l.closed
		l.mu.Unlock()
		close(running.done)
		if closed && store != nil {
			_ = store.Close() // nobody is left to tell
		}
	}()
	return running
}

// Properties implements providers.Store. Until the store is open they promise
// nothing.
func (l *lazyStore) Properties() providers.Properties {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store != nil {
		return l.store.Properties()
	}
	return l.before
}

// Put implements providers.Store.
func (l *lazyStore) Put(ctx context.Context, name string, data []byte) error {
	store, err := l.get(ctx)
	if err != nil {
		return err
	}
	return store.Put(ctx, name, data)
}

// Get implements providers.Store.
func (l *lazyStore) Get(ctx context.Context, name string) ([]byte, error) {
	store, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return store.Get(ctx, name)
}

// GetRange implements providers.Store.
func (l *lazyStore) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	store, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return store.GetRange(ctx, name, offset, length)
}

// List implements providers.Store.
func (l *lazyStore) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	store, err := l.get(ctx)
	if err != nil {
		return providers.Fail(err)
	}
	return store.List(ctx, prefix)
}

// Delete implements providers.Store.
func (l *lazyStore) Delete(ctx context.Context, names ...string) error {
	store, err := l.get(ctx)
	if err != nil {
		return err
	}
	return store.Delete(ctx, names...)
}

// Watch implements providers.Watcher: it waits until the store is open. A store
// that cannot tell gives a nil channel.
func (l *lazyStore) Watch(ctx context.Context) (<-chan struct{}, error) {
	store, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return providers.Watch(ctx, store)
}

// Close implements providers.Store. It does not wait for an attempt that hangs.
func (l *lazyStore) Close() error {
	l.mu.Lock()
	store := l.store
	l.closed = true
	l.mu.Unlock()
	if store == nil {
		return nil
	}
	return store.Close()
}
