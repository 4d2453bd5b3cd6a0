package dm3node

import (
	"context"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/dm3api"
)

// An index grows with every put and delete, and the service removes nothing. So one that is mostly of the past is closed
// and goes on as another conversation:
//
//  1. The next conversation is made, and the current generation gets the record "next".
//  2. It is read once more. What stands in it by now, or stood in those before it, and is not taken back, is written to the
//     next generation: the same events, so that twice is once.
//  3. Generation 0 says that readers may begin with the next one. Nothing before it is needed any more.
//
// Whoever adds to a generation looks at it afterwards. When that shows "next", nobody may have seen the addition, and it is
// added to the next generation as well; when it does not, the reading of step 2, which comes after "next", finds it. All of
// it is union: it may be done by several devices at once, and stop anywhere. Where it stopped, readers go on from one
// generation to the next.

// turnIfDue closes a generation that is mostly of the past. Nothing hangs on its success, the next write tries again.
func (s *Store) turnIfDue(ctx context.Context, x *index) {
	if !x.due(s.options.Turn) {
		return
	}
	defer x.turned()
	generation, _ := x.current()
	var err error
	for range turnAttempts {
		if err = s.turnOver(ctx, x, generation); err == nil || ctx.Err() != nil {
			return
		}
	}
	s.options.Warn(fmt.Sprintf("an index at the dm3 node could not be begun anew, which only makes it longer: %v", err))
}

// turnAttempts is how often that is tried: of two devices that write one record for the first time at once, a stock node
// fails one.
const turnAttempts = 3

// due tells whether this call is to begin a new generation.
func (x *index) due(least int) bool {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if records := len(x.state.records); x.turning || x.state.closed || records < least || records < 2*len(x.state.puts) {
		return false
	}
	x.turning = true
	return true
}

func (x *index) turned() {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.turning = false
}

// turnOver closes a generation, unless it is closed by now, and fills the one that follows.
func (s *Store) turnOver(ctx context.Context, x *index, generation int) error {
	if now, _ := x.current(); now == generation {
		if err := s.makeHidden(ctx, s.indexName(x.bucket, generation+1)); err != nil {
			return err
		}
		if err := s.append(ctx, x, generation, []event{{Kind: kindNext, ID: kindNext}}); err != nil {
			return err
		}
		if err := s.look(ctx, x); err != nil {
			return err
		}
	}
	now, _ := x.current()
	return s.carry(ctx, x, now)
}

// earlier are the live puts that a generation does not hold.
func (x *index) earlier(generation int) (events []event) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for _, p := range x.state.puts {
		if p.generation < generation {
			events = append(events, p.event)
		}
	}
	return events
}

// carry writes what still counts of earlier generations to a generation, and lets readers begin there.
func (s *Store) carry(ctx context.Context, x *index, generation int) error {
	if generation == 0 {
		return nil
	}
	events := x.earlier(generation)
	if err := s.append(ctx, x, generation, events); err != nil {
		return err
	}
	text, err := (&event{Kind: kindSkip, To: generation}).text()
	if err != nil {
		return err
	}
	// The first record of generation 0, wherever the others stand.
	record := dm3api.Record{CreatedAt: firstDay, MessageID: s.recordID(x.bucket, 0, kindSkip), Container: text}
	err = s.client.AddMessage(ctx, s.indexName(x.bucket, 0), record)
	if errors.Is(err, dm3api.ErrNotAdded) {
		err = s.client.EditMessageBatch(ctx, s.indexName(x.bucket, 0), []dm3api.Record{record})
	}
	return err
}
