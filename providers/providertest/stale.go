package providertest

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// StaleOptions says by how much the listings of a [Stale] lag.
type StaleOptions struct {
	Seed       uint64
	Operations int64            // a change is hidden from a listing until this many later calls have begun
	Age        time.Duration    // and until it is this old
	Random     bool             // both lags are drawn anew for each listing, from zero to the above: listings go back and forth
	Now        func() time.Time // time.Now
	Pretend    bool             // claim the store's own properties instead of CurrentListings false
}

// Stale is a store whose listings show an earlier state: fresh objects are missing, deleted ones still there. Everything
// else is current. All callers of one Stale share one lag.
type Stale struct {
	double
	options StaleOptions
	recent  []change // oldest first; guarded by the double's mutex
}

// change remembers what a listing showed of a name before a call changed it.
type change struct {
	call   int64
	at     time.Time
	before providers.Object
	listed bool
}

// NewStale wraps store.
func NewStale(store providers.Store, options *StaleOptions) *Stale {
	s := &Stale{}
	if options != nil {
		s.options = *options
	}
	if s.options.Now == nil {
		s.options.Now = time.Now
	}
	s.double = newDouble(store, s.options.Seed)
	return s
}

// Settle makes everything that happened so far visible.
func (s *Stale) Settle() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.recent = nil
}

// Properties implements providers.Store.
func (s *Stale) Properties() providers.Properties {
	p := s.Store.Properties()
	p.CurrentListings = p.CurrentListings && s.options.Pretend
	return p
}

// Put implements providers.Store.
func (s *Stale) Put(ctx context.Context, name string, data []byte) error {
	return s.changes(ctx, OperationPut, []string{name}, func() error { return s.Store.Put(ctx, name, data) })
}

// Delete implements providers.Store.
func (s *Stale) Delete(ctx context.Context, names ...string) error {
	return s.changes(ctx, OperationDelete, names, func() error { return s.Store.Delete(ctx, names...) })
}

// changes makes a call that changes names, remembering how they were listed before.
func (s *Stale) changes(ctx context.Context, operation Operation, names []string, call func() error) error {
	number := s.call(operation, first(names)).Number
	fresh := make([]change, 0, len(names))
	for _, name := range names {
		c := change{call: number, at: s.options.Now(), before: providers.Object{Name: name}}
		for object, err := range s.Store.List(ctx, name) {
			if err == nil && object.Name == name {
				c.before, c.listed = object, true
			}
		}
		fresh = append(fresh, c)
	}
	s.mutex.Lock()
	s.recent = append(s.recent, fresh...) // before the effect, so that no listing between sees it
	s.mutex.Unlock()
	return call()
}

// Get implements providers.Store.
func (s *Stale) Get(ctx context.Context, name string) ([]byte, error) {
	s.call(OperationGet, name)
	return s.Store.Get(ctx, name)
}

// GetRange implements providers.Store.
func (s *Stale) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	s.call(OperationRange, name)
	return s.Store.GetRange(ctx, name, offset, length)
}

// List implements providers.Store.
func (s *Stale) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		old := s.view(s.call(OperationList, prefix).Number)
		for object, err := range s.Store.List(ctx, prefix) {
			if _, hidden := old[object.Name]; hidden && err == nil {
				continue
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
		for name, c := range old {
			if c.listed && strings.HasPrefix(name, prefix) && !yield(c.before, nil) {
				return
			}
		}
	}
}

// view returns, for every name whose latest changes the listing with the given number must not show, how it was before
// them. Changes that no listing will hide any more are forgotten.
func (s *Stale) view(number int64) map[string]change {
	operations, age := s.options.Operations, s.options.Age
	if s.options.Random {
		operations, age = int64(s.below(int(operations)+1)), time.Duration(s.below(int(age)+1))
	}
	now := s.options.Now()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	hidden := func(c change, operations int64, age time.Duration) bool {
		return number-c.call <= operations || now.Sub(c.at) < age
	}
	old, kept := make(map[string]change), s.recent[:0]
	for _, c := range s.recent {
		if _, earlier := old[c.before.Name]; !earlier && hidden(c, operations, age) {
			old[c.before.Name] = c
		}
		if hidden(c, s.options.Operations, s.options.Age) {
			kept = append(kept, c)
		}
	}
	s.recent = kept
	return old
}
