package search

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
)

// life is a rig whose history grows and whose disk fails, with what the history says is there.
type life struct {
	*rig
	random *rand.Rand
	texts  map[container.MessageHash]string
	all    []container.Envelope
	at     int64
}

func newLife(t testing.TB, seed uint64) *life {
	r := &rig{t: t, disk: cachetest.New(rand.New(rand.NewPCG(seed, 1))), history: newHistory(), now: time.UnixMilli(1_700_000_000_000)}
	aead, err := Cipher([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	r.options = Options{Folder: "/search", Cipher: aead, Own: []string{"alice.eth"}, Source: r.history, Now: func() time.Time { return r.now }, Memory: 300 << 10}
	return &life{rig: r, random: rand.New(rand.NewPCG(seed, 0)), texts: map[container.MessageHash]string{}}
}

var lifeWords = strings.Fields("apple apples banana cherry date elder fig grape über 東京 มะม่วง наша don't x.y.z 👍")

// grow lets something happen.
func (l *life) grow() {
	contact := fmt.Sprintf("friend%d.eth", l.random.IntN(3))
	chunk := &container.Chunk{}
	for range l.random.IntN(20) {
		var words []string
		for range 1 + l.random.IntN(6) {
			words = append(words, lifeWords[l.random.IntN(len(lifeWords))])
		}
		l.at += int64(l.random.IntN(3))
		m := said(contact, "NEW", l.at, fmt.Sprint(strings.Join(words, " "), " m", len(l.texts)))
		chunk.Messages = append(chunk.Messages, m)
		l.texts[m.Hash] = strings.Join(words, " ")
		l.all = append(l.all, m)
	}
	if len(l.all) > 0 && l.random.IntN(3) == 0 {
		m := l.all[l.random.IntN(len(l.all))]
		delete(l.texts, m.Hash)
		l.history.mu.Lock()
		l.history.gone[m.Hash] = true
		l.history.mu.Unlock()
		for contact := range l.history.pieces { // a tombstone of its own conversation among them
			chunk := &container.Chunk{Tombstones: []container.Tombstone{{Hash: m.Hash, Timestamp: m.Timestamp}}}
			l.history.putChunk(contact, true, chunk)
		}
	}
	if l.random.IntN(3) == 0 {
		l.history.write(contact, chunk.Messages...)
	}
	l.history.putChunk(contact, true, chunk)
}

// run opens the index and uses it for a while.
func (l *life) run() (err error) {
	l.options.Disk = l.disk.Start()
	index, err := Open(l.options)
	if err != nil {
		return err
	}
	l.index = index
	for range l.random.IntN(12) {
		switch l.random.IntN(5) {
		case 0:
			l.now = l.now.Add(2 * flushEvery)
		case 1:
			l.now = l.now.Add(2 * purgeEvery)
		default:
			l.grow()
		}
		if err := index.Update(l.t.Context()); err != nil {
			return err
		}
		if err := l.check(true); err != nil {
			return err
		}
	}
	return index.Close(l.t.Context())
}

// check compares what a search finds with what is there. The index must have all of it when it is up to date.
func (l *life) check(current bool) error {
	word := lifeWords[l.random.IntN(len(lifeWords))]
	found := map[container.MessageHash]bool{}
	q := Query{Text: `"` + word + `"`, Limit: 1 + l.random.IntN(30)}
	var last *Hit
	for {
		result, err := l.index.Search(l.t.Context(), q)
		if err != nil {
			return err
		}
		for i := range result.Hits {
			hit := &result.Hits[i]
			if found[hit.Hash] || last != nil && hit.Timestamp > last.Timestamp {
				l.t.Errorf("%v after %v", hit, last)
			}
			found[hit.Hash], last = true, hit
		}
		if q.After = result.More; q.After == "" {
			break
		}
	}
	split := newSplitter()
	want := map[container.MessageHash]bool{}
	for hash, text := range l.texts {
		if naive(split, text, word) {
			want[hash] = true
		}
	}
	for hash := range found {
		if !want[hash] {
			l.t.Errorf("%s: found %s", word, l.texts[hash])
		}
	}
	if current && !maps.Equal(found, want) {
		l.t.Errorf("%s: %d found, %d there", word, len(found), len(want))
	}
	return nil
}

// naive looks for words in a row.
func naive(split *splitter, text, words string) bool {
	return slices.Contains(windows(termsOf(split, text), len(termsOf(split, words))), strings.Join(termsOf(split, words), " "))
}

func termsOf(split *splitter, text string) (terms []string) {
	split.each(text, func(term string, _, _ int) bool {
		terms = append(terms, term)
		return true
	})
	return terms
}

func windows(terms []string, n int) (all []string) {
	for i := 0; i+n <= len(terms); i++ {
		all = append(all, strings.Join(terms[i:i+n], " "))
	}
	return all
}

// TestPowerLoss: wherever power is lost, the index opens again, nothing looks like damage, and the next update finds all.
func TestPowerLoss(t *testing.T) {
	crashes := 0
	for seed := range uint64(40) {
		l := newLife(t, seed)
		for range 8 {
			at := l.disk.Changes() + 1 + l.random.IntN(80)
			outcome := []cachetest.Outcome{cachetest.CrashBefore(), cachetest.CrashAfter()}[l.random.IntN(2)]
			l.disk.SetHook(func(o cachetest.Operation) cachetest.Outcome {
				if o.Number == at {
					return outcome
				}
				return cachetest.Outcome{}
			})
			err := l.run()
			if errors.Is(err, cachetest.ErrCrashed) {
				crashes++
			} else if err != nil {
				t.Fatal(seed, err)
			}
			if l.index != nil && l.index.rebuilt {
				t.Errorf("seed %d: a crash looks like damage", seed)
			}
			if l.random.IntN(3) == 0 {
				l.disk.Crash(nil)
			}
		}
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
	if crashes < 30 {
		t.Fatal("only crashes:", crashes)
	}
}

// TestFailingDisk: calls that fail, and a disk that is full, are said, and leave the index as it was; it goes on afterwards.
func TestFailingDisk(t *testing.T) {
	failures := 0
	for seed := range uint64(10) {
		l := newLife(t, seed)
		chance := rand.New(rand.NewPCG(seed, 2))
		for range 6 {
			l.disk.SetHook(func(o cachetest.Operation) cachetest.Outcome {
				if chance.IntN(40) > 0 {
					return cachetest.Outcome{}
				}
				return cachetest.FailAfter(max(0, chance.IntN(2*o.Bytes+1)-o.Bytes), syscall.EIO)
			})
			if l.random.IntN(3) == 0 {
				l.disk.SetLimit(l.disk.Used() + 2000)
			}
			if err := l.run(); errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) {
				failures++
			} else if err != nil {
				t.Fatal(seed, err)
			}
			l.disk.SetLimit(0)
			l.disk.SetHook(nil)
			if l.random.IntN(2) == 0 {
				l.disk.Crash(nil)
			}
			if err := l.run(); err != nil {
				t.Fatal(seed, err)
			}
		}
	}
	if failures < 8 {
		t.Fatal("only failures:", failures)
	}
}

// TestDamage: whatever is flipped, cut off, lost or put in another's place, the rest is found meanwhile, and all after an
// update; that it was so is said.
func TestDamage(t *testing.T) {
	noticed := 0
	for seed := range uint64(40) {
		l := newLife(t, seed)
		for range 3 {
			if err := l.run(); err != nil {
				t.Fatal(err)
			}
		}
		for range 1 + l.random.IntN(2) {
			files := l.disk.Files()
			if len(files) == 0 {
				continue
			}
			file := files[l.random.IntN(len(files))]
			switch l.random.IntN(3) {
			case 0:
				if err := l.disk.Flip(file.Path, 1, l.random); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := l.disk.Lose(file.Path); err != nil {
					t.Fatal(err)
				}
			case 2:
				other, s := files[l.random.IntN(len(files))], l.disk.Start()
				data, err := s.ReadFile(other.Path)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.WriteFile(file.Path, data[:l.random.IntN(len(data)+1)]); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.open()
		if err := l.check(false); err != nil {
			t.Fatal(seed, err)
		}
		if l.search(Query{Text: "apple"}).Rebuilt {
			noticed++
		}
		for range 2 { // a fault that only maintenance meets ends one update
			if err := l.index.Update(t.Context()); err != nil && !errors.Is(err, errDamaged) {
				t.Fatal(seed, err)
			}
		}
		for range 10 {
			if err := l.check(true); err != nil {
				t.Fatal(seed, err)
			}
		}
		if l.search(Query{Text: "apple"}).Rebuilt {
			t.Error(seed, "is still said to be built anew")
		}
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
	if noticed < 10 {
		t.Fatal("noticed only", noticed)
	}
}
