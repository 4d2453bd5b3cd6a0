package dm3node

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// errLost says that the record with an object's bytes is not there although the index names it.
var errLost = errors.New("the node has lost its bytes")

// describe says what was being done, and adds the sentinel that callers look for. An ended context is the reason for
// whatever came of it.
func describe(ctx context.Context, operation, name string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("dm3node: %s %s: %w", operation, name, ended)
	}
	sentinel := classify(err)
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("dm3node: %s %s: %w", operation, name, err)
	}
	return fmt.Errorf("dm3node: %s %s: %w: %w", operation, name, sentinel, err)
}

// classify gives an error's sentinel, nil for those that stay as they are.
func classify(err error) error {
	var status *dm3api.StatusError
	switch {
	case errors.Is(err, dm3api.ErrLogin):
		return providers.ErrUnauthorised
	case errors.Is(err, dm3api.ErrInside), errors.Is(err, dm3api.ErrNotNode):
		return providers.ErrTransient
	case errors.Is(err, dm3api.ErrTooLong):
		return providers.ErrTooLarge
	case errors.As(err, &status):
		wait := transport.RetryAfter(status.Header)
		if status.Status == http.StatusTooManyRequests || status.Status == http.StatusServiceUnavailable && wait > 0 {
			return &providers.RateLimitError{Wait: wait}
		}
		return transport.ByStatus(status.Status)
	case transport.Broken(err):
		return providers.ErrTransient
	}
	return nil
}
