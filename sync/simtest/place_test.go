package simtest

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

var errCut = errors.New("simtest: the device is cut off")

// place is one device's view of the shared store. After budget requests all
// fail, as for a device that crashed or lost its network; the request at the
// edge fails with or without having had its effect. Listings may lag behind.
type place struct {
	providers.Store
	mu     sync.Mutex
	random *rand.Rand
	budget int // requests left; negative is no bound
	stale  bool
	shown  map[string][]providers.Object // by prefix, the listing of last time
	honest bool                          // promises durable puts
}

func (p *place) Properties() providers.Properties {
	properties := p.Store.Properties()
	properties.Durable = p.honest
	properties.CurrentListings = !p.stale
	return properties
}

// spend takes one request from the budget. effect tells whether the request
// reaches the store; err is what the device sees.
func (p *place) spend() (effect bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.budget < 0:
		return true, nil
	case p.budget == 0:
		return false, errCut
	}
	p.budget--
	if p.budget == 0 {
		return p.random.IntN(2) == 0, errCut
	}
	return true, nil
}

func (p *place) Put(ctx context.Context, name string, data []byte) error {
	effect, err := p.spend()
	if effect {
		err = errors.Join(err, p.Store.Put(ctx, name, data))
	}
	return err
}

func (p *place) Get(ctx context.Context, name string) ([]byte, error) {
	if _, err := p.spend(); err != nil {
		return nil, err
	}
	return p.Store.Get(ctx, name)
}

func (p *place) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if _, err := p.spend(); err != nil {
		return nil, err
	}
	return p.Store.GetRange(ctx, name, offset, length)
}

func (p *place) Delete(ctx context.Context, names ...string) error {
	effect, err := p.spend()
	if effect {
		err = errors.Join(err, p.Store.Delete(ctx, names...))
	}
	return err
}

func (p *place) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if _, err := p.spend(); err != nil {
			yield(providers.Object{}, err)
			return
		}
		var fresh []providers.Object
		for object, err := range p.Store.List(ctx, prefix) {
			if err != nil {
				yield(object, err)
				return
			}
			fresh = append(fresh, object)
		}
		p.mu.Lock()
		old, seen := p.shown[prefix]
		p.shown[prefix] = fresh
		if p.stale && seen && p.random.IntN(3) == 0 {
			fresh = old
		}
		p.mu.Unlock()
		for _, object := range fresh {
			if !yield(object, nil) {
				return
			}
		}
	}
}
