package providertest

import (
	"context"
	"slices"

	"github.com/dm3sync/dm3sync/providers"
)

// TornOptions says how often a [Torn] tears.
type TornOptions struct {
	Seed    uint64
	Rate    float64 // probability that a put is torn
	Pretend bool    // claim the store's own properties instead of Durable false
}

// Torn is a store that acknowledges puts and keeps only the first part of some, from nothing to all but one byte.
type Torn struct {
	double
	options TornOptions
	torn    map[string]bool // guarded by the double's mutex
}

// NewTorn wraps store.
func NewTorn(store providers.Store, options *TornOptions) *Torn {
	t := &Torn{torn: make(map[string]bool)}
	if options != nil {
		t.options = *options
	}
	t.double = newDouble(store, t.options.Seed)
	return t
}

// Torn returns the sorted names of the objects that are torn now.
func (t *Torn) Torn() []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	names := make([]string, 0, len(t.torn))
	for name := range t.torn {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Properties implements providers.Store.
func (t *Torn) Properties() providers.Properties {
	p := t.Store.Properties()
	p.Durable = p.Durable && t.options.Pretend
	return p
}

// Put implements providers.Store.
func (t *Torn) Put(ctx context.Context, name string, data []byte) error {
	t.call(OperationPut, name)
	tear := len(data) > 0 && int64(len(data)) <= t.Store.Properties().MaxObject && t.happens(t.options.Rate)
	if tear {
		data = data[:t.below(len(data))]
	}
	if err := t.Store.Put(ctx, name, data); err != nil {
		return err
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.torn, name)
	if tear {
		t.torn[name] = true
	}
	return nil
}

// Delete implements providers.Store.
func (t *Torn) Delete(ctx context.Context, names ...string) error {
	t.call(OperationDelete, first(names))
	if err := t.Store.Delete(ctx, names...); err != nil {
		return err
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, name := range names {
		delete(t.torn, name)
	}
	return nil
}
