package egress

import "net/netip"

// public reports whether addr is unicast and reachable over the public internet,
// by the IANA special-purpose registries (RFC 6890 and its updates). IPv6 is
// closed but for 2000::/3, which leaves out ULA, link-local, NAT64 (64:ff9b::/96
// and 64:ff9b:1::/48), mapped and compatible addresses, and whatever comes next.
func public(addr netip.Addr) bool {
	ranges := special6[:]
	switch {
	case addr.Is4():
		ranges = special4[:]
	case !globalUnicast6.Contains(addr):
		return false
	}
	for _, prefix := range ranges {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

var globalUnicast6 = netip.MustParsePrefix("2000::/3")

var special4 = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // "this network"
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // CGNAT, with Alibaba's metadata service
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's wire server, a public address
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, with most metadata services
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments, with Oracle's metadata service
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.31.196.0/24"),  // AS112
	netip.MustParsePrefix("192.52.193.0/24"),  // AMT
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("192.175.48.0/24"),  // AS112
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, with broadcast
}

var special6 = [...]netip.Prefix{
	netip.MustParsePrefix("2001::/23"),     // protocol assignments: Teredo, ORCHID, benchmarks
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4
	netip.MustParsePrefix("2620:4f:8000::/48"),
	netip.MustParsePrefix("3fff::/20"), // documentation
}
