package storage

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// walkMessages is how many messages are read together when a whole conversation is.
const walkMessages = 2048

// walk gives every message of a conversation to visit, newest first, and tells
// whether any could not be read. Memory is bounded by a page.
func walk(ctx context.Context, account api.Account, contact string, visit func(container.Envelope) error) (provisional bool, err error) {
	wanted := engine.Range{To: math.MaxInt64, Last: walkMessages}
	seen := make(map[container.MessageHash]bool) // of the time at which the last page began
	for {
		page, err := account.Messages(ctx, contact, wanted)
		if err != nil {
			return false, fmt.Errorf("storage: reading a conversation: %w", err)
		}
		provisional = provisional || page.Provisional
		fresh := false
		for _, message := range slices.Backward(page.Messages) {
			if seen[message.Hash] {
				continue
			}
			fresh = true
			if err := visit(message); err != nil {
				return false, err
			}
		}
		switch {
		case len(page.Messages) < wanted.Last:
			return provisional, nil
		case !fresh:
			wanted.Last *= 2 // more messages of one time than a page holds
			continue
		}
		first := page.Messages[0].Timestamp
		if first+1 != wanted.To {
			clear(seen)
		}
		for i := 0; i < len(page.Messages) && page.Messages[i].Timestamp == first; i++ {
			seen[page.Messages[i].Hash] = true
		}
		wanted = engine.Range{To: first + 1, Last: walkMessages}
	}
}

// position is where a message stands in an app's order, and where the tree has it.
type position struct {
	created, timestamp int64 // Unix milliseconds
	hash               container.MessageHash
}

// order is a conversation as apps page through it: the last created first. It never
// changes once it is made.
type order struct {
	known       engine.Conversation // what the conversation looked like
	positions   []position
	times       []int64   // timestamps, ascending
	provisional bool      // some messages could not be read
	made        time.Time // when all of it was
}

// readOrder reads a whole conversation to know its order.
func readOrder(ctx context.Context, account api.Account, known engine.Conversation) (*order, error) {
	o := &order{known: known}
	provisional, err := walk(ctx, account, known.Contact, func(e container.Envelope) error {
		s, err := readStored(e)
		if err != nil {
			return err
		}
		o.positions = append(o.positions, position{s.record.CreatedAt, e.Timestamp, e.Hash})
		return nil
	})
	if err != nil {
		return nil, err
	}
	o.sort()
	o.provisional = provisional
	return o, nil
}

// sort puts the positions in order, and notes their times.
func (o *order) sort() {
	slices.SortFunc(o.positions, func(a, b position) int {
		return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.timestamp, a.timestamp), bytes.Compare(b.hash[:], a.hash[:]))
	})
	o.times = make([]int64, len(o.positions))
	for i, p := range o.positions {
		o.times[i] = p.timestamp
	}
	slices.Sort(o.times)
}

// between counts the messages from one time to another, both included.
func (o *order) between(from, to int64) int {
	return sort.Search(len(o.times), func(i int) bool { return o.times[i] > to }) - sort.Search(len(o.times), func(i int) bool { return o.times[i] >= from })
}

// waste is how many messages too many are read rather than asking once more.
const waste = 64

// spans are the ranges of time to read for some positions: few, though positions
// that stand together may lie far apart in time.
func (o *order) spans(positions []position) []engine.Range {
	times := make([]int64, len(positions))
	for i, p := range positions {
		times[i] = p.timestamp
	}
	slices.Sort(times)
	var spans []engine.Range
	for _, at := range times {
		if n := len(spans); n > 0 && o.between(spans[n-1].To, at-1) <= waste {
			spans[n-1].To = max(spans[n-1].To, at+1)
			continue
		}
		spans = append(spans, engine.Range{From: at, To: at + 1})
	}
	return spans
}

// read reads the messages at some positions, in their order. What went away since
// the order was made is left out.
func (o *order) read(ctx context.Context, account api.Account, positions []position) ([]stored, error) {
	found := make(map[container.MessageHash]container.Envelope, len(positions))
	for _, span := range o.spans(positions) {
		page, err := account.Messages(ctx, o.known.Contact, span)
		if err != nil {
			return nil, fmt.Errorf("storage: reading messages: %w", err)
		}
		for _, e := range page.Messages {
			found[e.Hash] = e
		}
	}
	var list []stored
	for _, p := range positions {
		e, ok := found[p.hash]
		if !ok {
			continue
		}
		s, err := readStored(e)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// page cuts a page out of a list.
func cutPage[T any](list []T, size, offset int) []T {
	if size <= 0 || offset < 0 || offset > len(list)/size {
		return nil
	}
	from := offset * size
	return list[from:min(len(list), from+size)]
}
