package auth

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
)

// How often a password may be tried: so many times at once, then once per pause.
const (
	accountAttempts = 10
	accountPause    = 6 * time.Second
	addressAttempts = 60
	addressPause    = time.Second
)

// throttleSize is the number of keys that are remembered; the one not seen for
// the longest time is forgotten first.
const throttleSize = 10_000

// throttle limits how often something is tried per key, in this process. It is
// safe for concurrent use.
type throttle struct {
	burst int
	pause time.Duration
	size  int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *attempts, the latest in front
}

type attempts struct {
	key     string
	limiter *rate.Limiter
}

func newThrottle(burst int, pause time.Duration) *throttle {
	return &throttle{burst: burst, pause: pause, size: throttleSize, keys: map[string]*list.Element{}, order: list.New()}
}

// take counts an attempt. Above the limit the error is RateLimited and tells
// when the next one is possible.
func (t *throttle) take(key string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.limiter(key).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return &problem.Error{
		Kind: problem.RateLimited, Code: "too_many_attempts", RetryAfter: wait,
		Message: "too many attempts", Remedy: "wait before you try again",
	}
}

// forget gives a key all of its attempts back.
func (t *throttle) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		t.drop(e)
	}
}

func (t *throttle) limiter(key string) *rate.Limiter {
	if e, ok := t.keys[key]; ok {
		t.order.MoveToFront(e)
		return e.Value.(*attempts).limiter
	}
	if t.order.Len() >= t.size {
		t.drop(t.order.Back())
	}
	a := &attempts{key: key, limiter: rate.NewLimiter(rate.Every(t.pause), t.burst)}
	t.keys[key] = t.order.PushFront(a)
	return a.limiter
}

func (t *throttle) drop(e *list.Element) {
	delete(t.keys, e.Value.(*attempts).key)
	t.order.Remove(e)
}

// admit counts an attempt against the address it comes from and the account it
// is for. Either may be "": not known.
//
// The address goes first: attempts that it refuses must not count against the
// account, or anybody could lock anybody out from one place.
func (s *Service) admit(address, account string) error {
	now := s.clock.Now()
	if address != "" {
		if err := s.perAddress.take(network(address), now); err != nil {
			return err
		}
	}
	if account == "" {
		return nil
	}
	return s.perAccount.take(account, now)
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
