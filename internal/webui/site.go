package webui

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// Options say what the page shows. Backend is required.
type Options struct {
	Backend api.Backend
	// Setup sets accounts up; nil: the page says how to do that in a terminal.
	Setup *setup.Setup
	// Version is the program's own.
	Version string
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil drops; it gets no name, text or query
}

// Site is the page as an HTTP handler. It is safe for concurrent use.
type Site struct {
	o         Options
	feed      *activity.Log
	handler   http.Handler
	templates templates
	static    *static
	ctx       context.Context // of work that goes on after its request
	stop      context.CancelFunc
	jobs      jobs
	previews  previews
}

// New makes the page. Close ends what it started. An error says that what is embedded is broken.
func New(o Options) (*Site, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{o: o, feed: o.Backend.Activity()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	var err error
	if s.static, err = newStatic(); err != nil {
		return nil, err
	}
	if s.templates, err = s.parseTemplates(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", s.static)
	for _, p := range pages() {
		mux.HandleFunc(p.pattern, func(w http.ResponseWriter, r *http.Request) {
			// A form that is cut or too large is no form: what stands in it must not count.
			if err := r.ParseForm(); err != nil {
				s.fail(w, r, fmt.Errorf("%w: %w", api.ErrRequest, err))
				return
			}
			if err := p.handle(s, w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoPage) })
	s.handler = http.NewCrossOriginProtection().Handler(mux)
	return s, nil
}

// ServeHTTP answers one request, with headers that let the browser load and run nothing but what is embedded here. What a
// guard in front of it has set already, stays.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Content-Security-Policy":    Policy,
		"Cache-Control":              "no-store",
		"Referrer-Policy":            "same-origin", // with no-referrer, forms would come from nowhere
		"X-Content-Type-Options":     "nosniff",
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if w.Header().Get(name) == "" {
			w.Header().Set(name, value)
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), momentKey{}, moment{s.feed.Last(), s.feed.Moved()}))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s.handler.ServeHTTP(w, r)
}

// moment is how far the feed was when a request came. A page says so of itself, since it may lack what happened while it was
// gathered, and has to look again for that.
type moment struct {
	last, moved uint64
}

// momentKey finds the moment in the context of a request.
type momentKey struct{}

// maxForm is the largest form that a page sends, in bytes.
const maxForm = 1 << 20

// Policy is the content security policy of every page: no script and no style inside a page, nothing from elsewhere, no
// frames, and no form that leads away. Images of messages come as data. It is the same as that of internal/access.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Close ends work that was started from the page and waits for its end.
func (s *Site) Close() {
	s.stop()
	s.jobs.wait()
}
