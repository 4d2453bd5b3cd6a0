package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// maxReports bounds what one program says of its progress, in bytes: that is enough for a day, at the pace of [stream].
const maxReports = 64 << 20

// ErrLeft says that the program that did some work went away before the work was done.
var ErrLeft = errors.New("the program that did this ended before it was done; start it again, it goes on where it was")

// Reporting is what an [Account] has for long work that another program than the agent does with it, such as an import: it is
// shown among the agent's own.
type Reporting interface {
	// Report calls work, returns what it returns, and meanwhile shows work of a kind ([activity.JobImport] or
	// [activity.JobExport]) under text, a few words for people. The function that work is given takes its progress; it never
	// waits, and is safe for concurrent use. Where nobody can show it, work is done all the same.
	Report(ctx context.Context, kind, text string, work func(progress func(engine.Progress)) error) error
}

var _ Reporting = remote{}

// Report sends progress as lines while work goes on. The answer tells nothing: an agent that can't show the work, or has ended,
// is no reason to break it off, and where the work needs the agent it fails by itself.
func (r remote) Report(ctx context.Context, kind, text string, work func(progress func(engine.Progress)) error) error {
	body, sink := io.Pipe()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		err := r.client.exchange(ctx, call{
			method: http.MethodPost, path: pathOf(pathReport, r.name), query: url.Values{"kind": {kind}, "text": {text}},
			body: body, kind: linesMedia, read: nothingToRead,
		})
		_ = body.CloseWithError(errors.Join(io.ErrClosedPipe, err)) // lines that come later go nowhere
	}()
	lines := newLines(sink, func() {})
	err := work(lines.progress)
	lines.finish(nil, err)
	_ = sink.Close() // a pipe's end always closes
	<-answered
	return err
}

// report shows what a program beside the agent says of its work.
func report(w http.ResponseWriter, r *http.Request, account Account) error {
	reporting, ok := account.(Reporting)
	query := r.URL.Query()
	if kind := query.Get("kind"); !ok || !slices.Contains([]string{activity.JobImport, activity.JobExport}, kind) {
		return fmt.Errorf("%w: work of this kind is not shown", ErrRequest)
	}
	// Reading does not end by itself when the agent does.
	defer context.AfterFunc(r.Context(), func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now()) })()
	err := reporting.Report(r.Context(), query.Get("kind"), query.Get("text"), func(progress func(engine.Progress)) error {
		err := readStream(http.MaxBytesReader(w, r.Body, maxReports), progress, new(struct{}))
		if told := (*Error)(nil); err != nil && (!errors.As(err, &told) || errors.Is(err, context.Canceled)) {
			return ErrLeft // it was killed, or the user broke it off
		}
		return err
	})
	if errors.Is(err, ErrLeft) {
		return err
	}
	return reply(w, struct{}{}, nil)
}
