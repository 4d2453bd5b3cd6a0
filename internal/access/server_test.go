package access_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/access"
)

func TestOnlyLoopback(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0:0", "[::]:0", ":0", "192.168.0.1:0", "8.8.8.8:0", "[fe80::1%lo]:0", "[::ffff:127.0.0.1]:0", "127.0.0.1.example:0", "example.org:0", "127.1:0", "128.0.0.1:0", "[::2]:0",
	} {
		if _, err := access.Listen(t.Context(), text); !errors.Is(err, access.ErrNotLoopback) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"127.0.0.1", "", "127.0.0.1:", "127.0.0.1:x"} {
		if _, err := access.ParseAddress(text); err == nil {
			t.Errorf("%q is an address", text)
		}
	}
}

// TestBothKindsOfAddresses: nobody else can wait on ::1 for a browser that looks
// for the name of a link.
func TestBothKindsOfAddresses(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("there is no IPv6 here")
	}
	probe.Close()
	for _, text := range []string{"", "127.0.0.1:0", "[::1]:0", "localhost:0"} {
		listeners, err := access.Listen(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		port := listeners.Address.Port()
		for _, host := range []string{"127.0.0.1", "::1"} {
			if other, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))); err == nil {
				other.Close()
				t.Errorf("%q: somebody else can have %s", text, host)
			}
		}
		if !listeners.Whole || len(listeners.All) != 2 {
			t.Errorf("%q: %d listeners, whole %v", text, len(listeners.All), listeners.Whole)
		}
		for _, listener := range listeners.All {
			listener.Close()
		}
	}
}

// TestSquatter: when somebody else has the port of ::1, a link with a name would
// be a gift; so the port does not count as whole.
func TestSquatter(t *testing.T) {
	squatter, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("there is no IPv6 here")
	}
	defer squatter.Close()
	_, port, _ := net.SplitHostPort(squatter.Addr().String())
	listeners, err := access.Listen(t.Context(), "127.0.0.1:"+port)
	if err != nil {
		t.Skipf("the port is taken: %v", err)
	}
	defer listeners.All[0].Close()
	if listeners.Whole || !strings.HasPrefix(listeners.Address.String(), "127.0.0.1:") {
		t.Errorf("listeners %+v", listeners)
	}
}
