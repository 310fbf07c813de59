package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/jetadmin/jetadmin/internal/peer"
	"github.com/jetadmin/jetadmin/problem"
)

const maxAddresses = 50

type addressKey struct{}

// WithAddress returns a context whose call comes from an address, for a host that
// calls [Service.AuthenticateToken] for somebody else, and for one that knows
// better than [RequestAddress] where its requests come from.
func WithAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, address.Unmap().WithZone(""))
}

// AddressFrom is the address from which the call comes; the zero Addr when
// nobody said so.
func AddressFrom(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(addressKey{}).(netip.Addr)
	return address
}

// RequestAddress is where a request comes from: the address that its context has,
// see [WithAddress], else the other end of the connection. It reads no header: an
// App has put the client behind its TrustedProxies into the context. The zero Addr
// stands for what is not an address.
func RequestAddress(r *http.Request) netip.Addr {
	if known := AddressFrom(r.Context()); known.IsValid() {
		return known
	}
	address, _ := peer.Address(r.RemoteAddr)
	return address
}

// checkAddresses reads a list of addresses and prefixes, and gives each one
// spelling.
func checkAddresses(f *problem.Faults, list []string) []string {
	if len(list) > maxAddresses {
		f.Addf("addresses", "must have at most %d items", maxAddresses)
		return []string{}
	}
	checked := make([]string, 0, len(list))
	for i, text := range list {
		prefix, ok := readPrefix(text)
		f.Check(ok, fmt.Sprintf("addresses.%d", i), "is not an address or a prefix like 203.0.113.0/24")
		checked = append(checked, prefix.String())
	}
	slices.Sort(checked)
	return slices.Compact(checked)
}

// readPrefix reads an address or a prefix. An IPv4 address in the clothes of IPv6
// is one of IPv4, for that is how clients are seen.
func readPrefix(text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if prefix.Addr().Is4In6() {
		const mapped = 96
		if prefix.Bits() < mapped {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped)
	}
	return prefix.Masked(), true
}

// admits reports whether a key is good from an address. A list with an entry that
// cannot be read admits nobody by that entry.
func admits(list []string, from netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	return slices.ContainsFunc(list, func(text string) bool {
		prefix, err := netip.ParsePrefix(text)
		return err == nil && prefix.Contains(from)
	})
}
