package api

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/internal/transfer"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	pathSealed   = "/v1/accounts/{account}/exports/sealed"
	pathReadable = "/v1/accounts/{account}/exports/readable"
)

// Trailers of an export: only at its end is known how it went.
const (
	trailerObjects = "Dm3sync-Objects"
	trailerMissing = "Dm3sync-Missing"
)

// maxContacts bounds the conversations that an export names.
const maxContacts = 100

// errReaderLeft is what the feed says of an export that nobody reads any more.
var errReaderLeft = errors.New("whoever asked for it left before its end")

// addExports adds the downloads.
func (s *service) addExports() {
	limits := map[string]any{"answer_bytes": "none"}
	add(s, operation{
		id: "export-sealed", method: http.MethodGet, path: pathSealed, tag: "exports", limits: limits,
		problems: append([]string{"not-offered"}, atPlace...),
		summary:  "The whole history, sealed, as one file",
		about: "What `dm3sync export` writes and `dm3sync import` reads: objects as they are at the place, of no use without the account's\n" +
			"key. What waits is uploaded first. At the end, the trailers " + trailerObjects + " and " + trailerMissing + " say how many objects there\n" +
			"are, and how many could not be had. A file that breaks off has no end, and import says so.",
		answers: answerIn(bytesMedia, "The file", binary()),
	}, s.exportSealed)
	add(s, operation{
		id: "export-readable", method: http.MethodGet, path: pathReadable, tag: "exports", problems: readProblems,
		limits:  map[string]any{"answer_bytes": "none", "contacts": maxContacts},
		summary: "Conversations as plaintext, in a zip file",
		about: "Whoever gets the file can read it. Nothing of it is written to the disk here. export.json in it says what it holds, and\n" +
			"what may be missing. What messages only refer to is left out.",
		answers: answerIn(zipMedia, "A zip file of pages or lines", binary()),
	}, s.exportReadable)
}

// exportSealed copies objects while they are read. Nothing is sent until what waits is at the place, so the feed shows the
// export as a job from the beginning, and a client that goes ends it at any time.
func (s *service) exportSealed(ctx context.Context, in *AccountPath) (*streamed, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	objects, ok := account.(Objects)
	if !ok {
		return nil, fmt.Errorf("%w: this account gives no objects", ErrNotOffered)
	}
	status, err := account.Status(ctx)
	if err != nil {
		return nil, err
	}
	job := s.backend.Activity().Start(status.Name, activity.JobExport, "Exporting the whole history, sealed")
	progress := func(p engine.Progress) { job.Progress(p.Step, p.Done, p.Total, p.Unit) }
	result := transfer.Result{}
	if _, err = account.Sync(ctx, engine.Work{Settle: true}, progress); err != nil && (ctx.Err() != nil || !transfer.Unreachable(err)) {
		endExport(ctx, job, err)
		return nil, err
	}
	result.Cached = err != nil
	return &streamed{func(huma.Context) {
		w := in.writer
		w.Header().Set("Trailer", trailerObjects+", "+trailerMissing)
		attach(w, bytesMedia, "dm3sync-export")
		err := copySealed(ctx, w, &transfer.Copier{From: objects, Result: &result, Progress: progress, Look: func() error {
			_, err := account.Sync(ctx, engine.Work{}, progress)
			return err
		}})
		endExport(ctx, job, err)
		breakOff(err)
		w.Header().Set(trailerObjects, strconv.Itoa(result.Objects))
		w.Header().Set(trailerMissing, strconv.Itoa(len(result.Missing)))
	}}, nil
}

// endExport ends the job of an export. A client that went is what ended it, whatever broke by that.
func endExport(ctx context.Context, job *activity.Job, err error) {
	if err != nil && ctx.Err() != nil {
		err = errReaderLeft
	}
	job.End(err)
}

func copySealed(ctx context.Context, w io.Writer, c *transfer.Copier) error {
	file, err := archive.NewWriter(w)
	if err != nil {
		return err
	}
	c.To = transfer.NewPipe(file)
	if err := c.Run(ctx); err != nil {
		return err // without an end, a part is not taken for the whole
	}
	return file.Finish()
}

// attach says that an answer is a file.
func attach(w http.ResponseWriter, media, name string) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.WriteHeader(http.StatusOK)
}

// breakOff cuts the connection when an answer that has begun can't be ended: nobody must take the part for the whole.
func breakOff(err error) {
	if err != nil {
		panic(http.ErrAbortHandler) // the way that net/http has for it
	}
}

type readableInput struct {
	AccountPath
	Format  string   `query:"format" enum:"html,markdown,jsonl" default:"html" doc:"html: pages for a browser; markdown; jsonl: one message a line"`
	Contact []string `query:"contact,explode" maxItems:"100" doc:"Only conversations with these contacts"`
	Hidden  bool     `query:"hidden" doc:"Hidden conversations, too"`
	From    int64    `query:"from" minimum:"0" doc:"Only messages from this time on"`
	To      int64    `query:"to" minimum:"0" doc:"Only messages before this time; 0 is no end"`
}

// exportReadable writes pages into a zip file while it is read.
func (s *service) exportReadable(ctx context.Context, in *readableInput) (*streamed, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	status, err := account.Status(ctx)
	if err != nil {
		return nil, err
	}
	o := readable.Options{
		Source: account, Account: status.Name, Own: append([]string{status.Name}, status.Aliases...), Format: readable.Format(in.Format),
		From: in.From, To: in.To, Now: s.options.Now(), Location: s.options.Now().Location(),
	}
	if o.Doubts, err = Doubts(ctx, account); err != nil {
		return nil, err
	}
	if o.Conversations, err = chosen(ctx, account, in); err != nil {
		return nil, err
	}
	return &streamed{func(huma.Context) {
		attach(in.writer, zipMedia, "dm3sync-"+in.Format+".zip")
		file := zip.NewWriter(in.writer)
		o.Write = func(name string, content func(io.Writer) error) error {
			w, err := file.Create(name)
			if err != nil {
				return err
			}
			return content(w)
		}
		result, err := readable.Export(ctx, o)
		if len(result.Conversations) > 0 && ctx.Err() == nil {
			err = nil // what could not be read stands in the file
		}
		if err == nil {
			err = file.Close()
		}
		breakOff(err)
	}}, nil
}

// chosen are the conversations of an export. A name that is not known is an error: without it, an export would look complete.
func chosen(ctx context.Context, account Account, in *readableInput) ([]engine.Conversation, error) {
	all, err := account.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(in.Contact))
	for _, name := range in.Contact {
		contact, err := contactOf(name)
		if err != nil {
			return nil, err
		}
		wanted[contact] = true
	}
	found := slices.DeleteFunc(ForPeople(all), func(c engine.Conversation) bool {
		return len(wanted) > 0 && !wanted[c.Contact] || len(wanted) == 0 && c.Hidden && !in.Hidden
	})
	if len(wanted) > 0 && len(found) < len(wanted) {
		return nil, engine.ErrNoConversation
	}
	return found, nil
}

// Doubts are reasons why this device may not know all conversations.
func Doubts(ctx context.Context, account Account) (reasons []string, err error) {
	status, err := account.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.LastSuccess.IsZero() {
		reasons = append(reasons, "this device has not looked at the place yet")
	}
	if status.State == "blocked" {
		reasons = append(reasons, "the account has stopped: "+status.LastError)
	}
	// What the catalogue lacks is told with every page, also of a conversation that nobody has.
	page, err := account.Messages(ctx, status.Name, engine.Range{To: 1})
	return append(reasons, page.Reasons...), err
}
