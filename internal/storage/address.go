package storage

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is who asks, for limits only. What a proxy of ours adds to
// X-Forwarded-For counts; what anybody else writes there does not. An IPv6
// address stands for its /64, since one client has all of that.
func clientAddress(r *http.Request, proxies []netip.Prefix) string {
	address, ok := parseAddress(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && isProxy(address, proxies); i-- {
		before, ok := parseAddress(strings.TrimSpace(forwarded[i]))
		if !ok {
			break
		}
		address = before
	}
	return network(address)
}

// network is who counts as one: an IPv4 address, or an IPv6 network of 64 bits.
func network(address netip.Addr) string {
	if address.Is6() {
		if network, err := address.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

func isProxy(address netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// parseAddress reads an address with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap(), true
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap(), err == nil
}
