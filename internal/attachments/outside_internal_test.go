package attachments

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// TestOwnNetworks: public addresses of the networks that this machine is in are its neighbours'.
func TestOwnNetworks(t *testing.T) {
	network := func(text string) net.Addr {
		address, in, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: address, Mask: in.Mask}
	}
	networks := func() ([]net.Addr, error) {
		return []net.Addr{
			network("127.0.0.1/8"), network("192.168.1.5/24"), network("2a02:1234:5678:9a00::5/64"), network("81.2.69.5/32"), network("9.9.9.9/0"),
		}, nil
	}
	for text, want := range map[string]bool{
		"1.1.1.1": true, "81.2.69.6": true, "2a02:1234:5678:9a01::1": true,
		"81.2.69.5": false, "::ffff:81.2.69.5": false, "2a02:1234:5678:9a00::1": false, "192.168.1.1": false, "10.0.0.1": false, "::1": false,
	} {
		if got := outside(netip.MustParseAddr(text), networks); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	unknown := func() ([]net.Addr, error) { return nil, errors.New("not told") }
	if !outside(netip.MustParseAddr("1.1.1.1"), unknown) || outside(netip.MustParseAddr("10.0.0.1"), unknown) {
		t.Error("without networks the public internet is what Public says")
	}
}
