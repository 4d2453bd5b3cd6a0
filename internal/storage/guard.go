package storage

import (
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GuardOptions is what is asked of a request before anybody looks at it.
type GuardOptions struct {
	// Origins are the web pages that may use the service, as browsers name them
	// ("https://app.example.org"); others are refused. None: no web page may.
	Origins []string
	// Proxies are the addresses of load balancers whose X-Forwarded-For counts.
	Proxies []netip.Prefix
	// MaxBody is the largest body of a request, in bytes.
	MaxBody int64
	// PerSecond and Burst are the requests of one address.
	PerSecond float64
	Burst     int
	// Log gets one record for a request: no name, no token, no address.
	Log *slog.Logger
	// Now is the wall clock.
	Now func() time.Time
}

// Guard stands before next: it answers /healthz and preflights, applies the
// limits and the list of origins, and logs. It is safe for concurrent use.
func Guard(next http.Handler, o GuardOptions) http.Handler {
	return &guard{next: next, o: o, addresses: newLimiter(o.PerSecond, o.Burst, o.Now)}
}

// strangersBody is the largest body where nobody has logged in yet, in bytes: logins and
// profiles are small, and anybody may send them.
const strangersBody = 64 << 10

type guard struct {
	next      http.Handler
	o         GuardOptions
	addresses *limiter
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := g.o.Now()
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	g.serve(answer, r)
	level := slog.LevelDebug
	if answer.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	g.o.Log.Log(r.Context(), level, "request", "method", method(r), "route", route(r.URL.Path), "status", answer.status,
		"bytes", answer.bytes, "took", g.o.Now().Sub(began).Round(time.Millisecond))
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" && r.Method == http.MethodGet {
		_, _ = io.WriteString(w, "ok\n") // a client that left does not want it
		return
	}
	if wait, ok := g.addresses.allow(clientAddress(r, g.o.Proxies)); !ok {
		tooMany(w, wait)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Add("Vary", "Origin")
		if !slices.Contains(g.o.Origins, origin) {
			http.Error(w, "this web page may not use the service; its operator can list it in serve.origins", http.StatusForbidden)
			return
		}
		header.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", "GET, POST")
			header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	most := g.o.MaxBody
	if !strings.HasPrefix(r.URL.Path, "/storage/") {
		most = min(most, strangersBody)
	}
	if r.ContentLength > most {
		http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	g.next.ServeHTTP(w, r)
}

// tooMany asks the client to come back later.
func tooMany(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	http.Error(w, "too many requests; try again later", http.StatusTooManyRequests)
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// words are the parts of paths that say what is done, and to whom nothing.
var words = []string{
	"storage", "new", "auth", "profile", "addConversation", "getConversations", "toggleHideConversation", "getNumberOfConversations",
	"addMessage", "addMessageBatch", "editMessageBatch", "getMessages", "getNumberOfMessages", "getHaltedMessages", "clearHaltedMessage",
}

// route is a path without names, fit for a log.
func route(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 8 {
		return "other"
	}
	for i, part := range parts {
		if !slices.Contains(words, part) {
			parts[i] = "*"
		}
	}
	return "/" + strings.Join(parts, "/")
}

// method is the request's method if it is a usual one: a client may write
// anything there.
func method(r *http.Request) string {
	if slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodHead}, r.Method) {
		return r.Method
	}
	return "other"
}
