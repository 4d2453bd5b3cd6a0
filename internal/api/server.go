package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/internal/serving"
)

// stopWait is how long requests under way may take to end when the server
// stops, before their connections are cut.
const stopWait = 3 * time.Second

// Serve answers requests on listener with handler until ctx ends; then requests that
// are under way are cancelled, given a short time to answer, and cut. It closes
// listener. An error is returned only when serving failed before ctx ended.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return serving.Until(ctx, "api", server, listener, serving.Stop{Wait: stopWait})
}
