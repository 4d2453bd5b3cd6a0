package servertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress is a host and port of loopback on which nobody listens now. The port lies below
// the range of outgoing connections, so that none takes it while its server is down.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close() // nobody has connected to it
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}
