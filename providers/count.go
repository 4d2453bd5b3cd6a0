package providers

import (
	"context"
	"iter"
	"sync/atomic"
)

// PageNames is how many names a [Counter] takes for one request of a listing or a deletion: what S3 allows.
const PageNames = 1000

// Counts are requests and bytes since the start. Requests are counted as S3 would bill them: a listing is one for each
// begun 1,000 names and at least one; a deletion one for each begun 1,000 names. A failed call counts too.
type Counts struct {
	Puts    int64 `json:"puts"` // requests
	Gets    int64 `json:"gets"`
	Ranges  int64 `json:"ranges"`
	Lists   int64 `json:"lists"`
	Deletes int64 `json:"deletes"`
	Failed  int64 `json:"failed"` // calls that returned an error, also counted above
	Up      int64 `json:"up"`     // bytes of objects put
	Down    int64 `json:"down"`   // bytes of objects and ranges got
	Listed  int64 `json:"listed"` // names
	Deleted int64 `json:"deleted"`
}

// Requests is the sum of all requests.
func (c Counts) Requests() int64 { return c.Puts + c.Gets + c.Ranges + c.Lists + c.Deletes }

// Minus returns what happened since earlier.
func (c Counts) Minus(earlier Counts) Counts {
	return Counts{
		Puts: c.Puts - earlier.Puts, Gets: c.Gets - earlier.Gets, Ranges: c.Ranges - earlier.Ranges,
		Lists: c.Lists - earlier.Lists, Deletes: c.Deletes - earlier.Deletes, Failed: c.Failed - earlier.Failed,
		Up: c.Up - earlier.Up, Down: c.Down - earlier.Down,
		Listed: c.Listed - earlier.Listed, Deleted: c.Deleted - earlier.Deleted,
	}
}

// Counter is a store that counts what passes. As the innermost decorator it sees every attempt.
type Counter struct {
	Store                              // Properties and Close
	puts, gets, ranges, lists, deletes atomic.Int64
	failed, up, down, listed, deleted  atomic.Int64
}

// Count wraps store.
func Count(store Store) *Counter { return &Counter{Store: store} }

// Unwrap implements Wrapper.
func (c *Counter) Unwrap() Store { return c.Store }

// Counts returns the counts so far. While calls are under way the fields may be of slightly different moments.
func (c *Counter) Counts() Counts {
	return Counts{
		Puts: c.puts.Load(), Gets: c.gets.Load(), Ranges: c.ranges.Load(), Lists: c.lists.Load(), Deletes: c.deletes.Load(),
		Failed: c.failed.Load(), Up: c.up.Load(), Down: c.down.Load(), Listed: c.listed.Load(), Deleted: c.deleted.Load(),
	}
}

func (c *Counter) failedIf(err error) error {
	if err != nil {
		c.failed.Add(1)
	}
	return err
}

// Put implements Store.
func (c *Counter) Put(ctx context.Context, name string, data []byte) error {
	c.puts.Add(1)
	c.up.Add(int64(len(data)))
	return c.failedIf(c.Store.Put(ctx, name, data))
}

// Get implements Store.
func (c *Counter) Get(ctx context.Context, name string) ([]byte, error) {
	c.gets.Add(1)
	data, err := c.Store.Get(ctx, name)
	c.down.Add(int64(len(data)))
	return data, c.failedIf(err)
}

// GetRange implements Store.
func (c *Counter) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	c.ranges.Add(1)
	data, err := c.Store.GetRange(ctx, name, offset, length)
	c.down.Add(int64(len(data)))
	return data, c.failedIf(err)
}

// List implements Store. Requests are counted when the loop over them begins and goes on, not when List is called.
func (c *Counter) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		c.lists.Add(1)
		names := 0
		for object, err := range c.Store.List(ctx, prefix) {
			if c.failedIf(err) == nil {
				if names++; names > PageNames {
					c.lists.Add(1)
					names = 1
				}
				c.listed.Add(1)
			}
			if !yield(object, err) {
				return
			}
		}
	}
}

// Delete implements Store.
func (c *Counter) Delete(ctx context.Context, names ...string) error {
	c.deletes.Add(int64((len(names) + PageNames - 1) / PageNames))
	c.deleted.Add(int64(len(names)))
	return c.failedIf(c.Store.Delete(ctx, names...))
}
