package readable

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// References finds the attachments that messages only refer to. Of the options Source, Own, Conversations, From, To and
// Progress count.
type References struct {
	Options
	// Provisional says, after All, that something may be missing.
	Provisional bool
}

// errEnough ends a walk whose results nobody takes any more.
var errEnough = errors.New("readable: enough")

// All yields their addresses, as the messages give them: hostile text, and doubles among them. Messages that were deleted, and
// what an edit replaced, do not count. An error is the source's and ends the sequence.
func (r *References) All(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		e := &export{Options: r.Options}
		if e.Location, r.Provisional = time.UTC, false; e.Progress == nil {
			e.Progress = func(engine.Progress) {}
		}
		for _, known := range r.Conversations {
			c := &conversation{export: e, contact: known.Contact, expected: int64(known.Messages)}
			err := c.references(ctx, func(uri string) bool { return yield(uri, nil) })
			r.Provisional = r.Provisional || len(c.reasons) > 0
			if errors.Is(err, errEnough) {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}

// references visits the messages of a conversation that show.
func (c *conversation) references(ctx context.Context, yield func(uri string) bool) error {
	if err := c.gather(ctx); err != nil {
		return err
	}
	var texts []int
	for number := range c.index.Entries() {
		if entry := c.index.Entry(number); entry.Deleted == nil {
			position, _ := c.index.Find(entry.Current.Hash)
			texts = append(texts, position)
		}
	}
	return c.visit(ctx, texts, func(r thread.Record) error {
		for i, a := range r.Attachments {
			if i < maxFiles && !display.IsData(a.URI) && !yield(a.URI) {
				return errEnough
			}
		}
		return nil
	})
}
