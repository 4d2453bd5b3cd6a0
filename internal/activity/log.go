package activity

import (
	"context"
	"sync"
	"time"
)

// Log is the feed. All its methods are safe for concurrent use, and none of
// them waits for a reader.
type Log struct {
	now func() time.Time

	mu       sync.Mutex
	events   []Event // a ring: the event of number n stands at n modulo its length
	first    uint64  // the oldest number that is kept
	next     uint64  // the number of the next event
	jobs     []*Job  // in the order of their starts
	lastJob  uint64
	moved    uint64 // how often a job told of its progress
	watchers map[chan struct{}]struct{}
}

// New returns an empty feed that keeps the last size events, at least one.
// now gives the time, and also the first number: a number of an earlier run is
// thereby none of this one, and its reader is told that it missed something.
func New(size int, now func() time.Time) *Log {
	number := uint64(max(now().UnixMicro(), 1)) // as a number in JSON it is exact for centuries
	return &Log{
		now: now, events: make([]Event, max(size, 1)), first: number, next: number,
		watchers: map[chan struct{}]struct{}{},
	}
}

// Note adds an event and wakes the readers. Its number is given here, and its
// time where it has none. What is too long is cut (see [Event]).
func (l *Log) Note(e Event) {
	e = e.bounded()
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(e)
	l.wake()
}

func (l *Log) add(e Event) {
	size := uint64(len(l.events))
	e.Number = l.next
	l.events[e.Number%size] = e
	l.next++
	if l.next-l.first > size {
		l.first = l.next - size
	}
}

// Last returns the number of the newest event, or the one before the first
// where there is none: what Since is to be asked with to get what comes later.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// Moved returns a number that is another one whenever long work told how far it is, which makes no event.
func (l *Log) Moved() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

// Since returns the events after the one of this number, oldest first. It
// reports that some were missed when the feed does not reach back that far, or
// never had the number (it is of another run); it then gives all that is kept.
// With zero it gives all that is kept, and nothing counts as missed.
func (l *Log) Since(number uint64) (events []Event, missed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := number + 1
	if number < l.first-1 || number >= l.next {
		from, missed = l.first, number != 0
	}
	for n := from; n < l.next; n++ {
		events = append(events, l.events[n%uint64(len(l.events))])
	}
	return events, missed
}

// Watch returns a channel that gets a word whenever there is something new: an
// event, or progress of a job. Several at once give one word. It is closed
// once ctx ends.
func (l *Log) Watch(ctx context.Context) <-chan struct{} {
	watcher := make(chan struct{}, 1)
	l.mu.Lock()
	l.watchers[watcher] = struct{}{}
	l.mu.Unlock()
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, watcher)
		close(watcher)
	})
	return watcher
}

// wake gives every watcher a word that has none yet. Callers hold mu.
func (l *Log) wake() {
	for watcher := range l.watchers {
		select {
		case watcher <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}
