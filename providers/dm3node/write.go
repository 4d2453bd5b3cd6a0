package dm3node

import (
	"context"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/dm3api"
)

// write adds events to an index and returns when whoever looks from now on sees them: they are in the current generation,
// and a look after that shows that it was not closed.
func (s *Store) write(ctx context.Context, x *index, events ...event) error {
	if err := s.ready(ctx, x); err != nil {
		return err
	}
	for {
		generation, made := x.current()
		if !made {
			if err := s.makeIndex(ctx, x, generation); err != nil {
				return err
			}
		}
		if err := s.append(ctx, x, generation, append(events, x.belated()...)); err != nil {
			return err
		}
		if err := s.look(ctx, x); err != nil {
			return err
		}
		if now, _ := x.current(); now == generation {
			return nil
		}
		// Who saw a put in the closed generation may have taken it back, and the closing of later ones have dropped both.
		events = x.standing(events)
	}
}

// standing leaves out the puts that were taken back.
func (x *index) standing(events []event) (left []event) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for _, e := range events {
		if _, removed := x.state.removed[e.ID]; e.Kind != kindPut || !removed {
			left = append(left, e)
		}
	}
	return left
}

// belated takes back what stands in this generation although an earlier one takes it back: whoever did so there ended
// before saying it here, and not everybody has read it there.
func (x *index) belated() (events []event) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	ids := slices.DeleteFunc(x.state.late, func(id string) bool { return x.state.removed[id] == x.state.generation })
	for batch := range slices.Chunk(ids, putsPerDelete) {
		events = append(events, event{Kind: kindDelete, ID: randomID(), Puts: slices.Clone(batch)})
	}
	x.state.late = ids
	return events
}

// ready makes sure that an index was looked at once.
func (s *Store) ready(ctx context.Context, x *index) error {
	x.mutex.Lock()
	done := x.done
	x.mutex.Unlock()
	if done > 0 {
		return nil
	}
	return s.look(ctx, x)
}

// makeIndex makes a generation's conversation where nobody has.
func (s *Store) makeIndex(ctx context.Context, x *index, generation int) error {
	if err := x.enter(ctx); err != nil {
		return err
	}
	defer x.leave()
	if now, made := x.current(); made || now != generation {
		return nil // another call did
	}
	if err := s.makeHidden(ctx, s.indexName(x.bucket, generation)); err != nil {
		return err
	}
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.state.made = x.state.made || x.state.generation == generation
	return nil
}

// appendBatch is how many events travel in one request.
const appendBatch = 100

// append adds events to a generation. Repeating it does no harm.
func (s *Store) append(ctx context.Context, x *index, generation int, events []event) error {
	for len(events) > 0 {
		batch := events[:min(len(events), appendBatch)]
		events = events[len(batch):]
		records := make([]dm3api.Record, len(batch))
		for i := range batch {
			text, err := batch[i].text()
			if err != nil {
				return err
			}
			records[i] = dm3api.Record{MessageID: s.recordID(x.bucket, generation, batch[i].ID), Container: text}
		}
		if err := s.client.EditMessageBatch(ctx, s.indexName(x.bucket, generation), records); err != nil {
			return fmt.Errorf("noting it in the index: %w", err)
		}
		x.own(s.client.Account(), generation, records)
	}
	return nil
}

// own adds records that this store wrote, so that they need not be read back.
func (x *index) own(account string, generation int, records []dm3api.Record) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.state.generation != generation {
		return
	}
	for _, record := range records {
		if id := dm3api.StoredID(account, record.MessageID); !x.state.records[id] {
			x.state.take(id, record.Container)
		}
	}
}
