package auth

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/internal/peer"
	"github.com/jetadmin/jetadmin/internal/throttle"
	"github.com/jetadmin/jetadmin/problem"
)

// How often something may be tried: so many times at once, then once per pause.
const (
	accountAttempts = 10 // at one account, from one network
	accountPause    = 6 * time.Second
	everyAttempts   = 100 // at one account, from wherever
	everyPause      = time.Second
	addressAttempts = 60
	addressPause    = time.Second
	resetAttempts   = 3 // links to a new password that an account is sent
	resetPause      = 10 * time.Minute
	newAccounts     = 100 // of other systems, seen for the first time, from one network
	newPause        = 6 * time.Second
	everyNew        = 500 // the same from wherever
	everyNewPause   = time.Second
	badTokens       = 600 // refused keys and session tokens, from one network
	badTokenPause   = 100 * time.Millisecond
)

// Limiter counts attempts for all processes together. It must be safe for
// concurrent use.
type Limiter = throttle.Limiter

func (c Config) throttle(name string, burst int, pause time.Duration) *throttle.Throttle {
	return throttle.New(throttle.Config{Name: name, Rate: throttle.Rate{Burst: burst, Pause: pause}, Shared: c.Limiter})
}

// Admit counts an attempt at a secret that comes from an address, with those at
// passwords. Errors: RateLimited. An address that is not known ("") is not counted.
func (s *Service) Admit(ctx context.Context, address string) error { return s.admit(ctx, address, "") }

// admit counts an attempt against the address it comes from and the account it
// is for. Either may be "": not known.
//
// The narrow limits go first: attempts that they refuse must not count against the
// account as a whole, which one place alone cannot use up. So nobody locks anybody
// out from there, while guessing from many places stays slow.
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
	if err := s.perAccount.Take(ctx, accountFrom(account, address), now); err != nil {
		return err
	}
	return s.perEveryone.Take(ctx, account, now)
}

// accountFrom is an account as one network sees it.
func accountFrom(account, address string) string { return network(address) + " " + account }

// admitNew counts an account that is about to be made for an identity of another
// system: whoever can have any number of those must not fill the database.
func (s *Service) admitNew(ctx context.Context) error {
	now := s.clock.Now()
	if from := AddressFrom(ctx); from.IsValid() {
		if err := s.perNew.Take(ctx, network(from.String()), now); err != nil {
			return err
		}
	}
	return s.perEveryNew.Take(ctx, "", now)
}

// sparing judges a token of ours, unless too many from the same network were
// refused just now: each costs a query, and anybody can make one up. One that was good
// a while ago is judged in any case.
func (s *Service) sparing(ctx context.Context, token string, judge func() (*Principal, error)) (p *Principal, err error) {
	if s.known.has(token) {
		if p, err = judge(); !problem.Is(err, problem.Unauthenticated) {
			return p, err
		}
		s.known.forget(token) // and it is judged as any other, so that it counts
	}
	defer func() {
		if err == nil {
			s.known.add(token)
		}
	}()
	err = s.perBadToken.Sparing(ctx, AddressFrom(ctx), "", s.clock, func() error {
		p, err = judge()
		return err
	}, problem.Unauthenticated)
	return p, err
}

// network is the network of an address as a text, see [peer.Network]. What is no
// address stands for itself.
func network(address string) string {
	ip, ok := peer.Address(address)
	if !ok {
		return tidy(address, maxAddress)
	}
	p := peer.Network(ip)
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
