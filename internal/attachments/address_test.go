package attachments

import (
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.216.34": true, "8.8.8.8": true, "2606:2800:220:1:248:1893:25c8:1946": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "::ffff:192.168.1.1": false, "64:ff9b::a00:1": false, "64:ff9b:1::808:808": false,
		"169.254.169.254": false, "::ffff:a9fe:a9fe": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "fc00::1": false, "fec0::1": false,
		"100.64.0.1": false, "100.100.100.200": false, "192.0.0.192": false, "168.63.129.16": false, "198.18.0.1": false, "192.0.2.1": false, "203.0.113.9": false,
		"224.0.0.1": false, "239.255.255.250": false, "ff02::1": false, "240.0.0.1": false, "255.255.255.255": false,
		"2001:db8::1": false, "2001::1": false, "2002:7f00:1::": false, "3fff::1": false, "4000::1": false, "100::1": false,
	} {
		if got := Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}
