package providertest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// instantly lets no time pass, so that suites that wait for a place to settle end at once.
func instantly(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// failures runs the full suite and returns the checks that failed.
func failures(t *testing.T, store providers.Store) map[string]error {
	t.Helper()
	failed := make(map[string]error)
	err := providertest.CheckWith(t.Context(), store, &providertest.Options{Full: true, Sleep: instantly},
		func(r providertest.Result) {
			if r.Err != nil {
				failed[r.Check] = r.Err
			}
		})
	if (err == nil) != (len(failed) == 0) {
		t.Fatalf("error %v, but failed checks: %v", err, failed)
	}
	return failed
}

func small() *memory.Store { return memory.New(&memory.Options{MaxObject: 4 << 20}) }

// TestSuiteAcceptsHonestStores: what a place admits in its properties, and what Retry mends, is not held against it.
func TestSuiteAcceptsHonestStores(t *testing.T) {
	clock := &clock{now: time.Unix(0, 0)}
	patient := &providers.RetryOptions{Attempts: 30, Sleep: instantly}
	for name, store := range map[string]providers.Store{
		"memory":               small(),
		"counted":              providers.Count(small()),
		"limited":              providers.Limit(small(), &providers.LimitOptions{Parallel: 2, Up: 1 << 40, Down: 1 << 40}),
		"stale by calls":       providertest.NewStale(small(), &providertest.StaleOptions{Operations: 30, Random: true}),
		"stale by time":        providertest.NewStale(small(), &providertest.StaleOptions{Age: time.Second, Now: clock.tick}),
		"torn":                 providertest.NewTorn(small(), &providertest.TornOptions{Rate: 0.5}),
		"losing":               providertest.NewLying(small(), &providertest.LyingOptions{Lose: 0.5}),
		"keeping":              providertest.NewLying(small(), &providertest.LyingOptions{Keep: 1}),
		"slow":                 providertest.NewSlow(small(), &providertest.SlowOptions{Longest: time.Hour, Sleep: instantly}),
		"faulty under retry":   providers.Retry(providertest.NewFaulty(small(), &providertest.FaultyOptions{Rate: 0.2}), patient),
		"faultless faulty one": providertest.NewFaulty(small(), nil),
	} {
		t.Run(name, func(t *testing.T) {
			for check, err := range failures(t, store) {
				t.Errorf("%s: %v", check, err)
			}
		})
	}
}

// TestSuiteFailsOnBrokenPromises: every double that breaks a promise, and every way to implement a store wrongly that
// we thought of, is caught by the check that is there for it.
func TestSuiteFailsOnBrokenPromises(t *testing.T) {
	lying := func(o providertest.LyingOptions) providers.Store {
		o.Pretend = true
		return providertest.NewLying(small(), &o)
	}
	for _, c := range []struct {
		name  string
		store providers.Store
		check string // must be among the failed ones
	}{
		{"faulty", providertest.NewFaulty(small(), &providertest.FaultyOptions{Rate: 0.2}), "what was put is got"},
		{"stale by one call", providertest.NewStale(small(), &providertest.StaleOptions{Operations: 1, Pretend: true}), "listings are current"},
		{"stale by an hour", providertest.NewStale(small(), &providertest.StaleOptions{Age: time.Hour, Pretend: true}), "listings are current"},
		{"stale for ever, admitted", providertest.NewStale(small(), &providertest.StaleOptions{Age: time.Hour}), "listings show names and sizes"},
		{"torn", providertest.NewTorn(small(), &providertest.TornOptions{Rate: 0.5, Pretend: true}), "what was put is got"},
		{"torn always, admitted", providertest.NewTorn(small(), &providertest.TornOptions{Rate: 1}), "what was put is got"},
		{"flipping bits", lying(providertest.LyingOptions{Flip: 0.5}), "what was put is got"},
		{"flipping bits in ranges", only(small(), lying(providertest.LyingOptions{Flip: 0.5}), "range"), "ranges are exact"},
		{"swapping objects", lying(providertest.LyingOptions{Swap: 0.9}), "what was put is got"},
		{"keeping what was deleted", lying(providertest.LyingOptions{Keep: 0.9}), "deleted objects are gone"},
		{"keeping now and then", lying(providertest.LyingOptions{Keep: 0.05}), "long listings are complete"},
		{"losing puts", lying(providertest.LyingOptions{Lose: 0.5}), "what was put is got"},
		{"hiding from listings", lying(providertest.LyingOptions{Hide: 0.02}), "long listings are complete"},
		{"stopping after a page", &mutant{Store: small(), list: firstPage}, "long listings are complete"},
		{"listing twice", &mutant{Store: small(), list: doubled}, "listings show names and sizes"},
		{"listing everything", &mutant{Store: small(), list: everything}, "listings show names and sizes"},
		{"wrong sizes", &mutant{Store: small(), list: sizeless}, "listings show names and sizes"},
		{"listing folders only", &mutant{Store: small(), list: foldersOnly}, "listings show names and sizes"},
		{"empty for errors", &mutant{Store: small(), list: swallow}, "cancelled contexts end calls"},
		{"listing junk", &mutant{Store: small(), list: junk}, "listings show names and sizes"},
		{"empty for absent", &mutant{Store: small(), absent: true}, "absent objects are not found"},
		{"any error for absent", &mutant{Store: small(), vague: true}, "absent objects are not found"},
		{"ranges cut", &mutant{Store: small(), cut: true}, "ranges are exact"},
		{"ranges past the end fail", &mutant{Store: small(), past: true}, "ranges are exact"},
		{"case folded", &mutant{Store: small(), rename: strings.ToLower, fold: true}, "names keep every character"},
		{"last part only", &mutant{Store: small(), rename: lastPart}, "what was put is got"},
		{"names unchecked", &mutant{Store: small(), unchecked: true}, "invalid names are refused"},
		{"line ends changed", &mutant{Store: small(), text: true}, "what was put is got"},
		{"absent deletions fail", &mutant{Store: small(), strict: true}, "deleted objects are gone"},
		{"deleting neighbours", &mutant{Store: small(), greedy: true}, "deleted objects are gone"},
		{"second put refused", &mutant{Store: small(), once: true, seen: map[string]bool{}}, "the same again is harmless"},
		{"slices shared", &sharing{Store: small(), objects: map[string][]byte{}}, "slices are not shared"},
		{"contexts ignored", &mutant{Store: small(), deaf: true}, "cancelled contexts end calls"},
		{"no limit", &mutant{Store: memory.New(&memory.Options{MaxObject: 8 << 20}), limit: 4 << 20}, "too large objects are refused"},
		{"no kind", &mutant{Store: small(), limit: -1}, "properties make sense"},
		{"panic", &mutant{Store: small(), panics: true}, "what was put is got"},
		{"one at a time", &crowded{Store: small()}, "parallel calls don't disturb each other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := failures(t, c.store)
			if failed[c.check] == nil {
				t.Errorf("%q passed; failed: %v", c.check, slices.Sorted(maps.Keys(failed)))
			}
		})
	}
}

// TestCheckIsModest: on the user's place, little is written, nothing else is listed or left, and failures don't stop it.
func TestCheckIsModest(t *testing.T) {
	store := small()
	if err := store.Put(t.Context(), "0xreal/state", []byte("real")); err != nil {
		t.Fatal(err)
	}
	counter := providers.Count(store)
	results := 0
	if err := providertest.Check(t.Context(), counter, func(providertest.Result) { results++ }); err != nil {
		t.Fatal(err)
	}
	counts := counter.Counts()
	if results < 14 || counts.Puts > 300 || counts.Up > 2<<20 {
		t.Errorf("%d results, %+v", results, counts)
	}
	for object, err := range store.List(t.Context(), "") {
		if err != nil || object.Name != "0xreal/state" {
			t.Errorf("left: %+v %v", object, err)
		}
	}
	broken := providertest.NewLying(store, &providertest.LyingOptions{Keep: 1, Pretend: true})
	if err := providertest.Check(t.Context(), broken, nil); err == nil || !strings.Contains(err.Error(), "deleted objects are gone: ") {
		t.Errorf("want a failure that names its check, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := providertest.Check(ctx, store, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type clock struct {
	mutex sync.Mutex
	now   time.Time
}

// tick is a clock that goes on by a tenth of a second whenever somebody looks.
func (c *clock) tick() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(100 * time.Millisecond)
	return c.now
}

// mutant is a wrong implementation, in the one way that a field says.
type mutant struct {
	providers.Store
	list                                              func(*mutant, context.Context, string) iter.Seq2[providers.Object, error]
	rename                                            func(string) string
	absent, vague, cut, past, unchecked, text, strict bool
	greedy, once, deaf, panics, fold                  bool
	limit                                             int64
	mutex                                             sync.Mutex
	seen                                              map[string]bool
}

func (m *mutant) Properties() providers.Properties {
	p := m.Store.Properties()
	if m.limit != 0 {
		p.MaxObject = m.limit
	}
	return p
}

func (m *mutant) name(name string) string {
	if m.unchecked && providers.ValidateName(name) != nil {
		return "sanitised"
	}
	if m.rename != nil {
		return m.rename(name)
	}
	return name
}

func (m *mutant) context(ctx context.Context) context.Context {
	if m.deaf {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (m *mutant) Put(ctx context.Context, name string, data []byte) error {
	if m.panics {
		panic("mutant")
	}
	if m.once {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		if m.seen[name] {
			return errors.New("exists")
		}
		m.seen[name] = true
	}
	if m.text {
		data = []byte(strings.ReplaceAll(string(data), "\r\n", "\n"))
	}
	return m.Store.Put(m.context(ctx), m.name(name), data)
}

func (m *mutant) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := m.Store.Get(m.context(ctx), m.name(name))
	return data, m.failure(err)
}

func (m *mutant) failure(err error) error {
	if !errors.Is(err, providers.ErrNotFound) {
		return err
	}
	if m.absent {
		return nil
	}
	if m.vague {
		return errors.New("404")
	}
	return err
}

func (m *mutant) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, err := m.Store.GetRange(m.context(ctx), m.name(name), offset, length)
	if m.cut && len(data) > 1 {
		data = data[:len(data)-1]
	}
	if m.past && err == nil && len(data) == 0 {
		return nil, errors.New("416")
	}
	return data, m.failure(err)
}

func (m *mutant) Delete(ctx context.Context, names ...string) error {
	for i, name := range names {
		if _, err := m.Store.Get(ctx, name); m.strict && err != nil {
			return err
		}
		if m.greedy {
			for object := range m.Store.List(ctx, name[:len(name)-1]) {
				names = append(names, object.Name)
			}
		}
		names[i] = m.name(name)
	}
	return m.Store.Delete(m.context(ctx), names...)
}

func (m *mutant) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if m.list != nil {
		return m.list(m, ctx, prefix)
	}
	return m.Store.List(m.context(ctx), prefix)
}

// changed lists with each object replaced.
func changed(inner iter.Seq2[providers.Object, error], change func(providers.Object) []providers.Object) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for object, err := range inner {
			if err != nil {
				yield(object, err)
				return
			}
			for _, o := range change(object) {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

func firstPage(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	count := 0
	return changed(m.Store.List(ctx, prefix), func(o providers.Object) []providers.Object {
		if count++; count > providers.PageNames {
			return nil
		}
		return []providers.Object{o}
	})
}

func doubled(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return changed(m.Store.List(ctx, prefix), func(o providers.Object) []providers.Object { return []providers.Object{o, o} })
}

func everything(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	folder, _, _ := strings.Cut(prefix, "/")
	return m.Store.List(ctx, folder)
}

func sizeless(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return changed(m.Store.List(ctx, prefix), func(o providers.Object) []providers.Object {
		return []providers.Object{{Name: o.Name, Size: 1}}
	})
}

func foldersOnly(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return m.Store.List(ctx, prefix)
}

func swallow(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		for object, err := range m.Store.List(ctx, prefix) {
			if err != nil || !yield(object, nil) {
				return
			}
		}
	}
}

func junk(m *mutant, ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return changed(m.Store.List(ctx, prefix), func(o providers.Object) []providers.Object {
		return []providers.Object{o, {Name: o.Name + " (conflicted copy)"}}
	})
}

func lastPart(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// only takes the operation called word from wrong, which must see the puts as well, and the rest from right.
func only(right, wrong providers.Store, word string) providers.Store {
	if word != "range" {
		panic(fmt.Sprint("not written: ", word))
	}
	return &ranging{Store: right, wrong: wrong}
}

type ranging struct {
	providers.Store
	wrong providers.Store
}

func (r *ranging) Put(ctx context.Context, name string, data []byte) error {
	return errors.Join(r.Store.Put(ctx, name, data), r.wrong.Put(ctx, name, data))
}

func (r *ranging) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	return r.wrong.GetRange(ctx, name, offset, length)
}

// sharing keeps the caller's slices.
type sharing struct {
	providers.Store
	mutex   sync.Mutex
	objects map[string][]byte
}

func (s *sharing) Put(ctx context.Context, name string, data []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.objects[name] = data
	return s.Store.Put(ctx, name, data)
}

func (s *sharing) Get(ctx context.Context, name string) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if data, ok := s.objects[name]; ok && ctx.Err() == nil {
		return data, nil
	}
	return s.Store.Get(ctx, name)
}

// crowded loses a put while another call is at work.
type crowded struct {
	providers.Store
	mutex sync.Mutex
}

func (c *crowded) Put(ctx context.Context, name string, data []byte) error {
	if !c.mutex.TryLock() {
		return nil
	}
	defer c.mutex.Unlock()
	time.Sleep(time.Millisecond) // long enough for another to come
	return c.Store.Put(ctx, name, data)
}
