package access

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// peerUser is the user whose program holds the other end of a connection on
// this machine. The kernel's table of connections names the owner of each.
func peerUser(remote, local netip.AddrPort) (user int, known bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if user, known := ownerIn(table, remote, local); known {
			return user, true
		}
	}
	return 0, false
}

func ownerIn(table string, near, far netip.AddrPort) (user int, known bool) {
	file, err := os.Open(table)
	if err != nil {
		return 0, false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// number, own end, other end, state, queues, timer, retransmissions, user
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !isEnd(fields[1], near) || !isEnd(fields[2], far) {
			continue
		}
		if user, err := strconv.Atoi(fields[7]); err == nil {
			return user, true
		}
	}
	return 0, false
}

// isEnd compares an end as the kernel writes it: the address as words of 32 bits
// in the machine's order, in hexadecimal, and the port.
func isEnd(text string, end netip.AddrPort) bool {
	address, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil || uint16(number) != end.Port() {
		return false
	}
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return false
	}
	for word := raw; len(word) > 0; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	found, ok := netip.AddrFromSlice(raw)
	return ok && found.Unmap() == end.Addr().Unmap()
}
