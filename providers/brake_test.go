package providers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// refusing is a place that takes so many requests a second, and refuses what is more.
func refusing(limiter *rate.Limiter) *providertest.Faulty {
	return providertest.NewFaulty(memory.New(nil), &providertest.FaultyOptions{Script: func(providertest.Call) providertest.Fault {
		if limiter.Allow() {
			return providertest.Fault{}
		}
		return providertest.Fault{Before: &providers.RateLimitError{}}
	}})
}

// putAll puts so many objects with eight calls at once, and counts those that failed.
func putAll(ctx context.Context, store providers.Store, count int) (failed int) {
	var failures atomic.Int32
	var group sync.WaitGroup
	numbers := make(chan int)
	for range 8 {
		group.Go(func() {
			for number := range numbers {
				if store.Put(ctx, fmt.Sprintf("a/%d", number), []byte("x")) != nil {
					failures.Add(1)
				}
			}
		})
	}
	for number := range count {
		numbers <- number
	}
	close(numbers)
	group.Wait()
	return int(failures.Load())
}

// TestRetryAtBusyPlaces: a place that takes three requests a second, as Drive does of small files, gets all objects, with no
// call that gives up, and not much more slowly than it could take them.
func TestRetryAtBusyPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count, perSecond = 300, 3
		var mutex sync.Mutex
		chance := rand.New(rand.NewPCG(1, 2))
		place := refusing(rate.NewLimiter(perSecond, perSecond))
		began := time.Now()
		failed := putAll(t.Context(), providers.Retry(place, &providers.RetryOptions{Random: func() float64 {
			mutex.Lock()
			defer mutex.Unlock()
			return chance.Float64()
		}}), count)
		t.Logf("%v, %d calls", time.Since(began), place.Calls())
		if took := time.Since(began); failed > 0 || took > 3*count/perSecond*time.Second || place.Calls() > 2*count {
			t.Errorf("%d of %d puts failed; %d calls in %v", failed, count, place.Calls(), took)
		}
	})
}

// TestRetryWithoutLimit: who is not refused does not wait, and after a refusal, soon no more.
func TestRetryWithoutLimit(t *testing.T) {
	var slept waits
	store := providers.Retry(script(memory.New(nil), false, &providers.RateLimitError{}), &providers.RetryOptions{Sleep: slept.sleep, Random: half})
	for i := range 100 {
		if err := store.Put(t.Context(), fmt.Sprint("a/", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(slept) < 3 || slept[0] != 500*time.Millisecond || slept[1] >= 250*time.Millisecond || slept[2] >= slept[1] || len(slept) > 60 {
		t.Errorf("waited %v", slept)
	}
}

// TestRetryBrakeCancelled: a call that may not begin yet ends with its context, and makes no request.
func TestRetryBrakeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	place := script(memory.New(nil), false, &providers.RateLimitError{})
	store := providers.Retry(place, &providers.RetryOptions{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err := store.Put(ctx, "a/1", nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	before := place.Calls()
	for operation, call := range calls(store) {
		if err := call(ctx); !errors.Is(err, context.Canceled) || place.Calls() != before {
			t.Errorf("%s: %v after %d calls", operation, err, place.Calls()-before)
		}
	}
}
