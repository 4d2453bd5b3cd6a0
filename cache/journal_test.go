package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustOpenJournal(t *testing.T, folder string, options Options) *Journal {
	t.Helper()
	j, err := openJournal(folder, options.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() })
	return j
}

// crash leaves a journal as a killed process does: nothing is written any more.
func crash(t *testing.T, j *Journal) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for _, s := range j.segments {
		if s.file != nil {
			if err := s.file.Close(); err != nil {
				t.Fatal(err)
			}
			s.file = nil
		}
	}
}

func TestJournalAppendReadReplay(t *testing.T) {
	folder := t.TempDir()
	j := mustOpenJournal(t, folder, Options{})
	if id := appendText(t, j, "one"); id != 1 {
		t.Errorf("first entry is %d", id)
	}
	if id := appendText(t, j, "two", "", "four"); id != 2 {
		t.Errorf("second entry is %d", id)
	}
	want := map[EntryID]string{1: "one", 2: "two", 3: "", 4: "four"}
	check := func(when string) {
		t.Helper()
		if got := replayed(t, j); !maps.Equal(got, want) {
			t.Errorf("%s: replayed %v, want %v", when, got, want)
		}
		for id, text := range want {
			got, err := j.Read([]byte("+"), id)
			if err != nil || string(got) != "+"+text {
				t.Errorf("%s: Read(%d) = %q, %v", when, id, got, err)
			}
		}
		if got := j.Stats().Entries; got != len(want) {
			t.Errorf("%s: %d entries, want %d", when, got, len(want))
		}
	}
	check("at once")
	if err := j.Forget(2, 4, 4, 99); err != nil {
		t.Fatal(err)
	}
	delete(want, 2)
	delete(want, 4)
	check("after Forget")
	if _, err := j.Read(nil, 2); !errors.Is(err, ErrNotFound) {
		t.Errorf("Read of a forgotten entry: %v", err)
	}
	crash(t, j)
	j = mustOpenJournal(t, folder, Options{})
	check("after a crash")
	if id := appendText(t, j, "five"); id != 5 {
		t.Errorf("after a crash the next entry is %d", id)
	}
	want[5] = "five"
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpenJournal(t, folder, Options{})
	check("after a close")
	if got := j.Stats().DamagedFrames; got != 0 {
		t.Errorf("%d damaged frames", got)
	}
}

func TestJournalRefusals(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	j := mustOpenJournal(t, t.TempDir(), Options{JournalLimit: 4096})
	if _, err := j.Append(ctx, make([]byte, MaxAppend), []byte{1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := j.Append(ctx); err == nil {
		t.Error("no entries: accepted")
	}
	if _, err := j.Append(ctx, make([]byte, 5000)); !errors.Is(err, ErrJournalFull) {
		t.Errorf("above the limit: %v", err)
	}
	cancel()
	if _, err := j.Append(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	_, appendErr := j.Append(context.Background(), nil)
	_, readErr := j.Read(nil, 1)
	for doing, err := range map[string]error{
		"Append": appendErr, "Read": readErr, "Forget": j.Forget(1), "Replay": j.Replay(nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: %v", doing, err)
		}
	}
}

// A full journal takes entries again once others are forgotten.
func TestJournalLimitFreesSpace(t *testing.T) {
	j := mustOpenJournal(t, t.TempDir(), Options{JournalLimit: 64 << 10})
	data := make([]byte, 1000)
	var ids []EntryID
	for round := range 5 {
		for {
			id, err := j.Append(context.Background(), data)
			if errors.Is(err, ErrJournalFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if got := j.Stats().Bytes; got > 64<<10 {
			t.Fatalf("round %d: %d bytes", round, got)
		}
		if len(ids) < 30 {
			t.Fatalf("round %d: full after %d entries", round, len(ids))
		}
		if err := j.Forget(ids...); err != nil {
			t.Fatal(err)
		}
		ids = ids[:0]
	}
}

func segmentFiles(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// One entry that never gets confirmed must not keep the segments of all others,
// nor must what was forgotten come back when their segments go.
func TestJournalStuckEntryPinsOneSegment(t *testing.T) {
	folder := t.TempDir()
	options := Options{SegmentSize: 2000}
	j := mustOpenJournal(t, folder, options)
	appendText(t, j, "stuck")
	for i := range 300 {
		id := appendText(t, j, strings.Repeat("x", 100))
		if err := j.Forget(id); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			crash(t, j)
			j = mustOpenJournal(t, folder, options)
			if got := replayed(t, j); len(got) != 1 || got[1] != "stuck" {
				t.Fatalf("after %d: replayed %v", i, got)
			}
		}
	}
	if files := segmentFiles(t, folder); len(files) > 4 {
		t.Errorf("%d segments remain: %v", len(files), files)
	}
	if err := j.Forget(1); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpenJournal(t, folder, options)
	if got := replayed(t, j); len(got) != 0 {
		t.Errorf("replayed %v", got)
	}
	if id := appendText(t, j, "next"); id <= 301 {
		t.Errorf("next entry is %d, want more than 301", id)
	}
}

// Random appends, forgets, closes and crashes against a map.
func TestJournalAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runJournalModel(t, seed) })
	}
}

func runJournalModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	folder, options := t.TempDir(), Options{SegmentSize: 1500}
	j := mustOpenJournal(t, folder, options)
	model := make(map[EntryID]string)
	var last EntryID
	for step := range 150 {
		switch action := random.IntN(20); {
		case action < 10:
			texts := make([]string, 1+random.IntN(3))
			for i := range texts {
				texts[i] = fmt.Sprintf("%d.%d%s", step, i, strings.Repeat("-", random.IntN(300)))
			}
			first := appendText(t, j, texts...)
			if first <= last {
				t.Fatalf("entry %d was given out after %d", first, last)
			}
			for i, text := range texts {
				last = first + EntryID(i)
				model[last] = text
			}
		case action < 18:
			var ids []EntryID
			for _, id := range slices.Sorted(maps.Keys(model)) { // in order, so that a seed says it all
				if random.IntN(3) == 0 {
					ids = append(ids, id)
					delete(model, id)
				}
			}
			if err := j.Forget(ids...); err != nil {
				t.Fatal(err)
			}
		case action == 18:
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			j = mustOpenJournal(t, folder, options)
		default:
			crash(t, j)
			j = mustOpenJournal(t, folder, options)
		}
		if got := replayed(t, j); !maps.Equal(got, model) {
			t.Fatalf("step %d: journal has %v, model %v", step,
				slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(model)))
		}
		if got := j.Stats(); got.Entries != len(model) || got.DamagedFrames != 0 || got.Bytes != diskBytes(t, folder, j) {
			t.Fatalf("step %d: stats %+v, %d entries, %d bytes on disk", step, got, len(model), diskBytes(t, folder, j))
		}
	}
}

// diskBytes sums the segments' files without the space reserved in the last one.
func diskBytes(t *testing.T, folder string, j *Journal) (sum int64) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range segmentFiles(t, folder) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if j.target != nil && name == j.target.path {
			sum += j.offset
		} else {
			sum += info.Size()
		}
	}
	return sum
}

func TestJournalConcurrentWriters(t *testing.T) {
	const writers, each = 16, 200
	folder := t.TempDir()
	options := Options{SegmentSize: 20_000}
	j := mustOpenJournal(t, folder, options)
	var group sync.WaitGroup
	var mu sync.Mutex
	want := make(map[EntryID]string)
	for w := range writers {
		group.Go(func() {
			for i := range each {
				texts := []string{fmt.Sprintf("%d/%d", w, i), fmt.Sprintf("%d/%d+", w, i)}
				first, err := j.Append(context.Background(), []byte(texts[0]), []byte(texts[1]))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := j.Read(nil, first+1); err != nil || string(got) != texts[1] {
					t.Errorf("Read(%d) = %q, %v", first+1, got, err)
				}
				if i%2 == 0 {
					if err := j.Forget(first); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				if i%2 != 0 {
					want[first] = texts[0]
				}
				want[first+1] = texts[1]
				mu.Unlock()
			}
		})
	}
	group.Go(func() {
		for range 20 {
			if err := j.Replay(func(EntryID, []byte) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if got := replayed(t, j); !maps.Equal(got, want) {
		t.Errorf("replayed %d entries, want %d", len(got), len(want))
	}
	crash(t, j)
	j = mustOpenJournal(t, folder, options)
	if got := replayed(t, j); !maps.Equal(got, want) {
		t.Errorf("after a crash: replayed %d entries, want %d", len(got), len(want))
	}
}

// Callers that close while others append get an answer, and what was
// acknowledged is there.
func TestJournalCloseWhileAppending(t *testing.T) {
	folder := t.TempDir()
	j := mustOpenJournal(t, folder, Options{})
	var group sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	begun := make(chan struct{}, 8)
	for range 8 {
		group.Go(func() {
			for first := true; ; first = false {
				_, err := j.Append(context.Background(), []byte("x"))
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged++
				mu.Unlock()
				if first {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	if err := j.close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	j = mustOpenJournal(t, folder, Options{})
	if got := len(replayed(t, j)); got != acknowledged {
		t.Errorf("%d entries, %d were acknowledged", got, acknowledged)
	}
}

func TestJournalVisitMayForgetAndStop(t *testing.T) {
	j := mustOpenJournal(t, t.TempDir(), Options{SegmentSize: 200})
	for range 20 {
		appendText(t, j, strings.Repeat("x", 50))
	}
	stop, seen := errors.New("stop"), 0
	err := j.Replay(func(id EntryID, _ []byte) error {
		if seen++; seen > 10 {
			return stop
		}
		return j.Forget(id)
	})
	if !errors.Is(err, stop) || j.Stats().Entries != 10 {
		t.Errorf("%v, %d entries", err, j.Stats().Entries)
	}
	for _, s := range j.segments {
		if s.readers != 0 {
			t.Errorf("segment %d has %d readers left", s.first, s.readers)
		}
	}
	if got := replayed(t, j); len(got) != 10 {
		t.Errorf("replayed %v", got)
	}
}
