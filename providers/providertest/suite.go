// Package providertest asks a providers.Store for exactly what it promises: as a test of an implementation ([Run]), and as
// `dm3sync check` against the user's own place ([Check]). It also holds stores that misbehave on purpose, for the tests
// of everything that stands on a store: [Faulty], [Slow], [Stale], [Torn] and [Lying].
//
// What is asked depends on Properties: a place that does not promise current listings is given time, one that does not
// promise durable puts is read back and written again, as the engine does, one that does not promise deletions is not
// asked whether anything is gone. The suite's own tests show that it fails on every double that breaks a promise.
//
// The package imports only providers.
package providertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// Result is the outcome of one check.
type Result struct {
	Check   string        // what was asked, in words
	Err     error         // nil: the place keeps the promise
	Elapsed time.Duration // how long it took
}

// Options bounds the suite.
type Options struct {
	// Full asks for everything, with 1,050 objects and large ones, and lists the whole store: for tests. Otherwise about 80
	// small objects are written, and nothing but them is listed.
	Full bool
	// Long is how many objects the long listing has: 1,050 with Full, for the usual pages of 1,000, else 24.
	Long int
	// Ranged is the size, in bytes, of the object that is read in ranges: 3 MiB and some with Full, else 100,000.
	Ranged int64
	// Settle is how long places without current listings or durable puts get: 1 min.
	Settle time.Duration
	// Sleep is the clock for that: providers.Sleep.
	Sleep func(ctx context.Context, wait time.Duration) error
}

// check is one question; it returns why the place does not keep its promise.
type check struct {
	name string
	full bool // only with Options.Full
	run  func(*probe) error
}

func checks() []check {
	return []check{
		{"properties make sense", false, checkProperties},
		{"what was put is got", false, checkRoundTrip},
		{"absent objects are not found", false, checkAbsent},
		{"the same again is harmless", false, checkAgain},
		{"ranges are exact", false, checkRanges},
		{"slices are not shared", false, checkSlices},
		{"listings show names and sizes", false, checkListing},
		{"listings are current", false, checkCurrent},
		{"long listings are complete", false, checkLong},
		{"the whole store is listed", true, checkWhole},
		{"deleted objects are gone", false, checkDelete},
		{"names keep every character", false, checkNames},
		{"invalid names are refused", false, checkInvalid},
		{"parallel calls don't disturb each other", false, checkParallel},
		{"cancelled contexts end calls", false, checkCancelled},
		{"too large objects are refused", true, checkLarge},
	}
}

// Run runs the full suite as subtests. NewStore is called for each of them and returns an empty store of its own, or one
// shared with others that are not at work meanwhile; Run closes it, twice.
func Run(t *testing.T, newStore func(t *testing.T) providers.Store) {
	t.Helper()
	RunWith(t, &Options{}, newStore)
}

// RunWith is [Run] with options, where a test has a clock of its own; Full is set in any case.
func RunWith(t *testing.T, options *Options, newStore func(t *testing.T) providers.Store) {
	t.Helper()
	full := *options
	full.Full = true
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			store := newStore(t)
			p := newProbe(t.Context(), store, &full)
			if err := errors.Join(p.ask(c), p.clean()); err != nil {
				t.Error(err)
			}
			for range 2 {
				if err := store.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
}

// Check asks the user's own place, below a random prefix of its own, and removes what it wrote. Report, if not nil, is
// told of every result in turn; the error joins the failures, each naming its check. The store stays open.
func Check(ctx context.Context, store providers.Store, report func(Result)) error {
	return CheckWith(ctx, store, nil, report)
}

// CheckWith is [Check] with options; nil takes all defaults.
func CheckWith(ctx context.Context, store providers.Store, options *Options, report func(Result)) error {
	p := newProbe(ctx, store, options)
	var failures []error
	tell := func(name string, begun time.Time, err error) {
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		}
		if report != nil {
			report(Result{Check: name, Err: err, Elapsed: time.Since(begun)})
		}
	}
	for _, c := range checks() {
		if c.full && !p.options.Full {
			continue
		}
		if ctx.Err() != nil {
			failures = append(failures, fmt.Errorf("providertest: %w", ctx.Err()))
			break
		}
		begun := time.Now()
		tell(c.name, begun, p.ask(c))
	}
	begun := time.Now()
	tell("what the check wrote is removed", begun, p.clean())
	return errors.Join(failures...)
}

// probe is one run of the suite: all its names begin with one random text, so that it can work beside real objects.
type probe struct {
	ctx        context.Context
	store      providers.Store
	properties providers.Properties
	options    Options
	prefix     string // "0x" and 24 random hex digits
	containers int

	mutex sync.Mutex
	names []string // to be removed at the end
}

func newProbe(ctx context.Context, store providers.Store, options *Options) *probe {
	p := &probe{ctx: ctx, store: store, properties: store.Properties()}
	if options != nil {
		p.options = *options
	}
	if p.options.Settle <= 0 {
		p.options.Settle = time.Minute
	}
	if p.options.Sleep == nil {
		p.options.Sleep = providers.Sleep
	}
	p.prefix = "0x" + hex.EncodeToString(randomBytes(randomDigits/2))
	return p
}

func (p *probe) ask(c check) error { return guard(func() error { return c.run(p) }) }

// guard turns a panic of the store into a failure, so that the other checks and the cleaning still happen.
func guard(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return call()
}

// container returns a new container key, 0x and 64 hex digits like the real ones.
func (p *probe) container() string {
	p.containers++
	return fmt.Sprintf("%s%0*x", p.prefix, numberDigits, p.containers)
}

// How long removing what was written may take: a user waits, and the full suite has ten times as much, on busy machines.
const (
	cleanWait     = time.Minute
	cleanWaitFull = 10 * time.Minute
)

// clean removes what was written, whether or not the context has ended.
func (p *probe) clean() error {
	wait := cleanWait
	if p.options.Full {
		wait = cleanWaitFull
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), wait)
	defer cancel()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	slices.Sort(p.names)
	p.names = slices.Compact(p.names)
	if err := p.store.Delete(ctx, p.names...); err != nil {
		return fmt.Errorf("cleaning up below %s: %w", p.prefix, err)
	}
	return nil
}

// track notes names that may exist from now on.
func (p *probe) track(names ...string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.names = append(p.names, names...)
}

// put writes an object as the engine does: where the place does not promise that an acknowledged put is durable, it is
// read back and written again until it is whole. A place that refuses, as one that is full, is not asked again.
func (p *probe) put(name string, data []byte) error {
	p.track(name)
	once := func() error {
		if err := p.store.Put(p.ctx, name, data); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		return nil
	}
	if p.properties.Durable {
		return once()
	}
	var refused error
	err := p.eventually(func() error {
		err := once()
		if errors.Is(err, providers.ErrQuota) || errors.Is(err, providers.ErrUnauthorised) {
			refused = err
			return nil
		}
		if err != nil {
			return err
		}
		return p.same(name, data)
	})
	if refused != nil {
		return refused
	}
	return err
}

// eventually asks again until there is no failure, for at most Settle and 200 times.
func (p *probe) eventually(question func() error) error {
	var waited time.Duration
	for wait := 5 * time.Millisecond; ; wait = min(wait*5/4, time.Second) {
		err := question()
		if err == nil {
			return nil
		}
		if waited >= p.options.Settle {
			return fmt.Errorf("still after %v: %w", waited, err)
		}
		if interrupted := p.options.Sleep(p.ctx, wait); interrupted != nil {
			return errors.Join(err, interrupted)
		}
		waited += wait
	}
}

// listed asks a question about listings: once where they are current, else until it is so.
func (p *probe) listed(question func() error) error {
	if p.properties.CurrentListings {
		return question()
	}
	return p.eventually(question)
}

func randomBytes(n int) []byte {
	data := make([]byte, n)
	rand.Read(data) // never fails: crypto/rand
	return data
}
