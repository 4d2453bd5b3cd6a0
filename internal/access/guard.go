package access

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// guard stands before the handler of one listener.
type guard struct {
	*Gate
	next  http.Handler
	port  uint16
	hosts []string // as clients may write them
}

// Guard stands before next, which is reached over the listeners of the port of address. What
// next gets has been let in: its context ends with the credential. Answers get
// the headers that browsers obey; next may set Cache-Control itself.
func (g *Gate) Guard(next http.Handler, address netip.AddrPort) http.Handler {
	port := strconv.Itoa(int(address.Port()))
	one := &guard{Gate: g, next: next, port: address.Port(), hosts: []string{
		"127.0.0.1:" + port, "[::1]:" + port, "localhost:" + port, g.name + ":" + port, address.String(),
	}}
	if port == "80" { // browsers leave it out
		for _, host := range slices.Clone(one.hosts) {
			one.hosts = append(one.hosts, strings.TrimSuffix(host, ":80"))
		}
	}
	return one
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := g.o.Now()
	answer := newWriter(w, g.o.Patience)
	if len(r.TransferEncoding) > 0 {
		// Beside the chunks there may have been a length, which the server has
		// dropped. What follows then is a request to one, and a body to another.
		w.Header().Set("Connection", "close")
	}
	body := g.newBody(answer, r)
	defer body.leave()
	r.Body = body
	reason := g.serve(answer, r)
	if answer.discard {
		answer.discard = false
		for _, name := range []string{"Content-Length", "Content-Encoding", "Location"} { // were for the other answer
			answer.Header().Del(name)
		}
		reason = g.refuse(answer, r, tooLarge)
	}
	g.count(reason)
	level := slog.LevelDebug
	if answer.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	g.o.Log.Log(r.Context(), level, "interface request", "method", methodWord(r.Method), "end", reason, "status", answer.status,
		"bytes", answer.bytes, "took", g.o.Now().Sub(began).Round(time.Millisecond))
}

// serve answers, and says in one word how.
func (g *guard) serve(w *writer, r *http.Request) string {
	if refused := g.form(r); refused != nil {
		return g.refuse(w, r, *refused)
	}
	origin, refused := g.origin(r)
	if refused != nil {
		return g.refuse(w, r, *refused)
	}
	if origin != "" && g.answerOrigin(w, r, origin) {
		return "preflight"
	}
	by, cookie, refused := g.credentialOf(r, origin)
	switch {
	case refused != nil:
		return g.refuse(w, r, *refused)
	case cookie:
		if refused := g.fromPage(r); refused != nil {
			return g.refuse(w, r, *refused)
		}
	}
	if by != nil {
		if wait, ok := allow(by.limit, g.o.Now()); !ok {
			return g.refuse(w, r, tooMany(wait))
		}
	}
	switch {
	case g.rules.Load().Page && (r.URL.Path == pathEnter || r.URL.Path == pathLeave || r.URL.Path == pathStyle):
		return g.door(w, r, by, cookie)
	case by == nil && !g.isOpen(r):
		return g.refuse(w, r, noCredential)
	case by == nil:
		g.next.ServeHTTP(w, r)
		return "open"
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(by.ended, cancel)()
	g.next.ServeHTTP(w, r.WithContext(ctx))
	return "served"
}

// credentialOf finds what lets a request in; nil when it shows nothing. A wrong
// token is refused, whatever else there is; a cookie that is known no more is as
// good as none, since browsers send it until it is replaced.
func (g *guard) credentialOf(r *http.Request, origin string) (by *credential, cookie bool, refused *refusal) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if len(values) == 1 && strings.EqualFold(scheme, "Bearer") {
			by = g.bearer(strings.TrimSpace(token))
		}
		if by == nil {
			return nil, false, g.wrongToken()
		}
		return by, false, nil
	}
	if origin != "" { // a page on the list has to show the token itself
		return nil, false, nil
	}
	for _, c := range r.CookiesNamed(cookieName(g.port)) {
		if by := g.session(c.Value); by != nil {
			return by, true, nil
		}
	}
	return nil, false, nil
}

// wrongToken counts and slows those who guess. The right token is never slowed
// by them.
func (g *guard) wrongToken() *refusal {
	g.count("wrong-token")
	if wait, ok := allow(g.wrong, g.o.Now()); !ok {
		refused := tooMany(wait)
		return &refused
	}
	g.o.Log.Warn("a wrong token was shown to the interface")
	return &wrongToken
}

// allow takes one from a limit, or tells how long to wait.
func allow(limit *rate.Limiter, now time.Time) (time.Duration, bool) {
	reservation := limit.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return 0, true
	}
	reservation.CancelAt(now)
	return wait, false
}

func tooMany(wait time.Duration) refusal {
	refused := rateExceeded
	refused.retry = max(1, int(math.Ceil(wait.Seconds())))
	return refused
}

// methods are those that the interface has; the rest is refused before anybody
// looks at it.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// methodWord is a method fit for a log: a client may write anything there.
func methodWord(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "other"
}

// form refuses what no honest client sends, before anything is looked up.
func (g *guard) form(r *http.Request) *refusal {
	switch {
	case r.URL.Host != "" || r.URL.Scheme != "" || r.RequestURI == "*": // a proxy's request; its Host header was not looked at
		return &wrongForm
	case !slices.ContainsFunc(g.hosts, func(host string) bool { return strings.EqualFold(host, r.Host) }):
		return &wrongHost
	case !slices.Contains(methods, r.Method):
		return &wrongMethod
	case r.Header.Get("Upgrade") != "":
		return &noUpgrade
	case !cleanPath(r.URL):
		return &wrongPath
	case g.secretInQuery(r.URL):
		return &inQuery
	}
	if most := g.o.MaxBody(r.Method, r.URL.Path); most >= 0 && r.ContentLength > most {
		return &tooLarge
	}
	return nil
}

// cleanPath refuses paths that could mean another one to whoever reads them
// next: parent folders, backslashes, control characters, also when they are
// written in a second layer of escapes.
func cleanPath(address *url.URL) bool {
	path := address.Path
	for range 3 {
		if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
			return false
		}
		for part := range strings.SplitSeq(path, "/") {
			if part == ".." || part == "." {
				return false
			}
		}
		again, err := url.PathUnescape(path)
		if err != nil || again == path {
			return true
		}
		path = again
	}
	return false
}

// secretInQuery tells whether an address holds what belongs into a header:
// addresses are kept in histories and logs.
func (g *guard) secretInQuery(address *url.URL) bool {
	for name, values := range address.Query() {
		if slices.Contains([]string{"token", "access_token", "authorization", "bearer"}, strings.ToLower(name)) {
			return true
		}
		if slices.ContainsFunc(values, func(value string) bool { return g.bearer(value) != nil }) {
			return true
		}
	}
	return false
}
