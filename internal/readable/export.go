package readable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Format says how conversations are written.
type Format string

// The formats.
const (
	HTML     Format = "html"
	Markdown Format = "markdown"
	JSON     Format = "jsonl"
)

// Valid tells whether the format is one of the three.
func (f Format) Valid() bool { return f == HTML || f == Markdown || f == JSON }

// Source gives messages; api.Account is one.
type Source interface {
	// Messages returns a range of the conversation with a contact.
	Messages(ctx context.Context, contact string, r engine.Range) (engine.Page, error)
}

// Options say what is exported and where to. All but Archived, Location and Progress must be set.
type Options struct {
	Source  Source
	Account string   // the account's name, normalised
	Own     []string // all its names, normalised
	// Conversations are those that are written.
	Conversations []engine.Conversation
	// Doubts are reasons why whole conversations may be missing; they make the export provisional.
	Doubts []string
	// From and To bound the time of the messages (Unix milliseconds): from From up to, not including, To; To 0 is no end.
	From, To int64
	Format   Format
	// Folder is the path of a folder that is not there, is empty, or has an earlier export of this account and format: of
	// that, what this one does not write anew is removed.
	Folder string
	// Write, where it is set, takes every file in place of the folder: its name with slashes, and what writes it. No name
	// comes twice. Folder is not used then.
	Write func(name string, content func(io.Writer) error) error
	// Archived returns the content of an attachment that a message only refers to, where that was fetched before; nil: none.
	Archived func(ctx context.Context, uri string) (data []byte, found bool, err error)
	// Now is told as the time of the export; Location is the zone of all times that are shown, nil for UTC.
	Now      time.Time
	Location *time.Location
	// Progress is called from the exporting goroutine; may be nil.
	Progress func(engine.Progress)
}

// Conversation is what was written of one conversation.
type Conversation struct {
	Contact string `json:"contact"`
	Records int    `json:"records"` // messages of all kinds
	Entries int    `json:"entries"` // after folding
	Pages   int    `json:"pages"`
	Path    string `json:"path,omitempty"` // where it begins, in the folder, with slashes
	First   int64  `json:"first,omitempty"`
	Last    int64  `json:"last,omitempty"`
	// Provisional says that something may be missing, and Reasons why.
	Provisional bool     `json:"provisional"`
	Reasons     []string `json:"reasons,omitempty"`
}

// Result is what an export wrote.
type Result struct {
	Account       string         `json:"account"`
	Format        Format         `json:"format"`
	Folder        string         `json:"folder"`
	Exported      time.Time      `json:"exported,omitzero"`
	From          int64          `json:"from,omitempty"`
	To            int64          `json:"to,omitempty"`
	Provisional   bool           `json:"provisional"`      // something may be missing
	Doubts        []string       `json:"doubts,omitempty"` // why whole conversations may be
	Conversations []Conversation `json:"conversations"`
	Files         int            `json:"files"`
	Removed       int            `json:"removed"`     // files of an earlier export
	Attachments   int            `json:"attachments"` // written or embedded
	Missing       int            `json:"missing"`     // only referred to, and not archived here
}

// export is one run.
type export struct {
	Options
	folder *folder
	result Result
	links  *regexp.Regexp
	html   *templates
}

// Export writes conversations into a folder. A conversation that can't be read, or not whole, is marked so in what is
// written and in the result; the others are written all the same, and the error, if there is one, comes with the result.
// Errors match [ErrForeign] and [ErrFolderInUse], else those of the source and of the file system. What was written before
// an error stays, and a later export goes over it.
func Export(ctx context.Context, o Options) (result Result, err error) {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Progress == nil {
		o.Progress = func(engine.Progress) {}
	}
	pages, err := newTemplates()
	if err != nil {
		return Result{}, err
	}
	into := &folder{to: o.Write, ours: map[string]bool{}, written: map[string]bool{}}
	if o.Write == nil {
		if into, err = openFolder(o.Folder, string(o.Format)+" "+o.Account); err != nil {
			return Result{}, err
		}
	}
	defer func() { err = errors.Join(err, into.close()) }()
	e := &export{Options: o, folder: into, links: display.Addresses(), html: pages, result: Result{
		Account: o.Account, Format: o.Format, Folder: o.Folder, Exported: o.Now.UTC(), From: o.From, To: o.To, Conversations: []Conversation{},
		Doubts: o.Doubts, Provisional: len(o.Doubts) > 0,
	}}
	failed, err := e.all(ctx)
	if err != nil {
		return e.result, err
	}
	if failed == nil { // else what an earlier run wrote may be all there is
		if e.result.Removed, err = into.tidy(); err != nil {
			return e.result, err
		}
	}
	e.result.Files = len(into.written)
	return e.result, failed
}

// all writes every conversation and then the index. Failed are errors of reading single conversations; err ends the export.
func (e *export) all(ctx context.Context) (failed, err error) {
	list := slices.Clone(e.Conversations)
	slices.SortFunc(list, func(a, b engine.Conversation) int { return compareNames(a.Contact, b.Contact) })
	for _, known := range list {
		written, err := e.conversation(ctx, known)
		var unread *readError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &unread):
			failed = errors.Join(failed, fmt.Errorf("readable: %s: %w", display.Line(known.Contact), err))
			written.Provisional = true
			written.Reasons = append(written.Reasons, "it could not be read to its end: "+display.Line(err.Error()))
		case err != nil:
			return nil, err
		}
		e.result.Conversations = append(e.result.Conversations, written)
		e.result.Provisional = e.result.Provisional || written.Provisional
	}
	return failed, e.index()
}

// readError is an error of the source, or of the archive of attachments.
type readError struct{ error }

// Unwrap gives errors.Is and errors.As the error inside.
func (e *readError) Unwrap() error { return e.error }

// conversation writes one conversation.
func (e *export) conversation(ctx context.Context, known engine.Conversation) (Conversation, error) {
	c := &conversation{export: e, contact: known.Contact, slug: folderName(known.Contact), expected: int64(known.Messages)}
	written := Conversation{Contact: known.Contact}
	err := c.gather(ctx)
	if err == nil {
		written.Records, written.Entries = c.index.Len(), c.index.Entries()
		if n := c.index.Len(); n > 0 {
			written.First, written.Last = c.index.At(0).Timestamp, c.index.At(n-1).Timestamp
		}
		err = c.write(ctx)
	}
	written.Provisional, written.Reasons = len(c.reasons) > 0, c.reasons
	written.Pages, written.Path = len(c.plan), c.start()
	return written, err
}

// write writes what was gathered.
func (c *conversation) write(ctx context.Context) error {
	if e := c.export; e.Format == JSON {
		return c.writeLines(ctx)
	}
	c.plan = c.pages()
	return c.writePages(ctx)
}

// start is the file at which a conversation begins.
func (c *conversation) start() string {
	switch {
	case c.index == nil || c.index.Entries() == 0:
		return ""
	case c.Format == JSON:
		return c.slug + ".jsonl"
	case len(c.plan) == 1:
		return path.Join(c.slug, c.pageName(0))
	}
	return path.Join(c.slug, c.name("index"))
}
