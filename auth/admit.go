package auth

import (
	"context"
	"net/netip"
	"time"

	"github.com/jetadmin/jetadmin/internal/throttle"
)

// How often something may be tried: so many times at once, then once per pause.
const (
	accountAttempts = 10
	accountPause    = 6 * time.Second
	addressAttempts = 60
	addressPause    = time.Second
	resetAttempts   = 3 // links to a new password that an account is sent
	resetPause      = 10 * time.Minute
)

// Limiter counts attempts for all processes together. It must be safe for
// concurrent use.
type Limiter = throttle.Limiter

func (c Config) throttle(name string, burst int, pause time.Duration) *throttle.Throttle {
	return throttle.New(throttle.Config{Name: name, Burst: burst, Pause: pause, Shared: c.Limits, Logger: c.Logger})
}

// Admit counts an attempt at a secret that comes from an address, with those at
// passwords. Errors: RateLimited. An address that is not known ("") is not counted.
func (s *Service) Admit(ctx context.Context, address string) error { return s.admit(ctx, address, "") }

// admit counts an attempt against the address it comes from and the account it
// is for. Either may be "": not known.
//
// The address goes first: attempts that it refuses must not count against the
// account, or anybody could lock anybody out from one place.
func (s *Service) admit(ctx context.Context, address, account string) error {
	now := s.clock.Now()
	if address != "" {
		if err := s.perAddress.Take(ctx, network(address), now); err != nil {
			return err
		}
	}
	if account == "" {
		return nil
	}
	return s.perAccount.Take(ctx, account, now)
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
