package servertest

import (
	"net"
	"testing"
)

// TestFreeAddress: a server can open it, and it is nobody else's for the time of the test.
func TestFreeAddress(t *testing.T) {
	seen := make(map[string]bool)
	for range 400 { // of 12,000: two would be the same
		address := FreeAddress(t)
		if seen[address] {
			t.Fatalf("%s was given away twice", address)
		}
		seen[address] = true
	}
	for address := range seen {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		break
	}
}
