package readable

import (
	"context"
	"encoding/json"
	"io"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// summaryFile says what a folder of JSON Lines holds.
const summaryFile = "export.json"

// lineHead is a line of JSON Lines without its last member, "envelope": that is written as it is stored.
type lineHead struct {
	Contact   string                `json:"contact"`
	Hash      container.MessageHash `json:"hash"`
	Timestamp int64                 `json:"timestamp"`
	Own       bool                  `json:"own"`
	Outcome   outcome               `json:"outcome"`
	Files     []lineFile            `json:"files,omitempty"`
}

// outcome is what became of a message in folding.
type outcome struct {
	Shown     bool                   `json:"shown"`            // it has a place of its own
	Target    *container.MessageHash `json:"target,omitempty"` // else it shows there; of an answer, what it answers
	Why       string                 `json:"why,omitempty"`    // it does not count
	TakenBack bool                   `json:"taken_back,omitempty"`
	Deleted   *container.MessageHash `json:"deleted_by,omitempty"`
	Current   *container.MessageHash `json:"edited_by,omitempty"` // the last edit, which has the text that counts
}

// lineFile is an attachment that is only referred to, and that lies beside.
type lineFile struct {
	URI  string `json:"uri"`
	File string `json:"file"`
}

// writeLines writes a conversation as JSON Lines: all messages, in the order of time.
func (c *conversation) writeLines(ctx context.Context) error {
	if c.index.Len() == 0 {
		return nil
	}
	positions := make([]int, c.index.Len())
	for i := range positions {
		positions[i] = i
	}
	done := 0
	return c.folder.write(c.start(), func(w io.Writer) error {
		return c.visit(ctx, positions, func(r thread.Record) error {
			if done++; done%windowRecords == 0 || done == len(positions) {
				c.progress(done, len(positions))
			}
			return c.writeLine(ctx, w, &r)
		})
	})
}

func (c *conversation) writeLine(ctx context.Context, w io.Writer, r *thread.Record) error {
	position, _ := c.index.Find(r.Hash)
	head := lineHead{Contact: c.contact, Hash: r.Hash, Timestamp: r.Timestamp, Own: c.index.At(position).Own, Outcome: c.outcome(position)}
	for i, a := range r.Attachments {
		if display.IsData(a.URI) || i >= maxFiles {
			continue
		}
		data, note, err := c.content(ctx, a.URI)
		if err != nil {
			return err
		}
		if note != "" {
			continue
		}
		name, err := c.beside(display.FileName(orElse(a.Name, nameIn(a.URI))), display.ImageType(data), data)
		if err != nil {
			return err
		}
		c.result.Attachments++
		head.Files = append(head.Files, lineFile{URI: a.URI, File: c.slug + "/files/" + name})
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	text = append(append(append(text[:len(text)-1], `,"envelope":`...), r.JSON...), '}', '\n')
	_, err = w.Write(text)
	return err
}

func (c *conversation) outcome(position int) outcome {
	found := c.index.Outcome(position)
	o := outcome{Shown: found.Shown, TakenBack: found.TakenBack}
	if found.Target != nil {
		o.Target = &found.Target.Hash
	}
	switch found.Why {
	case thread.NoTarget:
		o.Why = "no target"
	case thread.NotAuthor:
		o.Why = "not the author"
	case thread.NoEffect:
		o.Why = "no effect"
	}
	number, shown := c.index.Number(position)
	if !shown || !found.Shown {
		return o
	}
	entry := c.index.Entry(number)
	if entry.Deleted != nil {
		o.Deleted = &entry.Deleted.Hash
	}
	if len(entry.Edits) > 0 {
		o.Current = &entry.Current.Hash
	}
	return o
}

// writeSummary writes the result beside the lines.
func (e *export) writeSummary() error {
	return e.folder.write(summaryFile, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(e.result)
	})
}

func (c *conversation) progress(done, total int) {
	c.Progress(engine.Progress{Step: "writing " + display.Line(c.contact), Done: int64(done), Total: int64(total), Unit: "messages"})
}
