package access

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Patience bounds how long slow clients are waited for. Zero fields take their
// default.
type Patience struct {
	// Read is how long a body may bring nothing; default 20 s.
	Read time.Duration
	// Rate is what a body must bring on the average while it is waited for, in
	// bytes a second; default 1024. The first Read is free.
	Rate float64
	// Write is how long a client may take for a piece of an answer; default 30 s.
	Write time.Duration
}

func (p Patience) withDefaults() Patience {
	if p.Read <= 0 {
		p.Read = 20 * time.Second
	}
	if p.Rate <= 0 {
		p.Rate = 1024
	}
	if p.Write <= 0 {
		p.Write = 30 * time.Second
	}
	return p
}

// ErrSlow says that a body came too slowly and was cut.
var ErrSlow = errors.New("the request came too slowly")

// body is a request's body that may not be too long or too slow. It is read by
// one goroutine at a time, as all bodies.
type body struct {
	source   io.ReadCloser
	writer   *writer
	patience Patience
	left     time.Duration // of waiting
	done     error         // what ended it
}

// newBody bounds the size by the request's class, and the waiting. Before the
// request is let in nobody reads it, so it is not waited for either.
func (g *guard) newBody(w *writer, r *http.Request) *body {
	b := &body{source: r.Body, writer: w, patience: g.o.Patience, left: g.o.Patience.Read}
	if most := g.o.MaxBody(r.Method, r.URL.Path); most >= 0 {
		b.source = http.MaxBytesReader(w.ResponseWriter, r.Body, most)
	}
	if r.ContentLength == 0 {
		b.done = io.EOF
	} else {
		b.wait() // the server reads what a handler leaves, before it answers
	}
	return b
}

// Read implements io.Reader. Only the time that it waits for bytes counts: a
// handler that is slow itself costs the client nothing.
func (b *body) Read(p []byte) (int, error) {
	if b.done != nil {
		return 0, b.done
	}
	began := time.Now()
	b.wait()
	n, err := b.source.Read(p)
	b.left += time.Duration(float64(n)/b.patience.Rate*float64(time.Second)) - time.Since(began)
	b.left = min(b.left, b.patience.Read)
	if timeout := (interface{ Timeout() bool })(nil); errors.As(err, &timeout) && timeout.Timeout() {
		err = ErrSlow
	}
	if err == nil {
		return n, nil
	}
	b.done = err
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		b.writer.tooLarge = true
	}
	if errors.Is(err, ErrSlow) {
		b.done = fmt.Errorf("access: %w", err)
	}
	if errors.Is(err, io.EOF) {
		// From now on the server only listens for the client's leaving, as long as
		// the answer takes.
		_ = b.writer.controller.SetReadDeadline(time.Time{})
	} else {
		b.writer.Header().Set("Connection", "close")
	}
	return n, b.done
}

// Close implements io.Closer.
func (b *body) Close() error { return b.source.Close() }

// leave is called when the answer is made: what nobody read of the body is read
// by the server before the next request, which may not take long either.
func (b *body) leave() {
	if b.done == nil {
		b.wait()
	}
}

// wait bounds the next wait for bytes.
func (b *body) wait() {
	// Not every writer of tests can do it; a server's can.
	_ = b.writer.controller.SetReadDeadline(time.Now().Add(b.left))
}
