package servertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress is a host and port of loopback on which nobody listens now. The port lies below
// the range of outgoing connections, so that none takes it while its server is down. No other
// call gives it away before the test ends, in whatever process: the port of the same number
// for datagrams is held until then, which no server of a test uses.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		claim, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()                    // nobody has connected to it
			t.Cleanup(func() { _ = claim.Close() }) // nothing was sent
			return address
		}
		_ = claim.Close() // likewise
	}
	t.Fatal("no free port")
	return ""
}
