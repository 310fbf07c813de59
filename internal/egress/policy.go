// Package egress is the one way out: everything that leaves the process for an
// address that a tenant can choose (datasources, HTTP nodes of workflows,
// webhooks) is dialled by a [Policy].
//
// An address is judged when the connection is made, after DNS, so that a name
// that answers differently the second time gains nothing.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

const dialTimeout = 10 * time.Second

// Policy says which addresses may be connected to. The zero value is the safe
// one: public unicast addresses and nothing else. Refused are loopback,
// link-local, private, CGNAT, ULA, multicast, unspecified, documentation and
// benchmark ranges, addresses that carry another one inside (NAT64, 6to4,
// Teredo), and the metadata services of the clouds.
//
// A Policy is a value; it is safe for concurrent use as long as nobody changes
// its slices.
type Policy struct {
	// Allow names address ranges that may be reached although they are refused
	// by default, e.g. 10.20.0.0/16. It is judged on the connected address.
	Allow []netip.Prefix

	// AllowHosts names destinations as "host:port" that may be reached whatever
	// address they resolve to, e.g. "db.internal:5432". Host and port are
	// compared as a whole, without regard to case.
	AllowHosts []string

	// Resolver looks names up; nil = the system's.
	Resolver *net.Resolver
}

// Validate reports the first entry of AllowHosts that is not "host:port".
func (p Policy) Validate() error {
	for _, entry := range p.AllowHosts {
		host, port, err := net.SplitHostPort(entry)
		if err == nil && host != "" {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || host == "" {
			return fmt.Errorf("in AllowHosts %q is not host:port", entry)
		}
	}
	for _, prefix := range p.Allow {
		if !prefix.IsValid() {
			return errors.New("an invalid prefix in Allow")
		}
	}
	return nil
}

// DialContext connects to "host:port" over TCP. An address that the policy
// refuses is a Forbidden error with the code "egress_refused".
func (p Policy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, refused()
	}
	dialer := net.Dialer{Timeout: dialTimeout, Resolver: p.Resolver}
	if !p.names(address) {
		dialer.ControlContext = p.control
	}
	return dialer.DialContext(ctx, network, address)
}

// Lookup resolves a host name to the addresses that the policy lets through
// for the port. None at all is a Forbidden error; a name that does not resolve
// is the resolver's own error.
func (p Policy) Lookup(ctx context.Context, host, port string) ([]netip.Addr, error) {
	resolver := p.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	all, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || p.names(net.JoinHostPort(host, port)) {
		return all, err
	}
	open := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !p.Permits(a) })
	if len(open) == 0 {
		return nil, refused()
	}
	return open, nil
}

// Permits reports whether an address may be connected to.
func (p Policy) Permits(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	within := func(prefix netip.Prefix) bool { return prefix.Contains(addr) }
	return addr.IsValid() && (slices.ContainsFunc(p.Allow, within) || public(addr))
}

// names reports whether the host listed the destination by name.
func (p Policy) names(address string) bool {
	return slices.ContainsFunc(p.AllowHosts, func(entry string) bool { return strings.EqualFold(entry, address) })
}

// control runs between the making of a socket and its connect, for each
// address that a name resolved to.
func (p Policy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !p.Permits(to.Addr()) {
		return refused()
	}
	return nil
}

func refused() error {
	return problem.New(problem.Forbidden, "egress_refused", "connections to this address are not allowed").
		Fix("the operator of this server can allow the address in Config.Egress")
}
