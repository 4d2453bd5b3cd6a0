package providertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

func put(t *testing.T, store providers.Store, name, data string) {
	t.Helper()
	if err := store.Put(t.Context(), name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, store providers.Store, names ...string) {
	t.Helper()
	if err := store.Delete(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
}

// names lists sorted names, and the error that ended the listing.
func names(t *testing.T, store providers.Store, prefix string) ([]string, error) {
	t.Helper()
	found := []string{}
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			return found, err
		}
		found = append(found, object.Name)
	}
	slices.Sort(found)
	return found, nil
}

func wantNames(t *testing.T, store providers.Store, want ...string) {
	t.Helper()
	if found, err := names(t, store, ""); err != nil || !slices.Equal(found, want) {
		t.Errorf("listed %v (%v), want %v", found, err, want)
	}
}

func TestFaultyScript(t *testing.T) {
	before, after := errors.New("before"), errors.New("after")
	store := memory.New(nil)
	script := map[int64]providertest.Fault{
		1: {Before: before}, 2: {After: after}, 4: {Before: before}, 5: {After: after}, 6: {After: after}, 7: {Before: before},
	}
	faulty := providertest.NewFaulty(store, &providertest.FaultyOptions{
		Script: func(c providertest.Call) providertest.Fault { return script[c.Number] },
	})
	if err := faulty.Put(t.Context(), "a/1", []byte("x")); !errors.Is(err, before) {
		t.Errorf("put: %v", err)
	}
	wantNames(t, store)
	if err := faulty.Put(t.Context(), "a/2", []byte("x")); !errors.Is(err, after) {
		t.Errorf("put: %v", err)
	}
	wantNames(t, store, "a/2")
	if data, err := faulty.Get(t.Context(), "a/2"); err != nil || string(data) != "x" {
		t.Errorf("get without a fault: %q %v", data, err)
	}
	if err := faulty.Delete(t.Context(), "a/2"); !errors.Is(err, before) {
		t.Errorf("delete: %v", err)
	}
	wantNames(t, store, "a/2")
	if data, err := faulty.GetRange(t.Context(), "a/2", 0, 1); !errors.Is(err, after) || data != nil {
		t.Errorf("range: %q %v", data, err)
	}
	if err := faulty.Delete(t.Context(), "a/2"); !errors.Is(err, after) {
		t.Errorf("delete: %v", err)
	}
	wantNames(t, store)
	if _, err := names(t, faulty, ""); !errors.Is(err, before) {
		t.Errorf("list: %v", err)
	}
	if faulty.Failed() != 6 || faulty.Calls() != 7 {
		t.Errorf("%d of %d calls failed", faulty.Failed(), faulty.Calls())
	}
}

// TestFaultyChance: failures come at their rate, with and without effect, from the seed, and a listing breaks off.
func TestFaultyChance(t *testing.T) {
	run := func(seed uint64) (outcome string, failed, hidden int) {
		store := memory.New(nil)
		faulty := providertest.NewFaulty(store, &providertest.FaultyOptions{
			Seed: seed, Rate: 0.5, Errors: []error{providers.ErrTransient, providers.ErrQuota},
		})
		for i := range 400 {
			name := fmt.Sprintf("a/%d", i)
			err := faulty.Put(t.Context(), name, nil)
			_, missing := store.Get(t.Context(), name)
			outcome += fmt.Sprint(err, missing == nil)
			if err != nil {
				if failed++; missing == nil {
					hidden++
				}
			}
		}
		return outcome, failed, hidden
	}
	outcome, failed, hidden := run(7)
	if failed < 150 || failed > 250 || hidden < 50 || hidden > failed-50 {
		t.Errorf("%d of 400 failed, %d with effect", failed, hidden)
	}
	if again, _, _ := run(7); again != outcome {
		t.Error("one seed, two outcomes")
	}
	if other, _, _ := run(8); other == outcome {
		t.Error("two seeds, one outcome")
	}
	store := memory.New(nil)
	for i := range 50 {
		put(t, store, fmt.Sprintf("a/%d", i), "")
	}
	faulty := providertest.NewFaulty(store, &providertest.FaultyOptions{Rate: 1})
	part := 0
	for range 50 {
		found, err := names(t, faulty, "")
		if !errors.Is(err, providers.ErrTransient) || len(found) == 50 {
			t.Fatalf("%d names, %v", len(found), err)
		}
		part = max(part, len(found))
	}
	if part == 0 {
		t.Error("no listing broke off after a part")
	}
	faulty.SetRate(0)
	if found, err := names(t, faulty, ""); err != nil || len(found) != 50 {
		t.Errorf("healed: %d names, %v", len(found), err)
	}
}

func TestSlow(t *testing.T) {
	var waits []time.Duration
	sleep := func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	store := memory.New(nil)
	slow := providertest.NewSlow(store, &providertest.SlowOptions{Shortest: 10, Longest: 20, Sleep: sleep})
	put(t, slow, "a/1", "x")
	remove(t, slow, "a/2")
	wantNames(t, slow, "a/1")
	slow.Get(t.Context(), "a/1")
	slow.GetRange(t.Context(), "a/1", 0, 1)
	if len(waits) != 5 || slices.Min(waits) < 10 || slices.Max(waits) > 20 || slices.Min(waits) == slices.Max(waits) {
		t.Errorf("waits: %v", waits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := slow.Put(ctx, "a/3", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	wantNames(t, store, "a/1")
	fixed := providertest.NewSlow(store, &providertest.SlowOptions{Sleep: sleep, Delay: func(c providertest.Call) time.Duration {
		return time.Duration(c.Number) * time.Hour
	}})
	put(t, fixed, "a/1", "x")
	if waits[len(waits)-1] != time.Hour {
		t.Errorf("waits: %v", waits)
	}
}

func TestStaleByOperations(t *testing.T) {
	stale := providertest.NewStale(memory.New(nil), &providertest.StaleOptions{Operations: 3})
	if stale.Properties().CurrentListings {
		t.Error("claims current listings")
	}
	put(t, stale, "a/1", "x")
	wantNames(t, stale) // 1 later call
	if data, err := stale.Get(t.Context(), "a/1"); err != nil || string(data) != "x" {
		t.Errorf("gets are current: %q %v", data, err) // 2
	}
	wantNames(t, stale)        // 3
	wantNames(t, stale, "a/1") // 4
	remove(t, stale, "a/1")
	wantNames(t, stale, "a/1")
	stale.Settle()
	wantNames(t, stale)
	put(t, stale, "a/2", "x")
	put(t, stale, "a/3", "x")
	remove(t, stale, "a/2") // listings follow the history, three calls behind
	wantNames(t, stale)
	wantNames(t, stale, "a/2")
	wantNames(t, stale, "a/2", "a/3")
	wantNames(t, stale, "a/3")
}

func TestStaleByAge(t *testing.T) {
	now := time.Unix(1000, 0)
	stale := providertest.NewStale(memory.New(nil), &providertest.StaleOptions{
		Age: time.Minute, Now: func() time.Time { return now }, Pretend: true,
	})
	if !stale.Properties().CurrentListings {
		t.Error("does not pretend")
	}
	put(t, stale, "a/1", "x")
	now = now.Add(59 * time.Second)
	wantNames(t, stale)
	now = now.Add(time.Second)
	wantNames(t, stale, "a/1")
}

func TestStaleAtRandom(t *testing.T) {
	stale := providertest.NewStale(memory.New(nil), &providertest.StaleOptions{Operations: 60, Random: true})
	put(t, stale, "a/1", "x")
	seen := map[string]bool{}
	last, back := false, false
	for i := range 61 {
		found, err := names(t, stale, "a/")
		if err != nil {
			t.Fatal(err)
		}
		shown := len(found) == 1
		back = back || last && !shown
		last = shown
		seen[fmt.Sprint(shown)] = true
		if i == 60 && !shown {
			t.Error("still hidden after the longest lag")
		}
	}
	if len(seen) != 2 || !back {
		t.Errorf("listings neither lag nor go back: %v", slices.Collect(maps.Keys(seen)))
	}
}

func TestTorn(t *testing.T) {
	store := memory.New(nil)
	torn := providertest.NewTorn(store, &providertest.TornOptions{Rate: 0.5})
	if torn.Properties().Durable || !providertest.NewTorn(store, &providertest.TornOptions{Pretend: true}).Properties().Durable {
		t.Error("wrong properties")
	}
	whole := bytes.Repeat([]byte("whole"), 20)
	var want []string
	for i := range 100 {
		name := fmt.Sprintf("a/%03d", i)
		put(t, torn, name, string(whole))
		data, err := torn.Get(t.Context(), name)
		if err != nil || !bytes.HasPrefix(whole, data) {
			t.Fatalf("%q %v", data, err)
		}
		if len(data) < len(whole) {
			want = append(want, name)
		}
	}
	if len(want) < 25 || len(want) > 75 || !slices.Equal(torn.Torn(), want) {
		t.Errorf("torn: %v, told: %v", want, torn.Torn())
	}
	for len(torn.Torn()) > 0 { // putting again mends, in the end
		put(t, torn, torn.Torn()[0], string(whole))
	}
	if data, err := store.Get(t.Context(), want[0]); err != nil || !bytes.Equal(data, whole) {
		t.Errorf("%q %v", data, err)
	}
}

func TestLyingAnswers(t *testing.T) {
	honest := []byte("an honest answer")
	get := func(o providertest.LyingOptions) []byte {
		lying := providertest.NewLying(memory.New(nil), &o)
		put(t, lying, "a/1", string(honest))
		put(t, lying, "a/2", "another object")
		for range 20 { // a swap may draw the same object
			data, err := lying.Get(t.Context(), "a/1")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, honest) {
				return data
			}
		}
		return honest
	}
	if data := get(providertest.LyingOptions{}); !bytes.Equal(data, honest) {
		t.Errorf("no lies: %q", data)
	}
	if data := get(providertest.LyingOptions{Swap: 1}); string(data) != "another object" {
		t.Errorf("swap: %q", data)
	}
	flipped := get(providertest.LyingOptions{Flip: 1})
	bits := 0
	for i := range flipped {
		for b := flipped[i] ^ honest[i]; b != 0; b &= b - 1 {
			bits++
		}
	}
	if len(flipped) != len(honest) || bits != 1 {
		t.Errorf("flip: %d bits in %q", bits, flipped)
	}
}

func TestLyingDeeds(t *testing.T) {
	store := memory.New(nil)
	put(t, store, "a/1", "x")
	keeping := providertest.NewLying(store, &providertest.LyingOptions{Keep: 1})
	remove(t, keeping, "a/1")
	wantNames(t, keeping, "a/1")
	losing := providertest.NewLying(store, &providertest.LyingOptions{Lose: 1})
	put(t, losing, "a/2", "x")
	wantNames(t, losing, "a/1")
	hiding := providertest.NewLying(store, &providertest.LyingOptions{Hide: 1})
	wantNames(t, hiding)
	if keeping.Properties().Deletes || losing.Properties().Durable || hiding.Properties().CurrentListings {
		t.Error("lies are not admitted")
	}
	pretending := providertest.NewLying(store, &providertest.LyingOptions{Keep: 1, Lose: 1, Hide: 1, Pretend: true})
	if pretending.Properties() != store.Properties() {
		t.Error("lies are admitted")
	}
	if pretending.Unwrap() != providers.Store(store) {
		t.Error("not unwrapped")
	}
}
