package storage

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiterForgets: however many ask, memory is bounded, and who was forgotten has a
// full bucket.
func TestLimiterForgets(t *testing.T) {
	at := time.Unix(0, 0)
	l := newLimiter(1, 1, func() time.Time { return at })
	for i := range 3 * maxBuckets {
		if _, ok := l.allow(strconv.Itoa(i)); !ok {
			t.Fatalf("address %d is refused its first request", i)
		}
	}
	if len(l.buckets) != maxBuckets || l.order.Len() != maxBuckets {
		t.Errorf("%d and %d buckets", len(l.buckets), l.order.Len())
	}
	if _, ok := l.allow(strconv.Itoa(3*maxBuckets - 1)); ok {
		t.Error("the last one is not remembered")
	}
	if _, ok := l.allow("0"); !ok {
		t.Error("the first one is remembered")
	}
}

// TestIndexesAreBounded: the indexes of packs that are remembered stay below their bound.
func TestIndexesAreBounded(t *testing.T) {
	i := &indexes{packs: make(map[string][]version)}
	for n := range 1000 {
		i.put(strconv.Itoa(n), make([]version, packRecords))
	}
	if i.total > maxIndexed || i.total != len(i.packs)*packRecords || i.total < maxIndexed/2 {
		t.Errorf("%d versions of %d packs", i.total, len(i.packs))
	}
}

// TestNamesAreReadBack: names of versions and packs tell what they were made of, and
// nothing else is taken for one.
func TestNamesAreReadBack(t *testing.T) {
	for _, created := range []int64{0, 1, -1, firstDate, -firstDate, 1_700_000_000_000} {
		v := version{created: created, id: recordID("0x" + digest("x")), revision: 1 << 31, halted: created == 1, digest: digest("y")[:16]}
		if got, ok := parseVersion(v.name()); !ok || got != v {
			t.Errorf("%s is read as %+v", v.name(), got)
		}
		p := packName{created, 512, 70_000, digest("z")[:32]}
		if got, ok := parsePackName(p.String()); !ok || got != p {
			t.Errorf("%s is read as %+v", p, got)
		}
		if _, ok := parsePackName(v.name()); ok {
			t.Errorf("%s is read as a pack", v.name())
		}
	}
	for _, name := range []string{"", "p", "p....", "....", "x.y.z.h.d", "l00000001.0.x"} {
		_, isVersion := parseVersion(name)
		_, isPack := parsePackName(name)
		if isVersion || isPack {
			t.Errorf("%q is taken for something", name)
		}
	}
	if a, b := (version{created: -5}), (version{created: 3}); a.name() >= b.name() {
		t.Error("names do not sort by time")
	}
}

// TestTurns: a slot is free again when its request ends, who leaves the queue takes none,
// other keys never wait, and nothing is remembered of who is gone.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		first, endFirst := context.WithCancel(t.Context())
		second, endSecond := context.WithCancel(t.Context())
		third, endThird := context.WithCancel(t.Context())
		if err := errors.Join(turns.take(first, "a"), turns.take(third, "b")); err != nil {
			t.Fatal(err)
		}
		refused, taken := make(chan error, 1), make(chan error, 1)
		go func() { refused <- turns.take(second, "a") }()
		synctest.Wait()
		endSecond()
		if err := <-refused; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		go func() { taken <- turns.take(third, "a") }()
		synctest.Wait()
		if len(taken) > 0 {
			t.Error("two at once")
		}
		endFirst()
		if err := <-taken; err != nil {
			t.Error(err)
		}
		endThird()
		synctest.Wait()
		if len(turns.busy) > 0 {
			t.Errorf("%d are remembered", len(turns.busy))
		}
	})
}
