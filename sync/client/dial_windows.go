package client

import (
	"context"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
)

// dial connects to a named pipe, or else to a Unix socket.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if strings.HasPrefix(path, `\\.\pipe\`) {
		return winio.DialPipeContext(ctx, path)
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
