package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/dm3sync/dm3sync/providers"
)

// ByStatus gives the sentinel of package providers for an answer that says no more than its status (RFC 9110, 15; RFC 4918,
// 11; RFC 6585); nil for those that repeating does not mend. A 404 alone is never a server's word about an object.
func ByStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return providers.ErrUnauthorised
	case http.StatusTooManyRequests:
		return providers.ErrRateLimited
	case http.StatusRequestEntityTooLarge:
		return providers.ErrTooLarge
	case http.StatusInsufficientStorage:
		return providers.ErrQuota
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusLocked:
		return providers.ErrTransient
	}
	if status >= http.StatusInternalServerError && status != http.StatusNotImplemented {
		return providers.ErrTransient
	}
	return nil
}

// Untrusted tells whether this side does not trust the server's certificate: repeating does not mend that.
func Untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// Broken tells the network's failures and answers that were cut off from mistakes in the request and from certificates
// that nobody here trusts.
func Broken(err error) bool {
	if Untrusted(err) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, ErrStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled)
}
