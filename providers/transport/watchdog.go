package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ErrStalled is the cause of contexts ended by a [Watchdog]; doing the same again may help.
var ErrStalled = errors.New("no progress")

// ErrTooLong says that a body is longer than the caller takes.
var ErrTooLong = errors.New("longer than it may be")

// Watchdog ends a context when neither a request's body nor its answer moves for a while, so that a connection that died
// without a word does not hold a pass for ever. One request, or several in turn, have one Watchdog.
type Watchdog struct {
	ctx   context.Context
	stall time.Duration
	end   context.CancelCauseFunc

	mutex   sync.Mutex
	timer   *time.Timer
	stopped bool
}

// Pool keeps connections for later requests, as *[net/http.Transport] does.
type Pool interface {
	// CloseIdleConnections ends those that no request uses now.
	CloseIdleConnections()
}

// Watch returns a context for requests over the pool's connections that are given up after stall without progress. Stop
// must be called when they are done with.
func Watch(parent context.Context, pool Pool, stall time.Duration) (context.Context, *Watchdog) {
	ctx, end := context.WithCancelCause(parent)
	return ctx, &Watchdog{ctx: ctx, stall: stall, end: end, timer: time.AfterFunc(stall, func() {
		pool.CloseIdleConnections() // they died with this one, as after sleep; the next try must not wait for each
		end(ErrStalled)
	})}
}

// Stop ends the watch and its context.
func (w *Watchdog) Stop() {
	w.mutex.Lock()
	w.stopped = true
	w.timer.Stop()
	w.mutex.Unlock()
	w.end(nil)
}

// Explain adds to err that the watchdog was the reason; nil stays nil.
func (w *Watchdog) Explain(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), ErrStalled) && !errors.Is(err, ErrStalled) {
		return fmt.Errorf("%w for %v: %w", ErrStalled, w.stall, err)
	}
	return err
}

// Moved says that there was progress. After Stop it does nothing: the rest of a body may still be on its way out.
func (w *Watchdog) Moved() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if !w.stopped && w.ctx.Err() == nil {
		w.timer.Reset(w.stall)
	}
}

// Moving returns a request's body whose every read is progress.
func (w *Watchdog) Moving(body io.ReadSeeker) io.ReadSeeker { return moving{body, w} }

type moving struct {
	io.ReadSeeker
	watchdog *Watchdog
}

// Read implements io.Reader.
func (m moving) Read(p []byte) (int, error) {
	m.watchdog.Moved()
	return m.ReadSeeker.Read(p)
}

// Body returns a request's or an answer's body whose every read is progress. More than limit bytes, -1 without one, end in
// [ErrTooLong]; other errors are explained. Closing it does not end the watch.
func (w *Watchdog) Body(body io.ReadCloser, limit int64) io.ReadCloser {
	body = &movingBody{body, w}
	if limit < 0 {
		return body
	}
	return Bounded(body, limit)
}

type movingBody struct {
	io.ReadCloser
	watchdog *Watchdog
}

// Read implements io.Reader.
func (b *movingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watchdog.Moved()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.watchdog.Explain(err)
	}
	return n, err
}

// Bounded returns a body that ends in [ErrTooLong] where it has more than limit bytes.
func Bounded(body io.ReadCloser, limit int64) io.ReadCloser { return &bounded{body, limit} }

type bounded struct {
	io.ReadCloser
	left int64 // bytes that may still come
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		b.left = 0
		return 0, ErrTooLong
	}
	b.left -= int64(n)
	return n, err
}

// Read is [ReadWhole], with progress.
func (w *Watchdog) Read(body io.Reader, size, limit int64) ([]byte, error) {
	return ReadWhole(w.Body(io.NopCloser(body), -1), size, limit)
}

// mostAhead is how much room is made before a byte has come: nearly all objects have less.
const mostAhead = 4 << 20

// ReadWhole reads an answer's body of at most limit bytes; more is [ErrTooLong], fewer than announced
// io.ErrUnexpectedEOF. Size is what the server announced, or -1.
func ReadWhole(body io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, ErrTooLong
	}
	// Room for the read that finds the end, and not for whatever a server announces: many at once could announce much.
	data := make([]byte, 0, max(min(size, mostAhead), 0)+512)
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, ErrTooLong
		case errors.Is(err, io.EOF) && size >= 0 && int64(len(data)) != size:
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}
