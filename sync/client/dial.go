//go:build !windows

package client

import (
	"context"
	"net"
)

// dial connects to a Unix socket.
func dial(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
