package readable

import (
	"context"
	"slices"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Windows in which a conversation is read: at first by number, which follows the sizes that are met; then by the sizes that
// were found.
const (
	firstWindow   = 16 // records
	windowRecords = 2000
	windowBytes   = 4 << 20
)

// conversation is one conversation while it is written.
type conversation struct {
	*export
	contact  string
	slug     string // its name in the folder
	expected int64  // records, as an estimate for the progress
	index    *thread.Index
	plan     []page
	reasons  []string
}

// read reads a range, and keeps why something may be missing from it.
func (c *conversation) read(ctx context.Context, r engine.Range) (engine.Page, error) {
	found, err := c.Source.Messages(ctx, c.contact, r)
	if err != nil {
		return found, &readError{err}
	}
	for _, reason := range found.Reasons {
		c.lack(reason)
	}
	if found.Provisional && len(c.reasons) == 0 {
		c.lack("something may be missing")
	}
	return found, nil
}

func (c *conversation) lack(reason string) {
	if reason = display.Line(reason); len(c.reasons) < 100 && !slices.Contains(c.reasons, reason) {
		c.reasons = append(c.reasons, reason)
	}
}

// gather goes through the range once, from its end to its beginning, and keeps what folding needs to know.
func (c *conversation) gather(ctx context.Context) error {
	b := thread.NewBuilder(c.Own...)
	to, done, last := c.To, int64(0), firstWindow
	for {
		found, err := c.read(ctx, engine.Range{From: c.From, To: to, Last: last})
		if err != nil {
			return err
		}
		messages := found.Messages
		more := len(messages) >= last
		if more {
			oldest := messages[0].Timestamp
			if messages[len(messages)-1].Timestamp == oldest { // one time; others of it may be left out
				if found, err = c.read(ctx, engine.Range{From: oldest, To: oldest + 1}); err != nil {
					return err
				}
				messages, to = found.Messages, oldest
			} else { // others of the oldest time may be left out, and come with the next window
				later := slices.IndexFunc(messages, func(m envelope) bool { return m.Timestamp > oldest })
				messages, to = messages[later:], oldest+1
			}
		}
		size := 0
		for _, message := range messages {
			b.AddEnvelope(message)
			size += len(message.JSON)
		}
		last = nextWindow(last, size)
		done += int64(len(messages))
		c.Progress(engine.Progress{Step: "reading " + display.Line(c.contact), Done: done, Total: max(done, c.expected), Unit: "messages"})
		if !more || to <= c.From {
			break
		}
	}
	c.index = b.Index()
	return nil
}

// nextWindow is how many records the next window takes, after one of a size.
func nextWindow(last, size int) int {
	switch {
	case size > windowBytes:
		return max(last/2, firstWindow/2)
	case size < windowBytes/4:
		return min(2*last, windowRecords)
	}
	return last
}

// visit reads the records at positions, in their order, and calls see for each that is still there. One read takes what lies
// near together.
func (c *conversation) visit(ctx context.Context, positions []int, see func(thread.Record) error) error {
	positions = slices.Clone(positions)
	slices.Sort(positions)
	positions = slices.Compact(positions)
	for len(positions) > 0 {
		n := c.near(positions)
		wanted := positions[:n]
		positions = positions[n:]
		found, err := c.read(ctx, engine.Range{From: c.index.At(wanted[0]).Timestamp, To: c.index.At(wanted[n-1]).Timestamp + 1})
		if err != nil {
			return err
		}
		for _, message := range found.Messages {
			position, known := c.index.Find(message.Hash)
			if _, want := slices.BinarySearch(wanted, position); !known || !want {
				continue // not asked for, or newer than the index
			}
			if err := see(thread.Read(message)); err != nil {
				return err
			}
		}
	}
	return nil
}

// near counts the positions, sorted, that one read takes with the first of them.
func (c *conversation) near(positions []int) int {
	size := c.index.Size(positions[0])
	for n := 1; n < len(positions); n++ {
		for i := positions[n-1] + 1; i <= positions[n]; i++ {
			size += c.index.Size(i)
			if size > windowBytes || i-positions[0] >= windowRecords {
				return n
			}
		}
	}
	return len(positions)
}
