package providers_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// script makes a store whose calls fail, one after the other, with the given errors (nil: not).
func script(store providers.Store, after bool, faults ...error) *providertest.Faulty {
	return providertest.NewFaulty(store, &providertest.FaultyOptions{Script: func(c providertest.Call) providertest.Fault {
		if int(c.Number) > len(faults) {
			return providertest.Fault{}
		}
		if after {
			return providertest.Fault{After: faults[c.Number-1]}
		}
		return providertest.Fault{Before: faults[c.Number-1]}
	}})
}

// waits notes the waits and lets no time pass.
type waits []time.Duration

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	*w = append(*w, d)
	return ctx.Err()
}

func half() float64 { return 0.5 } // no jitter: the factor is 0.5 more than this

func calls(store providers.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"put": func(ctx context.Context) error { return store.Put(ctx, "a/1", []byte("x")) },
		"get": func(ctx context.Context) error {
			data, err := store.Get(ctx, "a/0")
			if err == nil && string(data) != "old" {
				err = fmt.Errorf("got %q", data)
			}
			return err
		},
		"range": func(ctx context.Context) error {
			data, err := store.GetRange(ctx, "a/0", 1, 1)
			if err == nil && string(data) != "l" {
				err = fmt.Errorf("got %q", data)
			}
			return err
		},
		"delete": func(ctx context.Context) error { return store.Delete(ctx, "a/1") },
		"list": func(ctx context.Context) error {
			found := 0
			for _, err := range store.List(ctx, "a/0") {
				if err != nil {
					return err
				}
				found++
			}
			if found != 1 {
				return fmt.Errorf("listed %d", found)
			}
			return nil
		},
	}
}

func seeded(t *testing.T) *memory.Store {
	t.Helper()
	store := memory.New(nil)
	if err := store.Put(t.Context(), "a/0", []byte("old")); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestRetry(t *testing.T) {
	transient := fmt.Errorf("wrapped: %w", providers.ErrTransient)
	limited := func(d time.Duration) error { return &providers.RateLimitError{Wait: d} }
	second := time.Second
	for _, c := range []struct {
		name   string
		faults []error
		waits  []time.Duration
		want   error // nil: succeeds
	}{
		{"no fault", nil, nil, nil},
		{"one", []error{transient}, []time.Duration{second}, nil},
		{"growing", []error{transient, transient, transient}, []time.Duration{second, 2 * second, 3 * second}, nil}, // Longest is 3 s
		{"too many", []error{transient, transient, transient, transient}, []time.Duration{second, 2 * second, 3 * second}, providers.ErrTransient},
		{"asked to wait", []error{limited(20 * second)}, []time.Duration{20 * second}, nil},
		{"asked to wait a little", []error{limited(time.Millisecond)}, []time.Duration{second}, nil},
		{"asked to wait, not how long", []error{limited(0), limited(0)}, []time.Duration{second, 2 * second}, nil},
		{"asked to wait too long", []error{limited(time.Hour)}, nil, providers.ErrRateLimited},
		{"permanent", []error{providers.ErrUnauthorised}, nil, providers.ErrUnauthorised},
		{"permanent after transient", []error{transient, providers.ErrQuota}, []time.Duration{second}, providers.ErrQuota},
		{"unknown", []error{context.DeadlineExceeded}, nil, context.DeadlineExceeded},
	} {
		for _, after := range []bool{false, true} {
			for operation := range calls(nil) {
				var slept waits
				var notified int
				store := providers.Retry(script(seeded(t), after, c.faults...), &providers.RetryOptions{
					Attempts: 4, First: second, Longest: 3 * second, MaxWait: time.Minute, Sleep: slept.sleep, Random: half,
					Notify: func(string, int, error, time.Duration) { notified++ },
				})
				err := calls(store)[operation](t.Context())
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("%s, %s, after %v: %v, want %v", c.name, operation, after, err, c.want)
				}
				if !slices.Equal(slept, c.waits) || notified != len(c.waits) {
					t.Errorf("%s, %s, after %v: waited %v, want %v", c.name, operation, after, slept, c.waits)
				}
			}
		}
	}
}

// TestRetryJitter: waits spread over half to one and a half of the step, and never above the longest.
func TestRetryJitter(t *testing.T) {
	random := 0.0
	for _, c := range []struct {
		random float64
		want   []time.Duration
	}{
		{0, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}},
		{0.999999, []time.Duration{15 * time.Second, 30 * time.Second, 40 * time.Second}},
	} {
		var slept waits
		random = c.random
		faults := []error{providers.ErrTransient, providers.ErrTransient, providers.ErrTransient}
		store := providers.Retry(script(seeded(t), false, faults...), &providers.RetryOptions{
			First: 10 * time.Second, Longest: 40 * time.Second, Sleep: slept.sleep, Random: func() float64 { return random },
		})
		if err := store.Put(t.Context(), "a/1", nil); err != nil {
			t.Fatal(err)
		}
		for i, d := range slept {
			if (d - c.want[i]).Abs() > time.Millisecond {
				t.Errorf("random %v: waited %v", c.random, slept)
			}
		}
	}
}

// TestRetryCancelled: the context's end is the error, during a wait and after a failed call, and nothing more is tried.
func TestRetryCancelled(t *testing.T) {
	for operation := range calls(nil) {
		ctx, cancel := context.WithCancel(t.Context())
		faulty := script(seeded(t), false, providers.ErrTransient, providers.ErrTransient)
		store := providers.Retry(faulty, &providers.RetryOptions{Sleep: func(ctx context.Context, _ time.Duration) error {
			cancel()
			return ctx.Err()
		}})
		err := calls(store)[operation](ctx)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, providers.ErrTransient) || faulty.Calls() != 1 {
			t.Errorf("%s: %v after %d calls", operation, err, faulty.Calls())
		}
		if err := calls(store)[operation](ctx); !errors.Is(err, context.Canceled) || faulty.Calls() != 2 {
			t.Errorf("%s, cancelled before: %v after %d calls", operation, err, faulty.Calls())
		}
	}
}

// TestRetryListing: listings that break off again and again still give each name once, and all of them.
func TestRetryListing(t *testing.T) {
	store := memory.New(nil)
	for i := range 200 {
		if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	faults := slices.Repeat([]error{providers.ErrTransient}, 9)
	var slept waits
	retried := providers.Retry(script(store, true, faults...), &providers.RetryOptions{Attempts: 10, Sleep: slept.sleep})
	seen := map[string]bool{}
	for object, err := range retried.List(t.Context(), "") {
		if err != nil || seen[object.Name] {
			t.Fatalf("%s twice, or %v", object.Name, err)
		}
		seen[object.Name] = true
	}
	if len(seen) != 200 || len(slept) != 9 {
		t.Errorf("%d names after %d breaks", len(seen), len(slept))
	}
	count := 0
	for range retried.List(t.Context(), "") {
		if count++; count == 3 {
			break
		}
	}
	if count != 3 {
		t.Errorf("left after %d", count)
	}
}

// endless lists without an end: new names, or the same ones again and again.
type endless struct {
	providers.Store
	names int
}

// List implements providers.Store.
func (e endless) List(context.Context, string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for i := 0; yield(providers.Object{Name: fmt.Sprintf("a/%d", i%e.names)}, nil); i++ {
		}
	}
}

// TestRetryEndlessListing: a place that never stops listing fills no memory and holds nobody for ever.
func TestRetryEndlessListing(t *testing.T) {
	for _, names := range []int{1, 1 << 40} {
		retried := providers.Retry(endless{memory.New(nil), names}, nil)
		count, failure := 0, error(nil)
		for _, err := range retried.List(t.Context(), "a/") {
			if err != nil {
				failure = err
				break
			}
			count++
		}
		if want := min(names, 1<<20); !errors.Is(failure, providers.ErrEndless) || count != want {
			t.Errorf("%d names in turn: %d listed, then %v", names, count, failure)
		}
	}
}
