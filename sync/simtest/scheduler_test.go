package simtest

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

var errHangs = errors.New("nothing moves for an hour of virtual time")

// moment is a point at which a device waits for its turn.
type moment struct {
	device int
	what   string
	turn   chan struct{}
}

// scheduler lets one waiting device go on at a time, drawn at random, once
// nothing else in the bubble can move. So a world has one order of events.
type scheduler struct {
	mu      sync.Mutex
	waiting []*moment
	idle    []*worker
	count   int64  // moments so far
	weigh   func() // called at each of them, while nothing moves; nil for nothing
}

// worker is a goroutine that does one task after the other. A fresh one for each
// task would have to grow its stack anew each time, by copying it.
type worker struct{ tasks chan func() }

// start lets a worker do a task.
func (s *scheduler) start(task func()) {
	s.mu.Lock()
	var w *worker
	if last := len(s.idle) - 1; last >= 0 {
		w, s.idle = s.idle[last], s.idle[:last]
	}
	s.mu.Unlock()
	if w == nil {
		w = &worker{make(chan func())}
		go func() {
			for task := range w.tasks {
				task()
				s.mu.Lock()
				s.idle = append(s.idle, w)
				s.mu.Unlock()
			}
		}()
	}
	w.tasks <- task
}

// end ends the workers, when all tasks are done.
func (s *scheduler) end() {
	for _, w := range s.idle {
		close(w.tasks)
	}
}

// pause returns when it is this device's turn.
func (s *scheduler) pause(device int, what string) {
	m := &moment{device: device, what: what, turn: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, m)
	s.mu.Unlock()
	<-m.turn
}

// run runs tasks side by side until all have returned. It is called by the
// bubble's first goroutine only.
func (s *scheduler) run(random *rand.Rand, tasks ...func()) error {
	var mu sync.Mutex
	left := len(tasks)
	for i, task := range tasks {
		s.start(func() {
			if len(tasks) > 1 {
				s.pause(i, "begin") // one at a time from the first
			}
			task()
			mu.Lock()
			left--
			mu.Unlock()
		})
	}
	idle := time.Duration(0)
	for {
		synctest.Wait()
		if s.weigh != nil {
			s.weigh()
		}
		if s.release(random) {
			idle = 0
			continue
		}
		mu.Lock()
		done := left == 0
		mu.Unlock()
		if done {
			return nil
		}
		// Somebody sleeps: only now does time go on.
		step := min(time.Millisecond+idle, time.Minute)
		if idle += step; idle > time.Hour {
			return errHangs
		}
		time.Sleep(step)
	}
}

// release lets one of those who wait go on; it reports whether there was one.
func (s *scheduler) release(random *rand.Rand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return false
	}
	at := 0
	if len(s.waiting) > 1 {
		slices.SortFunc(s.waiting, func(a, b *moment) int {
			return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.what, b.what))
		})
		at = random.IntN(len(s.waiting))
	}
	next := s.waiting[at]
	s.waiting = slices.Delete(s.waiting, at, at+1)
	s.count++
	close(next.turn)
	return true
}
