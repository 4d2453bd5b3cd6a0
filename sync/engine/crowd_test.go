package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// crowd is what those share who use one engine at once.
type crowd struct {
	*device
	old []engine.Item // that another device wrote before; some of the first are removed

	mu      sync.Mutex
	written map[container.MessageHash]string // what was acknowledged, by hash
	removed map[container.MessageHash]bool
	told    int // by the engine, one at a time
}

// contact is the one whom the n-th call is about.
func (c *crowd) contact(n int) string { return fmt.Sprintf("friend%d.eth", n%3) }

// calls are the exported methods of the engine, each of which a goroutine of its own calls again and again.
func (c *crowd) calls() map[string]func(ctx context.Context, n int) error {
	calls := c.writes()
	for _, more := range []map[string]func(context.Context, int) error{c.turns(), c.reads(), c.places()} {
		for name, call := range more {
			calls[name] = call
		}
	}
	return calls
}

func (c *crowd) writes() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"Append": func(ctx context.Context, n int) error {
			item := message(c.contact(n), 1_700_000_500_000+int64(n)*700, fmt.Sprint("new ", n))
			err := c.Append(ctx, item)
			if err == nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.written[item.Envelope.Hash] = item.Contact
			}
			return err
		},
		"Remove": func(ctx context.Context, n int) error {
			item := c.old[n]
			err := c.Remove(ctx, item.Contact, container.Tombstone{Hash: item.Envelope.Hash, Timestamp: item.Envelope.Timestamp})
			if err == nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.removed[item.Envelope.Hash] = true
			}
			return err
		},
		"Hide": func(ctx context.Context, n int) error { return c.Hide(ctx, c.contact(n), n%2 == 0) },
	}
}

func (c *crowd) turns() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"Pass": func(ctx context.Context, n int) error {
			_, err := c.Pass(ctx, engine.Work{Flush: n%3 == 0, Scrub: n%5 == 4, Settle: n%4 == 1})
			return err
		},
		"Look": func(ctx context.Context, _ int) error { return c.Look(ctx) },
		"Lacking": func(ctx context.Context, _ int) error {
			_, err := c.Lacking(ctx, nil)
			return err
		},
		"Recheck": func(ctx context.Context, _ int) error { return c.Recheck(ctx, c.Inventory().Objects...) },
		"Verify": func(ctx context.Context, n int) error {
			_, err := c.Verify(ctx, engine.VerifyOptions{Deep: n%2 == 0})
			return err
		},
		"Hold": func(ctx context.Context, _ int) error {
			release, err := c.Hold(ctx)
			if err == nil {
				release()
			}
			return err
		},
		"Forget": func(ctx context.Context, n int) error {
			if n != 3 {
				return nil
			}
			return c.Forget(ctx)
		},
		"Close": func(context.Context, int) error { return nil }, // once, see TestCrowd
	}
}

func (c *crowd) reads() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"Conversations": func(ctx context.Context, _ int) error {
			list, err := c.Conversations(ctx)
			for _, conversation := range list {
				if conversation.Contact == "" {
					return errors.New("a conversation with nobody is listed")
				}
			}
			return err
		},
		"Conversation": func(_ context.Context, n int) error { c.Conversation(c.contact(n)); return nil },
		"Count":        func(ctx context.Context, n int) error { c.Count(ctx, c.contact(n)); return nil },
		"ChangedSince": func(_ context.Context, n int) error { c.ChangedSince(uint64(n)); return nil },
		"Changed":      func(context.Context, int) error { c.Changed(); return nil },
		"Limit":        func(context.Context, int) error { c.Limit(); return nil },
		"Status":       func(context.Context, int) error { c.Status(); return nil },
		"Looks":        func(context.Context, int) error { c.Looks(); return nil },
		"Calm":         func(context.Context, int) error { c.Calm(0); return nil },
		"Ailing":       func(context.Context, int) error { c.Ailing(); return nil },
		"ForgetPortraits": func(context.Context, int) error {
			c.ForgetPortraits()
			return nil
		},
		"Stretches": func(ctx context.Context, n int) error {
			_, err := c.Stretches(ctx, c.contact(n))
			return err
		},
		"Messages": func(ctx context.Context, n int) error {
			_, err := c.Messages(ctx, c.contact(n), engine.Range{Last: n})
			return err
		},
		"Read": func(ctx context.Context, n int) error {
			_, err := c.Read(ctx, c.contact(n), engine.Window{First: 5, Local: n%2 == 0})
			return err
		},
		"Locate": func(ctx context.Context, n int) error {
			_, _, err := c.Locate(ctx, c.old[n].Contact, c.old[n].Envelope.Hash)
			return err
		},
		"Fetch": func(ctx context.Context, n int) error { return c.Fetch(ctx, c.contact(n), 0, 0, nil) },
	}
}

func (c *crowd) places() map[string]func(context.Context, int) error {
	return map[string]func(context.Context, int) error{
		"Pieces": func(_ context.Context, n int) error { c.Pieces(c.contact(n)); return nil },
		"ReadPiece": func(ctx context.Context, n int) error {
			var errs []error
			for _, piece := range c.Pieces(c.contact(n)) {
				_, err := c.ReadPiece(ctx, piece, n%2 == 0)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
		"Unconfirmed": func(ctx context.Context, _ int) error {
			return c.Unconfirmed(ctx, 0, func(uint64, string, *container.Chunk) error { return nil })
		},
		"CountUnconfirmed": func(_ context.Context, n int) error { c.CountUnconfirmed(c.contact(n), 0); return nil },
		"Inventory":        func(context.Context, int) error { c.Inventory(); return nil },
		"Tree": func(ctx context.Context, _ int) error {
			tree := c.Tree()
			for object := range tree.Objects() {
				sealed, kept := tree.Kept(object)
				if !kept {
					continue
				}
				tree.Examine(object, sealed)
				tree.Replaced(object)
				if _, err := tree.Superseded(ctx, object, sealed); err != nil {
					return err
				}
			}
			return nil
		},
		"Object": func(ctx context.Context, n int) error {
			objects := c.Inventory().Objects
			if len(objects) == 0 {
				return nil
			}
			_, err := c.Object(ctx, objects[n%len(objects)], n%2 == 0)
			return err
		},
		"PutBack": func(ctx context.Context, n int) error {
			objects := c.Inventory().Objects
			if len(objects) == 0 {
				return nil
			}
			object := objects[n%len(objects)]
			sealed, err := c.Object(ctx, object, true)
			if err != nil {
				return nil //nolint:nilerr // it is not here
			}
			return c.PutBack(ctx, object, sealed)
		},
	}
}

// run lets everybody call rounds times, from the first number on, and returns when all have come to an end. What others
// replaced, forgot or closed meanwhile is no failure.
func (c *crowd) run(ctx context.Context, first, rounds int) {
	var group sync.WaitGroup
	for name, call := range c.calls() {
		group.Go(func() {
			for n := first; n < first+rounds; n++ {
				err := call(ctx, n)
				expected := []error{engine.ErrClosed, engine.ErrNoConversation, engine.ErrNotHere, engine.ErrNoRoom, providers.ErrNotFound, context.Canceled}
				if err != nil && !slices.ContainsFunc(expected, func(target error) bool { return errors.Is(err, target) }) {
					c.t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
}

// TestCrowd: all methods of an engine may be called at once, while it is closed, too. What was acknowledged is there
// afterwards, and what was removed is not.
func TestCrowd(t *testing.T) {
	const rounds = 6
	place := memory.New(nil)
	change := func(o *engine.Options) {
		o.ChunkLimit, o.Inline, o.LookEvery, o.Warm, o.Neighbours = 8_000, 4_000, 2, 1<<20, 1
	}
	other := newDevice(t, place, change)
	c := &crowd{old: many(81, 3, 60), written: make(map[container.MessageHash]string), removed: make(map[container.MessageHash]bool)}
	other.append(c.old...)
	other.settle()
	c.device = &device{t: t, folder: "/cache", disk: cachetest.New(rand.New(rand.NewPCG(81, 81))).Start(), store: place, change: func(o *engine.Options) {
		change(o)
		o.Progress = func(engine.Progress) { c.told++ }
		o.Frugal = func() bool { c.told++; return false }
	}}
	c.open()
	t.Cleanup(c.close)
	for i := range reflect.TypeFor[*engine.Engine]().NumMethod() {
		if name := reflect.TypeFor[*engine.Engine]().Method(i).Name; c.calls()[name] == nil {
			t.Errorf("nobody calls %s", name)
		}
	}
	c.run(t.Context(), 0, rounds)

	closed := make(chan error)
	go func() { closed <- c.Engine.Close() }()
	c.run(t.Context(), rounds, 2)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := c.cache.Close(); err != nil {
		t.Error(err)
	}
	c.Engine = nil // else it would be closed once more where opening fails
	c.open()
	c.pass(engine.Work{Scrub: true, Settle: true})
	want := hashes(c.old)
	for hash, contact := range c.written {
		want[hash] = contact
	}
	for hash := range c.removed {
		delete(want, hash)
	}
	same(t, "in the end", c.holds(), want)
}
