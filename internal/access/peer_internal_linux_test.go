package access

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestOwnerIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tcp")
	// As this machine's kernel writes it, where words are little-endian; two
	// connections of one port, and one in IPv6.
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2125 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:2125 01 00000000:00000000 00:00000000 00000000  1001        0 2 1 0 20 4 30 10 -1
   2: 0100007F:2125 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:2125 01 00000000:00000000 00:00000000 00000000  1002 0 4
   4: 00000000000000000000000001000000:C352 00000000000000000000000001000000:2125 01 00000000:00000000 00:00000000 00000000  1003 0 5
`
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for near, want := range map[string]int{"127.0.0.1:50000": 1001, "127.0.0.1:50001": 1002, "[::1]:50002": 1003} {
		end := netip.MustParseAddrPort(near)
		if user, known := ownerIn(path, end, netip.AddrPortFrom(end.Addr(), 8485)); !known || user != want {
			t.Errorf("%s belongs to %d (%v), want %d", near, user, known, want)
		}
	}
	if _, known := ownerIn(path, netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8486")); known {
		t.Error("a connection to another port was found")
	}
	if _, known := ownerIn(path+".none", netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8485")); known {
		t.Error("a table that is not there was found")
	}
}
