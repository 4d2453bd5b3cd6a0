package providertest

import (
	"bytes"
	"context"
	"iter"

	"github.com/dm3sync/dm3sync/providers"
)

// LyingOptions holds the probabilities of the lies of a [Lying].
type LyingOptions struct {
	Seed uint64
	Flip float64 // a get, whole or range, returns one flipped bit
	Swap float64 // a get, whole or range, returns another object's bytes
	Keep float64 // a deletion is acknowledged and not done, drawn for each name
	Lose float64 // a put is acknowledged and not done
	Hide float64 // a listing leaves out an object, drawn for each
	// Pretend claims the store's own properties. Otherwise Keep, Lose and Hide are admitted (Deletes, Durable and
	// CurrentListings are false); no property admits Flip and Swap.
	Pretend bool
}

// Lying is a store that answers wrongly without any error.
type Lying struct {
	double
	options LyingOptions
	names   []string // put so far, for Swap; guarded by the double's mutex
}

// NewLying wraps store.
func NewLying(store providers.Store, options *LyingOptions) *Lying {
	l := &Lying{}
	if options != nil {
		l.options = *options
	}
	l.double = newDouble(store, l.options.Seed)
	return l
}

// Properties implements providers.Store.
func (l *Lying) Properties() providers.Properties {
	p := l.Store.Properties()
	if !l.options.Pretend {
		p.Deletes = p.Deletes && l.options.Keep == 0
		p.Durable = p.Durable && l.options.Lose == 0
		p.CurrentListings = p.CurrentListings && l.options.Hide == 0
	}
	return p
}

// Put implements providers.Store.
func (l *Lying) Put(ctx context.Context, name string, data []byte) error {
	l.call(OperationPut, name)
	honest := ctx.Err() != nil || providers.ValidateName(name) != nil || int64(len(data)) > l.Store.Properties().MaxObject
	if !honest && l.happens(l.options.Lose) {
		return nil
	}
	if err := l.Store.Put(ctx, name, data); err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.names = append(l.names, name)
	return nil
}

// Get implements providers.Store.
func (l *Lying) Get(ctx context.Context, name string) ([]byte, error) {
	l.call(OperationGet, name)
	return l.read(name, func(name string) ([]byte, error) { return l.Store.Get(ctx, name) })
}

// GetRange implements providers.Store.
func (l *Lying) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	l.call(OperationRange, name)
	return l.read(name, func(name string) ([]byte, error) { return l.Store.GetRange(ctx, name, offset, length) })
}

func (l *Lying) read(name string, get func(name string) ([]byte, error)) ([]byte, error) {
	data, err := get(name)
	if err != nil {
		return nil, err
	}
	if l.happens(l.options.Swap) {
		if other, err := get(l.other()); err == nil && !bytes.Equal(other, data) {
			return other, nil
		}
	}
	if len(data) > 0 && l.happens(l.options.Flip) {
		data[l.below(len(data))] ^= 1 << l.below(8)
	}
	return data, nil
}

// other draws one of the names put so far.
func (l *Lying) other() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.names) == 0 {
		return "none"
	}
	return l.names[l.random.IntN(len(l.names))]
}

// List implements providers.Store.
func (l *Lying) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		l.call(OperationList, prefix)
		for object, err := range l.Store.List(ctx, prefix) {
			if err == nil && l.happens(l.options.Hide) {
				continue
			}
			if !yield(object, err) {
				return
			}
		}
	}
}

// Delete implements providers.Store.
func (l *Lying) Delete(ctx context.Context, names ...string) error {
	l.call(OperationDelete, first(names))
	done := make([]string, 0, len(names))
	for _, name := range names {
		if ctx.Err() != nil || providers.ValidateName(name) != nil || !l.happens(l.options.Keep) {
			done = append(done, name)
		}
	}
	return l.Store.Delete(ctx, done...)
}
