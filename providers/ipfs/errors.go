package ipfs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// What Kubo says only in words.
var (
	errAbsent      = errors.New("no such path")              // in a folder whose blocks are known: definite
	errNoName      = errors.New("nobody publishes the name") // as far as the node can find out
	errExists      = errors.New("there is one of the name")
	errOtherWriter = errors.New("another device publishes under the same number")
	errNotPinned   = errors.New("not pinned")
	errNotKubo     = errors.New("no Kubo answers there: endpoint must be its RPC (port 5001 unless set otherwise), not its gateway")
)

// commandError is an answer that means failure.
type commandError struct {
	status  int
	message string // Kubo's own words; they hold paths and identifiers, never secrets
	wait    time.Duration
}

// Error implements error.
func (e *commandError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("the node answers %d %s", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("the node answers %d: %s", e.status, e.message)
}

// spoken are Kubo's words for what its statuses do not tell: nearly all failures are a 500.
var spoken = []struct {
	words    string
	sentinel error
}{
	{"no link named", errAbsent},
	{"file does not exist", errAbsent},
	{"could not resolve name", errNoName},
	{"already has entry", errExists},
	{"already exists", errExists},
	{"not pinned", errNotPinned},
	{"no space left", providers.ErrQuota},
	{"disk quota exceeded", providers.ErrQuota},
	{"storage limit", providers.ErrQuota},
	{"unknown flag", nil},
	{"invalid", nil},
}

// sentinel is what callers look for in an answer; nil for what repeating does not mend.
func (e *commandError) sentinel() error {
	switch e.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return errNotKubo
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &providers.RateLimitError{Wait: e.wait}
	case http.StatusInternalServerError:
		for _, one := range spoken {
			if strings.Contains(e.message, one.words) {
				return one.sentinel
			}
		}
	}
	return transport.ByStatus(e.status)
}

// describe adds what was being done, and the sentinel.
func describe(command string, err error) error {
	var sentinel error
	var failure *commandError
	switch {
	case errors.As(err, &failure):
		sentinel = failure.sentinel()
	case errors.Is(err, transport.ErrTooLong):
		sentinel = providers.ErrTooLarge
	case !transport.Untrusted(err): // the network's
		sentinel = providers.ErrTransient
	}
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("ipfs: %s: %w", command, err)
	}
	return fmt.Errorf("ipfs: %s: %w: %w", command, sentinel, err)
}
