// Package serving runs HTTP servers until they are told to stop, all in the same way.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Stop is how a server stops.
type Stop struct {
	// Wait is how long requests under way may take to end before they are cut; none
	// cuts them at once.
	Wait time.Duration
	// Finish lets requests under way go on during Wait as if nothing had happened;
	// without it their contexts end at once, so that they give up by themselves.
	Finish bool
}

// Until answers on listener with server, whose BaseContext it sets, until ctx ends;
// then it takes no more requests, gives those under way their time, and cuts the rest.
// It closes listener and ends every connection. It returns nil after a stop; an error,
// which begins with name, says that serving failed before.
func Until(ctx context.Context, name string, server *http.Server, listener net.Listener, stop Stop) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	base := ctx
	if stop.Finish {
		base = requests
	}
	server.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		_ = server.Close() // nobody waits for what is still under way
		return fmt.Errorf("%s: serving: %w", name, err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(requests, stop.Wait)
	defer cancel()
	if server.Shutdown(deadline) != nil {
		cut()
		_ = server.Close() // cuts what did not end in time
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: serving: %w", name, err)
	}
	return nil
}
