package access

import (
	"errors"
	"net/http"
	"time"
)

// policy is what browsers may do with answers: run and show only what comes from
// here as files of its own, send only to here, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers stand on every answer, whatever the handler says.
var headers = [][2]string{
	{"Content-Security-Policy", policy},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()"},
}

// writer puts the headers on an answer, and gives the client a bounded time to
// take each piece: what takes long to make is not cut, who does not read is.
type writer struct {
	http.ResponseWriter
	controller *http.ResponseController
	wait       time.Duration
	status     int
	bytes      int64
	wrote      bool
	tooLarge   bool // the body went beyond its bound
	discard    bool // the handler's answer, in favour of one that says so
}

func newWriter(w http.ResponseWriter, p Patience) *writer {
	one := &writer{ResponseWriter: w, controller: http.NewResponseController(w), wait: p.Write, status: http.StatusOK}
	one.extend()
	w.Header().Set("Cache-Control", "no-store") // handlers of files without content of the user's may say otherwise
	// With no-referrer, browsers would send forms of the own page with the origin
	// "null".
	w.Header().Set("Referrer-Policy", "same-origin")
	return one
}

// extend gives the client time again.
func (w *writer) extend() {
	// Not every writer of tests can do it; a server's can.
	_ = w.controller.SetWriteDeadline(time.Now().Add(w.wait))
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	w.extend()
	if !w.wrote && w.tooLarge && status >= http.StatusInternalServerError {
		w.tooLarge, w.discard = false, true // the handler did not know what ended the body
	}
	if w.discard {
		return
	}
	if !w.wrote {
		for _, one := range headers {
			w.Header().Set(one[0], one[1])
		}
		w.status = status
		w.wrote = status >= http.StatusOK // others come before the answer
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.discard {
		return len(p), nil
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError sends what was written. http.ResponseController finds it.
func (w *writer) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.discard {
		return nil
	}
	w.extend()
	return w.controller.Flush()
}

// Flush implements http.Flusher. Who needs to know takes FlushError.
func (w *writer) Flush() {
	if err := w.FlushError(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.wait = 0 // the client is gone, or reads nothing: the next write fails at once
	}
}

// SetReadDeadline and SetWriteDeadline belong to the guard: handlers that set
// their own would undo the bounds. They do nothing, successfully.
func (w *writer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing; see SetReadDeadline.
func (w *writer) SetWriteDeadline(time.Time) error { return nil }
