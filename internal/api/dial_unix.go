//go:build !windows

package api

import (
	"context"
	"net"
)

// dialSocket connects to the agent.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
