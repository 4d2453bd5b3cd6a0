package simtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds  = flag.Int("simtest.seeds", 100, "random worlds to run")
	first  = flag.Uint64("simtest.first", 1, "seed of the first world")
	keep   = flag.String("simtest.keep", "", "steps of the history to keep, such as 3,7-9; the others are left out")
	long   = flag.Duration("simtest.for", 0, "run worlds for this long, whatever their number")
	shrink = flag.Duration("simtest.shrink", time.Minute, "how long to look for a shorter history of a failure")
	all    = flag.Bool("simtest.all", false, "go on after a failure, and tell each in one line")
	honest = flag.Bool("simtest.honest", false, "no world with a place that lies")
	within = flag.String("simtest.in", "", "of these seeds, only worlds with all of these words in their setting, such as carried,small cache")
	alarms = flag.Bool("simtest.alarms", true, "an alarm in a world whose place keeps its promises is a failure")
	trace  = flag.Bool("simtest.trace", false, "print the steps as they are done")
)

// stuckAfter is when a world is named that has not ended; the slowest take some
// seconds.
const stuckAfter = 2 * time.Minute

// TestRandomWorlds runs random worlds, as many as asked for, on all processors.
func TestRandomWorlds(t *testing.T) {
	if *keep != "" {
		replay(t)
		return
	}
	// Worlds are small and throw much away: with the usual setting a fifth of
	// the processor time went into looking for what is still in use. So some 200
	// MB are taken.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	var next, done, steps, moments, writes atomic.Int64
	var failed atomic.Bool
	end := time.Now().Add(*long)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if *long > 0 && time.Now().After(end) || *long == 0 && n >= int64(*seeds) {
					return
				}
				h := newHistory(*first + uint64(n))
				h.idle = failed.Load
				if !h.setting.has(*within) {
					continue
				}
				stuck := time.AfterFunc(stuckAfter, func() {
					fmt.Fprintf(os.Stderr, "seed %d (%v) has run for %v: does something wait that no time ends, such as a sync.Mutex?\n", h.seed, h.setting, stuckAfter)
				})
				result := h.run(t, nil)
				stuck.Stop()
				done.Add(1)
				steps.Add(int64(len(h.steps)))
				moments.Add(result.moments)
				writes.Add(result.writes)
				switch {
				case len(result.failures) == 0:
				case *all:
					t.Errorf("seed %d (%v): %s", h.seed, h.setting, result.failures[0])
				case !failed.Swap(true):
					h.explain(t, result)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d worlds, %d steps, %d requests and %d writes to disks at which a fault could strike", done.Load(), steps.Load(), moments.Load(), writes.Load())
}

// replay runs one world with the steps asked for.
func replay(t *testing.T) {
	numbers, err := kept(*keep)
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(*first)
	h.numbers = slices.DeleteFunc(numbers, func(n int) bool { return n >= len(h.steps) })
	result := h.run(t, func(line string) { fmt.Fprintln(os.Stderr, line) })
	for _, failure := range result.failures {
		t.Error(failure)
	}
}

// history is a world and the numbers of the steps that are done in it.
type history struct {
	seed    uint64
	setting setting
	steps   []step
	numbers []int
	idle    func() bool // nobody waits for the result any more; may be nil
}

type result struct {
	failures []string
	moments  int64
	writes   int64 // to the disks that were there in the end
}

func newHistory(seed uint64) *history {
	random := rand.New(rand.NewPCG(seed, 42))
	h := &history{seed: seed, setting: drawSetting(random)}
	if *honest {
		h.setting.liar = false
	}
	h.steps = drawSteps(random, h.setting)
	for i := range h.steps {
		h.numbers = append(h.numbers, i)
	}
	return h
}

// run runs the world once, in a bubble of its own.
func (h *history) run(t *testing.T, log func(string)) (r result) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(h.seed, h.setting)
		w.idle = h.idle
		if log != nil || *trace {
			w.log, w.told = func(line string) { fmt.Fprintln(os.Stderr, line) }, true
		}
		var chosen []step
		for _, n := range h.numbers {
			chosen = append(chosen, h.steps[n])
		}
		r.failures = w.run(chosen)
		w.schedule.end()
		r.moments = w.schedule.count
		for _, d := range w.devices {
			r.writes += int64(d.disk.Changes())
		}
	})
	return r
}

// explain reports a failure with the shortest history that shows one.
func (h *history) explain(t *testing.T, r result) {
	failures := r.failures
	end := time.Now().Add(*shrink)
	for size := len(h.numbers) / 2; size > 0; {
		shorter := false
		for at := 0; at < len(h.numbers) && time.Now().Before(end); {
			tried := *h
			tried.idle = nil
			tried.numbers = slices.Delete(slices.Clone(h.numbers), at, min(at+size, len(h.numbers)))
			if r := tried.run(t, nil); len(r.failures) > 0 {
				h.numbers, failures, shorter = tried.numbers, r.failures, true
				continue
			}
			at += size
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d fails: %v\n", h.seed, h.setting)
	for _, n := range h.numbers {
		fmt.Fprintf(&text, "%5d %v\n", n, h.steps[n])
	}
	for _, failure := range failures {
		fmt.Fprintf(&text, "  %s\n", failure)
	}
	fmt.Fprintf(&text, "again: go test ./sync/simtest -run TestRandomWorlds -simtest.first %d -simtest.keep %s", h.seed, listed(h.numbers))
	t.Error(text.String())
}
