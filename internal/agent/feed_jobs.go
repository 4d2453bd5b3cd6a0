package agent

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var _ api.Reporting = (*Account)(nil)

// longWork is how long work that comes by itself may take before it is told as a
// job: most of it is over at once, and of no interest.
const longWork = time.Second

// work is work that may become a job. It is safe for concurrent use.
type work struct {
	account    *Account
	kind, text string
	began      time.Time
	also       func(engine.Progress) // who else wants the progress; nil: nobody

	mu  sync.Mutex
	job *activity.Job // nil: not long yet
}

// job begins work that is a job at once; the caller ends it.
func (a *Account) job(kind, text string, also func(engine.Progress)) *work {
	w := a.mayBeLong(kind, text, also)
	w.job = a.feed.log.Start(a.name, kind, text)
	return w
}

// mayBeLong begins work that becomes a job when its progress shows that it is
// long; the caller ends it.
func (a *Account) mayBeLong(kind, text string, also func(engine.Progress)) *work {
	return &work{account: a, kind: kind, text: text, also: also, began: a.now()}
}

// progress says how far the work is.
func (w *work) progress(p engine.Progress) {
	if w.also != nil {
		w.also(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job == nil {
		if w.account.now().Sub(w.began) < longWork {
			return
		}
		w.job = w.account.feed.log.Start(w.account.name, w.kind, w.text)
	}
	w.job.Progress(p.Step, p.Done, p.Total, p.Unit)
}

// end says that the work is over.
func (w *work) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job != nil {
		w.job.End(err)
	}
}

// Report shows work that another program does with the account; see [api.Reporting].
func (a *Account) Report(_ context.Context, kind, text string, work func(progress func(engine.Progress)) error) error {
	shown := a.job(kind, text, nil)
	err := work(shown.progress)
	shown.end(err)
	return err
}

// watchedReader tells how much of a text was read.
type watchedReader struct {
	io.Reader
	work *work
	read int64
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read += int64(n)
	r.work.progress(engine.Progress{Step: "append", Done: r.read, Unit: "bytes"})
	return n, err
}
