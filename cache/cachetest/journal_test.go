package cachetest_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/cache/cachetest"
)

const folder = "/home/device/cache"

// life is a journal over many crashes, and what it promised.
type life struct {
	disk   *cachetest.Disk
	random *rand.Rand
	acked  map[cache.EntryID]string // and not forgotten
	tried  map[string]bool
	seen   map[cache.EntryID]bool // every number that was given out
}

// entry is a text of some length, recognisable.
func (l *life) entry() string {
	text := fmt.Sprintf("%d|", len(l.tried)) + strings.Repeat("x", l.random.IntN(300))
	l.tried[text] = true
	return text
}

// run opens the cache, checks it, and uses it until a call fails or it is closed.
func (l *life) run(t *testing.T) error {
	t.Helper()
	kept, err := cache.Open(folder, cache.Options{Disk: l.disk.Start(), SegmentSize: 2000})
	if err != nil {
		return err
	}
	j := kept.Journal()
	if err := l.check(t, j); err != nil {
		return errors.Join(err, kept.Close())
	}
	for range l.random.IntN(30) {
		// A disk that fails may work again; one without power does not.
		if err := l.step(t, j); err != nil && (errors.Is(err, cachetest.ErrCrashed) || l.random.IntN(4) == 0) {
			return errors.Join(err, kept.Close())
		}
	}
	return kept.Close()
}

func (l *life) step(t *testing.T, j *cache.Journal) error {
	t.Helper()
	if ids := slices.Sorted(maps.Keys(l.acked)); len(ids) > 0 && l.random.IntN(3) == 0 {
		id := ids[l.random.IntN(len(ids))]
		delete(l.acked, id) // it may come back, or not
		return j.Forget(id)
	}
	var texts []string
	var sealed [][]byte
	for range 1 + l.random.IntN(3) {
		texts = append(texts, l.entry())
		sealed = append(sealed, []byte(texts[len(texts)-1]))
	}
	first, err := j.Append(t.Context(), sealed...)
	if err != nil {
		return err
	}
	for i, text := range texts {
		id := first + cache.EntryID(i)
		if l.seen[id] {
			t.Errorf("entry %d was given out twice", id)
		}
		l.seen[id], l.acked[id] = true, text
	}
	return nil
}

func (l *life) check(t *testing.T, j *cache.Journal) error {
	t.Helper()
	got := make(map[cache.EntryID]string)
	err := j.Replay(func(id cache.EntryID, sealed []byte) error {
		got[id] = string(sealed)
		if !l.tried[string(sealed)] {
			t.Errorf("entry %d was never appended: %q", id, sealed)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, text := range l.acked {
		if got[id] != text {
			t.Errorf("acknowledged entry %d is %q, want %q", id, got[id], text)
		}
	}
	if damaged := j.Stats().DamagedFrames; damaged > 0 {
		t.Errorf("%d damaged frames", damaged)
	}
	return nil
}

// What was acknowledged before a loss of power is there afterwards, wherever
// that was, with nothing that looks like damage.
func TestJournalSurvivesPowerLoss(t *testing.T) {
	for seed := range uint64(400) {
		l := newLife(seed)
		crashes := 0
		for range 10 {
			at := l.disk.Changes() + 1 + l.random.IntN(60)
			outcome := []cachetest.Outcome{cachetest.CrashBefore(), cachetest.CrashAfter()}[l.random.IntN(2)]
			l.disk.SetHook(func(o cachetest.Operation) cachetest.Outcome {
				if o.Number == at {
					return outcome
				}
				return cachetest.Outcome{}
			})
			if err := l.run(t); errors.Is(err, cachetest.ErrCrashed) {
				crashes++
			} else if err != nil {
				t.Fatal(err)
			}
			if l.random.IntN(3) == 0 {
				l.disk.Crash(nil)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d, %d crashes", seed, crashes)
		}
		if crashes == 0 {
			t.Fatalf("seed %d: nothing crashed", seed)
		}
	}
}

// A disk that fails now and then, fills up and loses power takes nothing that was
// acknowledged, and nothing looks like damage, unless it fails once more in the
// moment when the journal puts the failed write out of the way.
func TestJournalSurvivesFailingDisk(t *testing.T) {
	for seed := range uint64(300) {
		l := newLife(seed)
		chance, failed, full := rand.New(rand.NewPCG(seed, 2)), 0, false
		l.disk.SetHook(func(o cachetest.Operation) cachetest.Outcome {
			fate := chance.IntN(60)
			if fate == 0 {
				return cachetest.CrashBefore()
			}
			if fate > 4 || full || o.Number < failed+10 {
				return cachetest.Outcome{}
			}
			failed = o.Number
			return cachetest.FailAfter(max(0, chance.IntN(2*o.Bytes+1)-o.Bytes), syscall.EIO)
		})
		for range 10 {
			l.disk.SetLimit(0)
			if full = l.random.IntN(3) == 0; full {
				l.disk.SetLimit(l.disk.Used() + int64(l.random.IntN(4000)))
			}
			err := l.run(t)
			if err != nil && !isOneOf(err, cachetest.ErrCrashed, syscall.EIO, syscall.ENOSPC) {
				t.Fatal(err)
			}
			l.disk.Crash(nil)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func isOneOf(err error, known ...error) bool {
	return slices.ContainsFunc(known, func(one error) bool { return errors.Is(err, one) })
}

func newLife(seed uint64) *life {
	return &life{
		disk:   cachetest.New(rand.New(rand.NewPCG(seed, 1))),
		random: rand.New(rand.NewPCG(seed, 0)),
		acked:  make(map[cache.EntryID]string), tried: make(map[string]bool), seen: make(map[cache.EntryID]bool),
	}
}

// A world of a simulation opens a cache about ten times and writes some hundred times.
func BenchmarkWorld(b *testing.B) {
	for b.Loop() {
		disk := cachetest.New(rand.New(rand.NewPCG(1, 1)))
		for range 10 {
			kept, err := cache.Open(folder, cache.Options{Disk: disk.Start()})
			if err != nil {
				b.Fatal(err)
			}
			for range 10 {
				id, err := kept.Journal().Append(b.Context(), make([]byte, 300))
				if err != nil {
					b.Fatal(err)
				}
				put := func(tx *cache.Tx) error { return tx.Put("bucket", fmt.Sprint(id), make([]byte, 100)) }
				err = errors.Join(kept.Records().Update(put), kept.Journal().Forget(id), kept.Blobs().Put(fmt.Sprint(id), make([]byte, 2000), false))
				if err != nil {
					b.Fatal(err)
				}
			}
			disk.Crash(nil)
			_ = kept.Close() // it crashed
		}
	}
}

// Opening is what a world does most.
func BenchmarkOpen(b *testing.B) {
	disk := cachetest.New(rand.New(rand.NewPCG(1, 1)))
	for b.Loop() {
		kept, err := cache.Open(folder, cache.Options{Disk: disk.Start()})
		if err == nil {
			err = kept.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
