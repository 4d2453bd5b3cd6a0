// Package transfer copies an account's objects, sealed as they are, into a file or to whoever reads a stream.
//
// Place in the import order: beside sync/engine, of which it uses the types alone; below internal/api.
package transfer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Parallel is how many objects are copied at once.
const Parallel = 8

// copyRounds is how many lists of objects are copied, when others write meanwhile.
const copyRounds = 8

// Source is the account whose objects are copied; api.Objects is one. Its methods are safe for concurrent use.
type Source interface {
	// Inventory lists the objects in use; see [engine.Engine.Inventory].
	Inventory(ctx context.Context) (engine.Inventory, error)
	// Object returns one of them; see [engine.Engine.Object].
	Object(ctx context.Context, name string, cached bool) ([]byte, error)
}

// Target is what objects are copied to. Its methods may be called concurrently.
type Target interface {
	// Has tells whether an object is there already.
	Has(name string) bool
	// Put adds an object.
	Put(ctx context.Context, name string, sealed []byte) error
	// Remove takes out what is there of some containers and not in a list, and returns how many that were.
	Remove(ctx context.Context, keep engine.Inventory) (int, error)
}

// Result is what was copied.
type Result struct {
	Objects int   `json:"objects"` // in use
	Added   int64 `json:"added"`
	Bytes   int64 `json:"bytes"` // of what was added
	Removed int   `json:"removed"`
	// Cached says that the provider could not be reached, so that this is what the device knew.
	Cached  bool     `json:"cached,omitempty"`
	Missing []string `json:"missing,omitempty"` // objects that could not be had
}

// Copier copies all objects of an account, states before heads, until one list of them was copied whole. All fields must
// be set.
type Copier struct {
	From     Source
	To       Target
	Look     func() error // reads what is new at the provider
	Progress func(engine.Progress)
	Result   *Result // Cached may be set already
}

// Unreachable tells a place that can't be asked, or shows nothing, from faults of this device.
func Unreachable(err error) bool {
	for _, target := range []error{providers.ErrTransient, providers.ErrUnauthorised, providers.ErrQuota, providers.ErrRateLimited, engine.ErrBlocked} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Run copies. What can't be had stands in the result; an error is the target's, or a fault of this device.
func (c *Copier) Run(ctx context.Context) error {
	var before []string
	for range copyRounds {
		list, err := c.From.Inventory(ctx)
		if err != nil {
			return err
		}
		heads := func(name string) bool { return strings.HasPrefix(name, list.Containers[0]+"/") }
		at := slices.IndexFunc(list.Objects, heads)
		if at < 0 {
			at = len(list.Objects)
		}
		c.Result.Objects = len(list.Objects)
		absent, err := c.copy(ctx, list.Objects[:at])
		if err != nil {
			return err
		}
		settled := len(absent) == 0 || c.Result.Cached || slices.Equal(absent, before)
		if settled {
			// What is named and can't be had is missing in any case, and the heads say that it is.
			gone, err := c.copy(ctx, list.Objects[at:])
			if err != nil {
				return err
			}
			absent = append(absent, gone...)
			settled = len(gone) == 0 || c.Result.Cached || slices.Equal(absent, before)
		}
		c.Result.Missing, before = absent, absent
		if settled {
			return c.finish(ctx, list)
		}
		if err := c.Look(); err != nil && !Unreachable(err) {
			return err
		}
	}
	return nil // others write all the time; what is missing is told
}

// finish removes what is no longer in use; not while something is missing, which old objects may hold.
func (c *Copier) finish(ctx context.Context, list engine.Inventory) (err error) {
	if len(c.Result.Missing) == 0 && !c.Result.Cached {
		c.Result.Removed, err = c.To.Remove(ctx, list)
	}
	return err
}

// copy copies what the target lacks, and returns, sorted, what could not be had. When the provider can't be reached any
// more, only the cache is asked.
func (c *Copier) copy(ctx context.Context, names []string) (absent []string, err error) {
	var mutex sync.Mutex
	var offline atomic.Bool
	offline.Store(c.Result.Cached)
	done := int64(0)
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(Parallel)
	for _, name := range names {
		if c.To.Has(name) {
			mutex.Lock()
			done++
			mutex.Unlock()
			continue
		}
		group.Go(func() error {
			sealed, err := c.From.Object(groupContext, name, offline.Load())
			if err != nil && groupContext.Err() == nil && Unreachable(err) {
				offline.Store(true)
			}
			lost := err != nil && groupContext.Err() == nil &&
				(Unreachable(err) || errors.Is(err, providers.ErrNotFound) || errors.Is(err, seal.ErrDamaged) || errors.Is(err, seal.ErrOtherKey))
			if err != nil && !lost {
				return err
			}
			if !lost {
				err = c.To.Put(groupContext, name, sealed)
			}
			mutex.Lock()
			defer mutex.Unlock()
			done++
			c.Progress(engine.Progress{Step: "export", Done: done, Total: int64(len(names)), Unit: "objects"})
			if lost {
				absent = append(absent, name)
				return nil
			}
			c.Result.Added++
			c.Result.Bytes += int64(len(sealed))
			return err
		})
	}
	err = group.Wait()
	c.Result.Cached = offline.Load()
	slices.Sort(absent)
	return absent, err
}

// NewPipe is a target that is written once, from its front. The caller finishes the writer.
func NewPipe(w *archive.Writer) Target { return &pipe{writer: w, names: make(map[string]bool)} }

// pipe is a target that is written once, from its front.
type pipe struct {
	mutex  sync.Mutex
	writer *archive.Writer
	names  map[string]bool
}

func (t *pipe) Has(name string) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.names[name]
}

func (t *pipe) Put(_ context.Context, name string, sealed []byte) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.names[name] = true
	return t.writer.Add(name, sealed)
}

func (t *pipe) Remove(context.Context, engine.Inventory) (int, error) { return 0, nil }
