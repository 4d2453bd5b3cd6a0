package attachments

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// parallel is how many attachments are fetched at once; each lies in memory whole.
const parallel = 4

// maxFailures is how many failures a report lists; all are counted.
const maxFailures = 100

// Failure is one attachment that was not archived.
type Failure struct {
	URI    string `json:"uri"`
	Reason string `json:"reason"`
}

// Report is what a run did.
type Report struct {
	Fetched  int       `json:"fetched"`
	Bytes    int64     `json:"bytes"`
	Kept     int       `json:"kept"`   // were archived before
	Failed   int       `json:"failed"` // another run tries them again
	Failures []Failure `json:"failures,omitempty"`
	// Stopped says which limit ended the run early; empty where none did. Another run goes on.
	Stopped string `json:"stopped,omitempty"`
}

// run is one run of Archive.
type run struct {
	fetcher *Fetcher
	store   *Store
	seen    map[[sha256.Size]byte]bool
	asked   int

	mu     sync.Mutex
	report Report
	stop   error
}

// Archive fetches every address that is not archived yet, some side by side, and keeps what came. The caller holds the
// store's lock. What fails is in the report and does not end the run; a limit of the run does, without an error. An error is
// the sequence's, the store's, or the context's. Progress may be nil; it is called with how many addresses were looked at.
func Archive(ctx context.Context, f *Fetcher, s *Store, addresses iter.Seq2[string, error], progress func(done int)) (Report, error) {
	r := &run{fetcher: f, store: s, seen: map[[sha256.Size]byte]bool{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	done := 0
	var failure error
	for uri, err := range addresses {
		if failure = errors.Join(err, ctx.Err()); failure != nil {
			break
		}
		done++
		if progress != nil {
			progress(done)
		}
		if !r.begin(ctx, uri) {
			continue
		}
		if r.stopped() {
			break
		}
		group.Go(func() error { return r.one(ctx, uri) })
	}
	err := group.Wait()
	if failure == nil || err != nil && errors.Is(failure, context.Canceled) {
		failure = err // the group's own error is what cancelled the context
	}
	if r.stop != nil {
		r.report.Stopped = r.stop.Error()
	}
	return r.report, failure
}

// begin tells whether an address is to be fetched, and counts it.
func (r *run) begin(ctx context.Context, uri string) bool {
	name := sha256.Sum256([]byte(uri))
	if r.seen[name] {
		return false
	}
	r.seen[name] = true
	kept := r.store.Has(ctx, uri)
	r.mu.Lock()
	defer r.mu.Unlock()
	if kept {
		r.report.Kept++
		return false
	}
	if r.asked >= r.fetcher.options.MaxCount {
		r.stop = ErrCount
		return true
	}
	r.asked++
	return true
}

func (r *run) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop != nil
}

// one fetches and keeps one attachment.
func (r *run) one(ctx context.Context, uri string) error {
	file, err := r.fetcher.Fetch(ctx, uri)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && !r.room(int64(len(file.Data))) {
		return nil
	}
	if err != nil {
		r.fail(uri, err)
		return nil
	}
	return r.store.Put(ctx, file)
}

// room takes bytes from what the run may fetch; without enough left, it ends the run.
func (r *run) room(size int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.report.Bytes+size > r.fetcher.options.MaxTotal {
		r.stop = ErrTotal
		return false
	}
	r.report.Fetched++
	r.report.Bytes += size
	return true
}

func (r *run) fail(uri string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Failed++
	if len(r.report.Failures) < maxFailures {
		if len(uri) > 200 {
			uri = uri[:200] + "…"
		}
		r.report.Failures = append(r.report.Failures, Failure{uri, strings.TrimPrefix(err.Error(), "attachments: ")})
	}
}
