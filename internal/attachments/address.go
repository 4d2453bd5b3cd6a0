package attachments

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Public tells whether an address belongs to the public internet: not to this machine, its network, a provider's inner
// network, the metadata services of clouds, a tunnel that could lead to one of them, or documentation.
func Public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return false
	}
	if inner, translated := translatedFrom(address); translated {
		return Public(inner)
	}
	if address.Is6() && !netip.MustParsePrefix("2000::/3").Contains(address) {
		return false
	}
	return !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(address) })
}

// special lists what is global unicast by its form, and yet not of the public internet (IANA's special-purpose registries,
// and the metadata services that use public addresses).
func special() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"168.63.129.16/32",                                                          // Azure's metadata
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48", // tunnels, tests, documentation
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// outside tells whether an address is public, and not of a network that this machine is in: with IPv6 the neighbours at home
// have public addresses, too. The networks are as net.InterfaceAddrs gives them; where they can't be had, none is known.
func outside(address netip.Addr, networks func() ([]net.Addr, error)) bool {
	if !Public(address) {
		return false
	}
	address = address.Unmap().WithZone("")
	list, _ := networks() // as the comment says
	for _, one := range list {
		network, err := netip.ParsePrefix(one.String())
		if err == nil && network.Bits() > 0 && network.Contains(address) {
			return false
		}
	}
	return true
}

// translatedFrom is the IPv4 address that a network without IPv4 wraps (RFC 6052, NAT64).
func translatedFrom(address netip.Addr) (netip.Addr, bool) {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(address) {
		return netip.Addr{}, false
	}
	bytes := address.As16()
	return netip.AddrFrom4([4]byte(bytes[12:])), true
}

// control refuses connections to addresses that are not allowed. The system calls it with the address that it is about to
// dial, after names were resolved, so that no name can mean one address when it is looked at and another when it is dialled.
func control(allowed func(netip.Addr) bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(at.Addr()) {
			return fmt.Errorf("attachments: %w", ErrPrivate) // the address stays out: it would tell the sender's guess right
		}
		return nil
	}
}
