package dm3node

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/internal/dm3api"
)

// put is an object that somebody put, as long as nobody took it back.
type put struct {
	event      event
	generation int // the latest one in which it was seen
}

// index is what this store knows of one index. The log is a set of events, so nothing hangs on their order.
type index struct {
	bucket int
	turn   chan struct{} // holds one value while nobody asks the node

	mutex   sync.Mutex          // guards what follows, and every state
	asked   int                 // how many looks at the node have begun
	done    int                 // the number of the last one that ended well
	doubt   bool                // the node has lost something: all must be read anew
	turning bool                // somebody begins a new generation
	unsure  map[string][]string // puts by name that a failed call of this store put or took back
	state   *state
}

// state is what was read of an index.
type state struct {
	generation int                 // that is written to and read
	made       bool                // its conversation is there
	records    map[string]bool     // identifiers of its records
	excess     int                 // records that the node counts and doesn't show: another account's
	closed     bool                // it goes on in the next one
	skip       int                 // as read in generation 0
	cold       bool                // nothing was read in whole yet
	puts       map[string]*put     // live ones, by their identifier
	removed    map[string]int      // puts that were taken back, by their identifier: in which generation that was read last
	late       []string            // puts that stand in this generation although only an earlier one takes them back
	names      map[string][]string // identifiers of live puts by name
}

func newIndex(bucket int) *index {
	x := &index{bucket: bucket, turn: make(chan struct{}, 1), state: newState(0), unsure: map[string][]string{}}
	x.turn <- struct{}{}
	return x
}

func newState(generation int) *state {
	return &state{
		generation: generation, made: generation > 0, cold: true,
		records: map[string]bool{}, puts: map[string]*put{}, removed: map[string]int{}, names: map[string][]string{},
	}
}

// take adds a record of the current generation.
func (x *state) take(id, text string) {
	x.records[id], x.made = true, true
	e, ok := parseEvent(text)
	if !ok {
		return
	}
	switch e.Kind {
	case kindPut:
		if generation, ok := x.removed[e.ID]; ok {
			if generation < x.generation {
				x.late = append(x.late, e.ID)
			}
			return
		}
		if x.puts[e.ID] == nil {
			x.names[e.Name] = append(x.names[e.Name], e.ID)
		}
		x.puts[e.ID] = &put{event: e, generation: x.generation}
	case kindDelete:
		for _, id := range e.Puts {
			x.remove(id, x.generation)
		}
	case kindNext:
		x.closed = true
	case kindSkip:
		x.skip = max(x.skip, e.To)
	}
}

// remove takes a put away for good, as a generation says.
func (x *state) remove(id string, generation int) {
	x.removed[id] = generation
	p := x.puts[id]
	if p == nil {
		return
	}
	if p.generation > generation {
		x.late = append(x.late, id)
	}
	delete(x.puts, id)
	left := slices.DeleteFunc(x.names[p.event.Name], func(other string) bool { return other == id })
	if x.names[p.event.Name] = left; len(left) == 0 {
		delete(x.names, p.event.Name)
	}
}

// goOn turns to the next generation where the current one is closed.
func (x *state) goOn() bool {
	if !x.closed {
		return false
	}
	x.generation++
	x.records, x.excess, x.closed, x.made, x.late = map[string]bool{}, 0, false, true, nil // who closed the one had made the other
	return true
}

// jumps is the generation that a newcomer goes on with; 0: there is none, or this is no newcomer, who must see what was
// taken back of what it puts.
func (x *state) jumps() int {
	if x.cold && x.generation == 0 {
		return x.skip
	}
	return 0
}

// find returns the live puts of a name.
func (x *index) find(name string) (events []event) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for _, id := range x.state.names[name] {
		events = append(events, x.state.puts[id].event)
	}
	return events
}

// current is the generation that is written to.
func (x *index) current() (generation int, made bool) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.state.generation, x.state.made
}

// suspect lets the next look read everything anew.
func (x *index) suspect() {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.doubt = true
}

// enter waits until nobody else asks the node.
func (x *index) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-x.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *index) leave() { x.turn <- struct{}{} }

// begin notes that a look begins; none is needed where one began and ended since asked.
func (x *index) begin(asked int) (number int, from *state, needed bool) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.done > asked {
		return 0, nil, false
	}
	x.asked++
	if x.doubt {
		return x.asked, newState(0), true
	}
	return x.asked, x.state, true
}

// end notes what a look has read.
func (x *index) end(number int, read *state) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.state != read {
		x.doubt = false
		for id, generation := range x.state.removed { // what was taken back once stays so
			if _, known := read.removed[id]; !known {
				read.remove(id, generation)
			}
		}
	}
	read.cold = false
	x.done, x.state = number, read
}

// look brings an index up to what the node holds by now. Callers at one time share a look that began after they asked.
func (s *Store) look(ctx context.Context, x *index) error {
	x.mutex.Lock()
	asked := x.asked
	x.mutex.Unlock()
	if err := x.enter(ctx); err != nil {
		return err
	}
	defer x.leave()
	number, from, needed := x.begin(asked)
	if !needed {
		return nil
	}
	read, err := s.readOn(ctx, x, from)
	if errors.Is(err, errShrunk) {
		read, err = s.readOn(ctx, x, newState(0))
	}
	if err != nil {
		return err
	}
	x.end(number, read)
	return nil
}

// errShrunk says that an index has fewer records than it had.
var errShrunk = errors.New("the node has lost records")

// readOn reads a state's generation, and those that follow it. What is read anew is not seen before all of it is there.
func (s *Store) readOn(ctx context.Context, x *index, read *state) (*state, error) {
	for {
		if err := s.readNew(ctx, x, read, s.indexName(x.bucket, read.generation)); err != nil {
			return nil, err
		}
		x.mutex.Lock()
		skip := read.jumps()
		more := skip == 0 && read.goOn()
		x.mutex.Unlock()
		switch {
		case skip > 0: // all that counts stands there, and there alone is said what was taken back since
			read = newState(skip)
		case !more:
			return read, nil
		}
	}
}

// The sizes of an index's pages: as small as what is new, not smaller than a usual flush, not larger than an answer should
// be (about 500 bytes a record).
const (
	smallPage = 16
	largePage = 1000
)

// readNew reads what is new in a generation. The node counts its records; those that are known were there before, so an equal
// number means that nothing is new. What comes while pages are read stands before the rest and pushes that on, so no record
// is skipped; but it, and what this store writes meanwhile, may be taken for one of those that were counted. So they are
// counted again, until nothing is new, or until the pages were read to their end.
func (s *Store) readNew(ctx context.Context, x *index, read *state, name string) error {
	for sweeps := 0; ; sweeps++ {
		known := x.known(read)
		number, err := s.client.NumberOfMessages(ctx, name)
		switch {
		case err != nil:
			return err
		case number < known:
			return errShrunk
		case number == known:
			return nil
		}
		all, err := s.sweep(ctx, x, read, name, number, sweeps >= quickSweeps)
		if err != nil || all {
			return err
		}
	}
}

// quickSweeps is how often pages are read only as far as needed; in an index that is never at rest, they are then read to
// their end.
const quickSweeps = 3

// sweep reads pages, those that changed last first, until so many records are known or, where that is wanted, to the end.
// It tells whether all that were there when it began are known.
func (s *Store) sweep(ctx context.Context, x *index, read *state, name string, number int, toEnd bool) (all bool, err error) {
	size := max(smallPage, min(largePage, number-x.known(read)+smallPage/2))
	for offset := 0; ; offset++ {
		page, err := s.client.MessagesPage(ctx, name, dm3api.Page{Size: size, Offset: offset})
		if err != nil {
			return false, err
		}
		enough, jumps := x.takePage(read, page, number)
		switch {
		case jumps, len(page) == 0, enough && len(page) < size:
			return true, nil
		case enough && !toEnd:
			return false, nil
		}
	}
}

// known is how many of a generation's records are accounted for.
func (x *index) known(read *state) int {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return len(read.records) + read.excess
}

// takePage adds records and tells whether as many as were counted are accounted for, and whether a newcomer goes on with
// another generation. An empty page is the end: what was counted beyond it is never shown.
func (x *index) takePage(read *state, page []dm3api.Message, number int) (enough, jumps bool) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for i := range page {
		if !read.records[page[i].ID] {
			read.take(page[i].ID, page[i].Container)
		}
	}
	if len(page) == 0 {
		read.excess = max(0, number-len(read.records))
	}
	return len(read.records)+read.excess >= number, read.jumps() > 0
}
