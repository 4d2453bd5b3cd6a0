package providers_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// busy notes how many calls are in it at most.
type busy struct {
	now, most atomic.Int64
}

func (b *busy) sleep(ctx context.Context, d time.Duration) error {
	now := b.now.Add(1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}
	defer b.now.Add(-1)
	return providers.Sleep(ctx, d)
}

func TestLimitParallel(t *testing.T) {
	for _, c := range []struct{ parallel, own, want int }{{3, 16, 3}, {0, 5, 5}, {0, 1, 1}, {20, 16, 20}} {
		synctest.Test(t, func(t *testing.T) {
			var b busy
			inner := memory.New(&memory.Options{Parallel: c.own})
			slow := providertest.NewSlow(inner, &providertest.SlowOptions{Shortest: time.Second, Longest: time.Second, Sleep: b.sleep})
			store := providers.Limit(slow, &providers.LimitOptions{Parallel: c.parallel})
			if p := store.Properties().Parallel; p != min(c.want, c.own) {
				t.Errorf("%+v: says %d", c, p)
			}
			var group sync.WaitGroup
			for i := range 60 {
				group.Go(func() {
					var err error
					switch name := fmt.Sprintf("a/%d", i); i % 4 {
					case 0:
						err = store.Put(t.Context(), name, nil)
					case 1:
						_, err = store.Get(t.Context(), name)
					case 2:
						err = store.Delete(t.Context(), name)
					case 3:
						for _, err = range store.List(t.Context(), name) {
						}
					}
					if err != nil && !errors.Is(err, providers.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if int(b.most.Load()) != c.want {
				t.Errorf("%+v: %d at once", c, b.most.Load())
			}
		})
	}
}

// TestLimitBandwidth: a second's worth passes at once, the rest at the pace, and one direction does not slow the other.
func TestLimitBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := providers.Limit(memory.New(nil), &providers.LimitOptions{Up: 1000, Down: 500})
		begun := time.Now()
		took := func(what string, want time.Duration, err error) {
			if spent := time.Since(begun); err != nil || (spent-want).Abs() > 10*time.Millisecond {
				t.Errorf("%s: %v, want %v (%v)", what, spent, want, err)
			}
			begun = time.Now()
		}
		took("first put", 0, store.Put(t.Context(), "a/1", make([]byte, 1000)))
		took("larger than a second", 3500*time.Millisecond, store.Put(t.Context(), "a/2", make([]byte, 3500)))
		_, err := store.Get(t.Context(), "a/1")
		took("first get", time.Second, err)
		_, err = store.GetRange(t.Context(), "a/1", 0, 250)
		took("range", 500*time.Millisecond, err)
		took("delete", 0, store.Delete(t.Context(), "a/1"))

		time.Sleep(10 * time.Minute) // full again
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := store.Put(ctx, "a/3", make([]byte, 5000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a put that can't be in time: %v", err)
		}
	})
}

// TestSharedPace: two stores share one limit, and a new one holds from the next portion on, without opening anything anew.
func TestSharedPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up providers.Pace
		one := providers.Limit(memory.New(nil), &providers.LimitOptions{SharedUp: &up})
		two := providers.Limit(memory.New(nil), &providers.LimitOptions{SharedUp: &up})
		both := func(size int) time.Duration {
			begun := time.Now()
			var group sync.WaitGroup
			for _, store := range []providers.Store{one, two} {
				group.Go(func() {
					if err := store.Put(t.Context(), "a/1", make([]byte, size)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			return time.Since(begun)
		}
		if took := both(1e6); took != 0 {
			t.Errorf("without a limit: %v", took)
		}
		up.Set(1000)
		if took := both(3000); (took - 5*time.Second).Abs() > 10*time.Millisecond { // a second's worth at once
			t.Errorf("with a limit: %v", took)
		}
		go func() {
			time.Sleep(3500 * time.Millisecond)
			up.Set(0)
		}()
		if took := both(1e6); took > 6*time.Second || took < 3*time.Second {
			t.Errorf("the limit was lifted after 3.5 s: %v", took)
		}
		if _, err := one.Get(t.Context(), "a/1"); err != nil || up.Rate() != 0 {
			t.Errorf("rate %d, error %v", up.Rate(), err)
		}
	})
}

// TestLimitListing: with a single place, the loop body may call the store, also when it leaves early or the context ends.
func TestLimitListing(t *testing.T) {
	store := providers.Limit(seeded(t), &providers.LimitOptions{Parallel: 1})
	for i := range 5 {
		if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), object.Name); err != nil {
			t.Error(err)
		}
	}
	for range store.List(t.Context(), "") {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, last = range store.List(ctx, "") {
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled in the loop: %v", last)
	}
	for range store.List(t.Context(), "not-there") {
		t.Error("nothing to list")
	}
	if err := store.Put(t.Context(), "a/9", nil); err != nil { // the place was given back each time
		t.Error(err)
	}
	if err := store.Put(ctx, "a/9", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCount(t *testing.T) {
	store := providers.Count(script(memory.New(nil), false, providers.ErrTransient))
	put := func(name string, size int) error { return store.Put(t.Context(), name, make([]byte, size)) }
	if put("a/0", 100) == nil {
		t.Error("no fault")
	}
	names := make([]string, 2001)
	for i := range names {
		names[i] = fmt.Sprintf("a/%d", i)
		if err := put(names[i], 1); err != nil {
			t.Fatal(err)
		}
	}
	before := store.Counts()
	if want := (providers.Counts{Puts: 2002, Failed: 1, Up: 2101}); before != want {
		t.Errorf("%+v", before)
	}
	store.Get(t.Context(), "a/0")
	store.Get(t.Context(), "a/none")
	store.GetRange(t.Context(), "a/1", 0, 5)
	for range store.List(t.Context(), "") {
	}
	for range store.List(t.Context(), "b/") {
	}
	for range store.List(t.Context(), "") {
		break
	}
	store.Delete(t.Context())
	store.Delete(t.Context(), names[0])
	store.Delete(t.Context(), names...)
	got := store.Counts().Minus(before)
	want := providers.Counts{
		Gets: 2, Ranges: 1, Lists: 3 + 1 + 1, Deletes: 1 + 3, Failed: 1, Down: 2, Listed: 2002, Deleted: 2002,
	}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got.Requests() != 12 {
		t.Errorf("%d requests", got.Requests())
	}
}
