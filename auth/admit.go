package auth

import (
	"net/netip"
	"time"
)

// How often a password may be tried: so many times at once, then once per pause.
const (
	accountAttempts = 10
	accountPause    = 6 * time.Second
	addressAttempts = 60
	addressPause    = time.Second
)

// Admit counts an attempt at a secret that comes from an address, with those at
// passwords. Errors: RateLimited. An address that is not known ("") is not counted.
func (s *Service) Admit(address string) error { return s.admit(address, "") }

// admit counts an attempt against the address it comes from and the account it
// is for. Either may be "": not known.
//
// The address goes first: attempts that it refuses must not count against the
// account, or anybody could lock anybody out from one place.
func (s *Service) admit(address, account string) error {
	now := s.clock.Now()
	if address != "" {
		if err := s.perAddress.Take(network(address), now); err != nil {
			return err
		}
	}
	if account == "" {
		return nil
	}
	return s.perAccount.Take(account, now)
}

// network is what one party holds of an address: all of an IPv4 one, the first
// half of an IPv6 one.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return tidy(address, maxAddress)
		}
		ip = port.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return prefix.String()
}
