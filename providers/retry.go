package providers

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryOptions bounds [Retry]. Zero fields take the default named beside them.
type RetryOptions struct {
	Attempts int           // calls in all, the first included: 5
	First    time.Duration // wait before the second call, doubled each time, with jitter of a half: 500 ms
	Longest  time.Duration // longest single wait: 30 s
	// MaxWait is the longest wait asked for by a rate limit that is honoured; a longer one is returned to the caller at
	// once, who can do something better than block: 2 min.
	MaxWait time.Duration
	// MaxListed is the most entries of one listing: 1,048,576, which is twenty times what an account of 20,000
	// conversations has. A place that goes on must not fill the memory of those who gather what is there.
	MaxListed int

	Sleep  func(ctx context.Context, wait time.Duration) error // waits, or returns ctx's error: [Sleep]
	Random func() float64                                      // jitter, in [0,1): math/rand/v2
	// Notify, if set, is told of every failed call that will be repeated.
	Notify func(operation string, attempt int, err error, wait time.Duration)
}

// Retry repeats calls that fail with an error that [Retriable] accepts, with growing waits, honouring the wait of a
// *[RateLimitError]. Everything else is returned at once. All operations of a [Store] may be repeated: a name is written
// once, so a put that happened although it failed does no harm. It is meant as the outermost decorator. Every call starts
// counting anew; what calls share is that, while the place asks for fewer requests, they begin one after the other, with a gap
// that fits. A listing that broke is begun again and yields no name twice; one that does not end is [ErrEndless].
func Retry(store Store, options *RetryOptions) Store {
	o := RetryOptions{}
	if options != nil {
		o = *options
	}
	setDefault(&o.Attempts, 5)
	setDefault(&o.First, 500*time.Millisecond)
	setDefault(&o.Longest, 30*time.Second)
	setDefault(&o.MaxWait, 2*time.Minute)
	setDefault(&o.MaxListed, 1<<20)
	if o.Sleep == nil {
		o.Sleep = Sleep
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return &retrying{Store: store, options: o, brake: newBrake(o.First)}
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Sleep waits, or returns the context's error when that ends first.
func Sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

type retrying struct {
	Store   // Properties and Close
	options RetryOptions
	brake   *brake
}

// Unwrap implements Wrapper.
func (r *retrying) Unwrap() Store { return r.Store }

// attempts is the state of one call.
type attempts struct {
	options *RetryOptions
	brake   *brake
	mark    int // of the attempt that runs
	waits   *backoff.ExponentialBackOff
	failed  int
}

// start waits until a call may begin.
func (r *retrying) start(ctx context.Context) (*attempts, error) {
	if err := r.brake.wait(ctx, r.options.Sleep); err != nil {
		return nil, fmt.Errorf("providers: waiting, as the place asks for fewer requests: %w", err)
	}
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval = r.options.First
	waits.MaxInterval = r.options.Longest
	waits.Multiplier = 2
	waits.RandomizationFactor = 0 // jitter comes from the injected source
	a := &attempts{options: &r.options, brake: r.brake, waits: waits}
	_, a.mark = r.brake.now()
	return a, nil
}

// next takes an attempt's failure: it waits before another one and returns nil, or returns the error that the call ends with.
func (a *attempts) next(ctx context.Context, operation string, err error) error {
	a.brake.answered(a.mark, err)
	a.failed++
	if !Retriable(err) {
		return err
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("providers: %s: %w, after %w", operation, ended, err)
	}
	if a.failed >= a.options.Attempts {
		return fmt.Errorf("providers: %s failed %d times: %w", operation, a.failed, err)
	}
	wait := time.Duration(float64(a.waits.NextBackOff()) * (0.5 + a.options.Random()))
	wait = min(wait, a.options.Longest)
	var limit *RateLimitError
	if errors.As(err, &limit) {
		if limit.Wait > a.options.MaxWait {
			return err
		}
		wait = max(wait, limit.Wait)
	}
	if a.options.Notify != nil {
		a.options.Notify(operation, a.failed, err, wait)
	}
	if interrupted := a.options.Sleep(ctx, wait); interrupted != nil {
		return fmt.Errorf("providers: %s: %w, after %w", operation, interrupted, err)
	}
	_, a.mark = a.brake.now()
	return nil
}

func (r *retrying) do(ctx context.Context, operation string, call func() error) error {
	a, err := r.start(ctx)
	if err != nil {
		return err
	}
	for {
		err := call()
		if err == nil {
			a.brake.answered(a.mark, nil)
			return nil
		}
		if err = a.next(ctx, operation, err); err != nil {
			return err
		}
	}
}

// Put implements Store.
func (r *retrying) Put(ctx context.Context, name string, data []byte) error {
	return r.do(ctx, "put", func() error { return r.Store.Put(ctx, name, data) })
}

// Get implements Store.
func (r *retrying) Get(ctx context.Context, name string) (data []byte, err error) {
	err = r.do(ctx, "get", func() (err error) {
		data, err = r.Store.Get(ctx, name)
		return err
	})
	return data, err
}

// GetRange implements Store.
func (r *retrying) GetRange(ctx context.Context, name string, offset, length int64) (data []byte, err error) {
	err = r.do(ctx, "get range", func() (err error) {
		data, err = r.Store.GetRange(ctx, name, offset, length)
		return err
	})
	return data, err
}

// Delete implements Store.
func (r *retrying) Delete(ctx context.Context, names ...string) error {
	return r.do(ctx, "delete", func() error { return r.Store.Delete(ctx, names...) })
}

// List implements Store. It keeps a 64-bit hash of each yielded name, as places list in no order and a second listing
// can't be continued from a position.
func (r *retrying) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		seed, yielded := maphash.MakeSeed(), make(map[uint64]struct{})
		a, err := r.start(ctx)
		if err != nil {
			yield(Object{}, err)
			return
		}
		for {
			var failure error
			listed := 0
			for object, err := range r.Store.List(ctx, prefix) {
				if listed++; err == nil && listed > r.options.MaxListed {
					err = fmt.Errorf("providers: list %s: more than %d: %w", prefix, r.options.MaxListed, ErrEndless)
				}
				if err != nil {
					failure = err
					break
				}
				hash := maphash.String(seed, object.Name)
				if _, double := yielded[hash]; double {
					continue
				}
				yielded[hash] = struct{}{}
				if !yield(object, nil) {
					return
				}
			}
			if failure == nil {
				a.brake.answered(a.mark, nil)
				return
			}
			if err := a.next(ctx, "list", failure); err != nil {
				yield(Object{}, err)
				return
			}
		}
	}
}
