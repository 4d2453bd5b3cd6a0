package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	gosync "sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Options say how a handler works. The zero value is fine.
type Options struct {
	// Version is the program's, for the document; empty is "0".
	Version string
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Heartbeat is how often an event stream that has nothing to tell sends a
	// comment; 0 is 15 s.
	Heartbeat time.Duration
	// Streams is how many event streams there may be at once; 0 is 64.
	Streams int
}

func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Streams <= 0 {
		o.Streams = 64
	}
	return o
}

// service is the interface of one backend.
type service struct {
	backend  Backend
	options  Options
	mux      *http.ServeMux
	huma     huma.API
	answered *answeredAppends
	streams  chan struct{} // one for each event stream
	document documents
}

// documents is what the interface says of itself, made once.
type documents struct {
	once       gosync.Once
	json, yaml []byte
	err        error
}

// NewHandler is the interface as an HTTP handler for everything under /v1/, without
// access control: whoever reaches it may use it. It is safe for concurrent use.
func NewHandler(b Backend, o Options) http.Handler {
	o = o.withDefaults()
	s := &service{
		backend: b, options: o, mux: http.NewServeMux(), answered: newAnsweredAppends(o.Now),
		streams: make(chan struct{}, o.Streams),
	}
	s.huma = humago.New(s.mux, configuration(o.Version))
	s.huma.UseMiddleware(correct)
	for _, add := range []func(){
		s.addDocument, s.addAccounts, s.addConversations, s.addMessages, s.addAppends, s.addDeletions, s.addEvents, s.addSearch,
		s.addPasses, s.addPlaces, s.addLogins, s.addExports, s.addInternals,
	} {
		add()
	}
	s.mux.HandleFunc("/", s.nothing)
	return http.HandlerFunc(s.serve)
}

// serve is what all requests have in common.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // what people wrote to each other
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		writeError(w, fmt.Errorf("%w: bodies are taken as they are, not compressed", ErrMediaType))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// account finds the account that a path names.
func (s *service) account(name string) (Account, error) {
	if name == onlyAccount {
		name = ""
	}
	return s.backend.Account(name)
}

// methods are those that the interface uses.
var methods = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// nothing answers what no operation is for: the wrong method, or no such address.
func (s *service) nothing(w http.ResponseWriter, r *http.Request) {
	allowed := false
	for _, method := range methods {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && method != r.Method {
			w.Header().Add("Allow", method)
			allowed = true
		}
	}
	if allowed {
		writeError(w, ErrMethod)
		return
	}
	writeError(w, ErrNoResource)
}

// operation describes one operation beyond what huma finds out by itself.
type operation struct {
	id, method, path string
	summary, about   string
	tag              string
	problems         []string // words of the problems that it can answer, beside those that all can
	limits           map[string]any
	answers          *huma.Response // of 200, where the answer is not one JSON document
	body             *huma.RequestBody
	hidden           bool
}

// add registers an operation. Its errors become problem documents.
func add[I, O any](s *service, o operation, handle func(context.Context, *I) (*O, error)) {
	described := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.about, Tags: []string{o.tag},
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyWait, RejectUnknownQueryParameters: true, Hidden: o.hidden,
		Responses: s.responses(&o), RequestBody: o.body, Extensions: map[string]any{"x-limits": limitsOf(&o)},
	}
	huma.Register(s.huma, described, func(ctx context.Context, input *I) (*O, error) {
		output, err := handle(ctx, input)
		if err != nil {
			return nil, wireError(err)
		}
		return output, nil
	})
}
