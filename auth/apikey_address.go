package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/jetadmin/jetadmin/problem"
)

const maxAddresses = 50

type addressKey struct{}

// WithAddress returns a context whose call comes from an address, for a host that
// calls [Service.AuthenticateToken] for somebody else. Requests say it by
// themselves, see [RequestAddress].
func WithAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, address.Unmap().WithZone(""))
}

// AddressFrom is the address from which the call comes; the zero Addr when
// nobody said so.
func AddressFrom(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(addressKey{}).(netip.Addr)
	return address
}

// RequestAddress is the client of a request as the server sees it: the other end
// of the connection, and no header. A host behind a proxy that it trusts sets
// RemoteAddr before. The zero Addr stands for what is not an address.
func RequestAddress(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
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
