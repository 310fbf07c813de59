// Package peer tells where a request comes from: from the other end of the
// connection, or from whoever a trusted proxy there has it from.
package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops is how many proxies are followed back.
const maxHops = 32

// Address reads the address of a connection, as of [http.Request.RemoteAddr].
func Address(remote string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(remote); err == nil {
		return plain(at.Addr()), true
	}
	ip, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	return plain(ip), true
}

func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// Network is what one party holds of an address: all of an IPv4 one, the first half
// of an IPv6 one. That of no address is the zero prefix.
func Network(ip netip.Addr) netip.Prefix {
	ip = plain(ip)
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // which has as many bits
	return p
}

// Within reports whether an address is in one of the ranges.
func Within(ip netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool {
		return p.Contains(ip) || (p.Addr().Is4In6() && p.Bits() >= 96 && netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Contains(ip))
	})
}

// Client is the address of who makes a request, "" when it is not known. That is
// the other end of the connection; when that is a trusted proxy, the last address
// in X-Forwarded-For that is not: what stands before it, the client may have made
// up itself.
func Client(r *http.Request, proxies []netip.Prefix) string {
	ip, ok := Address(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	if !Within(ip, proxies) {
		return ip.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i, hop := range slices.Backward(hops) {
		next, ok := Address(strings.TrimSpace(hop))
		if !ok || len(hops)-i > maxHops {
			break // nobody knows who it is from here on: it counts for the proxy
		}
		if ip = next; !Within(ip, proxies) {
			break
		}
	}
	return ip.String()
}
