package webdav

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/studio-b12/gowebdav"
)

const (
	// mostHops is how many redirects one request may follow.
	mostHops = 5
	// mostIgnored is how much of an answer that nobody wants is read, so that its connection can be used again.
	mostIgnored = 64 << 10
	// sniffed is how much of an answer's beginning is looked at to tell web pages from objects, as browsers do.
	sniffed = 512
)

// exchange is the connection that one call gives to its own gowebdav client: it knows the call's context and address,
// lets exactly one request through, and keeps what gowebdav loses: the answer's status and headers, and why there is none.
type exchange struct {
	store   *Store
	ctx     context.Context
	dog     *transport.Watchdog
	address *url.URL
	limit   int64 // of the answer's body, in bytes
	used    bool

	status  int
	header  http.Header
	size    int64 // of the answer's body as announced, -1 where it was not
	failure error // why there is no answer
}

// exchange begins a call; Stop of its watchdog must be called at the end.
func (s *Store) exchange(ctx context.Context, path string, limit int64) *exchange {
	watched, dog := transport.Watch(ctx, s.transport, s.stall)
	return &exchange{store: s, ctx: watched, dog: dog, address: s.address(path), limit: limit}
}

// client returns a gowebdav client for this call alone. The names that it is given afterwards play no role.
func (e *exchange) client() *gowebdav.Client {
	client := gowebdav.NewAuthClient("http://server.invalid", gowebdav.NewPreemptiveAuth(stranger{}))
	client.SetTransport(e)
	return client
}

// anything stands for the address, which the exchange knows better.
const anything = "object"

// stranger is a gowebdav.Authenticator that leaves logins to the exchange.
type stranger struct{}

// Authorize implements gowebdav.Authenticator.
func (stranger) Authorize(*http.Client, *http.Request, string) error { return nil }

// Verify implements gowebdav.Authenticator.
func (stranger) Verify(*http.Client, *http.Response, string) (bool, error) { return false, nil }

// Clone implements gowebdav.Authenticator.
func (s stranger) Clone() gowebdav.Authenticator { return s }

// Close implements gowebdav.Authenticator.
func (stranger) Close() error { return nil }

// errOnce ends what gowebdav would do after the one request of a call: making collections all the way up, unasked.
var errOnce = errors.New("one request was sent already")

// RoundTrip implements http.RoundTripper.
func (e *exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	if e.used {
		return nil, errOnce
	}
	e.used = true
	answer, err := e.send(request)
	if err != nil {
		e.failure = e.dog.Explain(err)
		return nil, e.failure
	}
	e.status, e.header, e.size = answer.StatusCode, answer.Header, answer.ContentLength
	wanted := e.status == http.StatusOK || e.status == http.StatusPartialContent
	if request.Method == "PROPFIND" {
		wanted = e.status == http.StatusMultiStatus
	} else if request.Method != http.MethodGet {
		wanted = false
	}
	if !wanted {
		ignore(answer.Body)
		answer.Body = http.NoBody
		return answer, nil
	}
	coding := answer.Header.Get("Content-Encoding")
	switch {
	case e.size > e.limit:
		e.failure = transport.ErrTooLong
	case coding != "" && !strings.EqualFold(coding, "identity"):
		e.failure = errCompressed
	}
	if e.failure != nil {
		answer.Body.Close()
		return nil, e.failure
	}
	answer.Body = &guarded{exchange: e, body: e.dog.Body(answer.Body, e.limit), page: e.status == http.StatusOK}
	return answer, nil
}

// ignore reads what is left of a body, as far as it is short.
func ignore(body io.ReadCloser) {
	io.Copy(io.Discard, io.LimitReader(body, mostIgnored)) //nolint:errcheck // only for the connection's sake
	body.Close()
}

// send sends the request to the exchange's address, logs in as the server asks, and follows redirects on its host.
func (e *exchange) send(request *http.Request) (*http.Response, error) {
	address, proofs := *e.address, 0
	for hops := 0; ; {
		attempt, err := e.attempt(request, &address)
		if err != nil {
			return nil, err
		}
		sent := e.store.login.add(attempt)
		answer, err := e.store.transport.RoundTrip(attempt)
		if err != nil {
			return nil, err
		}
		e.dog.Moved()
		switch answer.StatusCode {
		case http.StatusUnauthorized:
			proofs++
			if proofs >= most || !e.store.login.challenged(answer, sent, proofs > 1) {
				return answer, nil
			}
		case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			hops++
			next, err := e.follow(answer, &address, hops)
			if err != nil {
				ignore(answer.Body)
				return nil, err
			}
			address = *next
		default:
			return answer, nil
		}
		ignore(answer.Body)
	}
}

// attempt is a copy of the request for one address.
func (e *exchange) attempt(request *http.Request, address *url.URL) (*http.Request, error) {
	attempt := request.Clone(e.ctx)
	attempt.URL, attempt.Host = address, ""
	attempt.Header.Set("User-Agent", "dm3sync")
	attempt.Header.Set("Accept-Encoding", "identity") // sizes must be those stored
	// Every request may be sent twice without harm; this lets net/http do so where a kept connection turns out to be closed.
	// The empty value itself is not sent.
	attempt.Header["Idempotency-Key"] = []string{}
	if request.Method == http.MethodPut {
		attempt.Header.Set("Content-Type", "application/octet-stream")
	}
	if request.GetBody == nil || request.ContentLength == 0 { // a length of zero is said, not sent in chunks
		attempt.Body, attempt.GetBody = http.NoBody, nil
		return attempt, nil
	}
	attempt.GetBody = func() (io.ReadCloser, error) {
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		return e.dog.Body(body, -1), nil
	}
	var err error
	attempt.Body, err = attempt.GetBody()
	return attempt, err
}

// redirectError is a redirect that is not followed.
type redirectError struct {
	host  string // with the scheme
	other bool   // another server; else another page of the same one
	hops  int
}

// Error implements error. What may be secret in an address, its path and query, is left out.
func (e *redirectError) Error() string {
	switch {
	case e.hops > mostHops:
		return fmt.Sprintf("the server redirects more than %d times", mostHops)
	case e.other:
		return "the server redirects to " + e.host + ", which is not given the password: a network's login page, or set url to the new address"
	}
	return "the server redirects to another page of " + e.host + ", as login pages do: check url, and that it is for WebDAV"
}

// follow says where a redirect leads, if that is the same file on the same host: any other would be asked for something
// else, or get credentials that are not meant for it. A step up from http to https stays on the host.
func (e *exchange) follow(answer *http.Response, from *url.URL, hops int) (*url.URL, error) {
	next, err := from.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" {
		return nil, fmt.Errorf("the server redirects to nowhere (%d): %w", answer.StatusCode, errNotWebDAV)
	}
	refusal := &redirectError{host: next.Scheme + "://" + next.Host, hops: hops}
	same := next.Scheme == from.Scheme && strings.EqualFold(next.Host, from.Host)
	upgraded := from.Scheme == "http" && next.Scheme == "https" && strings.EqualFold(next.Hostname(), from.Hostname())
	refusal.other = !same && !upgraded
	if refusal.other || hops > mostHops || path.Base(next.Path) != path.Base(from.Path) {
		return nil, refusal
	}
	permanent := answer.StatusCode == http.StatusMovedPermanently || answer.StatusCode == http.StatusPermanentRedirect
	if permanent && next.Path == from.Path { // only the scheme differs: later requests needn't ask again
		e.store.moved.Store(&url.URL{Scheme: next.Scheme, Host: next.Host})
	}
	next.User, next.Fragment = nil, ""
	return next, nil
}

// guarded is an answer's body that is bounded, watched, and no web page.
type guarded struct {
	exchange *exchange
	body     io.ReadCloser
	page     bool // may be a web page: look at the beginning
	begin    *bytes.Reader
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	if g.page {
		g.page = false
		begin, err := io.ReadAll(io.LimitReader(g.body, sniffed))
		if err != nil {
			return 0, g.fail(err)
		}
		if strings.HasPrefix(http.DetectContentType(begin), "text/html") {
			return 0, g.fail(errNotWebDAV)
		}
		g.begin = bytes.NewReader(begin)
	}
	if g.begin != nil && g.begin.Len() > 0 {
		return g.begin.Read(p)
	}
	n, err := g.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, g.fail(err)
	}
	return n, err
}

func (g *guarded) fail(err error) error {
	if g.exchange.failure == nil {
		g.exchange.failure = g.exchange.dog.Explain(err)
	}
	return g.exchange.failure
}

// Close implements io.Closer.
func (g *guarded) Close() error { return g.body.Close() }
