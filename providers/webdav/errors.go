package webdav

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// ErrNoCollection says that the base collection, or the marker in it, is missing: a share that is not mounted at the
// server, or a wrong address. It comes with providers.ErrTransient: the share may be back later.
var ErrNoCollection = errors.New("webdav: no dm3sync folder there; is url right, and the share mounted at the server? (`dm3sync init` makes one)")

// errNotWebDAV is for answers that no WebDAV server gives, such as login pages of networks, proxies and portals.
var errNotWebDAV = errors.New("the answer is not WebDAV's: a login page of the network or a proxy, or a wrong url")

// errCompressed is for servers and proxies that compress although they were asked not to.
var errCompressed = errors.New("the answer is compressed; switch that off for this url at the server or the proxy")

// statusError is an answer that means failure.
type statusError struct{ status int }

// Error implements error.
func (e *statusError) Error() string {
	hint := ""
	switch e.status {
	case http.StatusUnauthorized:
		hint = ": the login is refused; with two factors, the server wants an app password"
	case http.StatusForbidden:
		hint = ": this login may not do that there"
	case http.StatusLocked:
		hint = ": somebody else works with it"
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		hint = ": no WebDAV at this url"
	}
	return fmt.Sprintf("the server answers %d %s%s", e.status, http.StatusText(e.status), hint)
}

// byStatus gives an answer's sentinel, nil for those that stay as they are. A 404 is never the server's word about an
// object here: only get knows, after a look at the marker.
func byStatus(status int, header http.Header) error {
	wait := transport.RetryAfter(header)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && wait > 0:
		return &providers.RateLimitError{Wait: wait}
	case status == http.StatusMisdirectedRequest:
		return providers.ErrTransient
	case status == http.StatusHTTPVersionNotSupported:
		return nil
	}
	return transport.ByStatus(status)
}

// outcome turns what an exchange saw into an error with the sentinel that callers look for; nil for the statuses that are
// fine.
func (e *exchange) outcome(ctx context.Context, operation, name string, fine ...int) error {
	err := e.failure
	if err == nil {
		for _, status := range fine {
			if e.status == status {
				return nil
			}
		}
		return describe(ctx, operation, name, &statusError{e.status}, byStatus(e.status, e.header))
	}
	return describe(ctx, operation, name, err, classify(err))
}

// describe says what was being done. An ended context is the reason for whatever came of it.
func describe(ctx context.Context, operation, name string, err, sentinel error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("webdav: %s %s: %w", operation, name, ended)
	}
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("webdav: %s %s: %w", operation, name, err)
	}
	return fmt.Errorf("webdav: %s %s: %w: %w", operation, name, sentinel, err)
}

// classify gives the sentinel of a request without a usable answer. Most such failures are the network's; what stays is
// an answer that is too long, a certificate that one of the two does not trust, and a redirect.
func classify(err error) error {
	var refused *net.OpError
	var redirect *redirectError
	switch {
	case errors.Is(err, transport.ErrTooLong):
		return providers.ErrTooLarge
	case errors.Is(err, providers.ErrUnauthorised): // the proxy's word
		return providers.ErrUnauthorised
	case transport.Untrusted(err), errors.Is(err, errTooMany), errors.Is(err, errCompressed):
		return nil
	case errors.As(err, &refused) && refused.Op == "remote error" && strings.Contains(refused.Error(), "certificate"):
		// the server's word about this side's certificate
		return providers.ErrUnauthorised
	case errors.As(err, &redirect) && redirect.hops > mostHops:
		return nil
	}
	return providers.ErrTransient
}
