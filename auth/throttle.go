package auth

import (
	"container/list"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
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

// throttleSize is the number of keys that are remembered; the one not seen for
// the longest time is forgotten first.
const throttleSize = 10_000

// Limiter counts attempts for all processes together. It must be safe for
// concurrent use.
type Limiter interface {
	// Take counts an attempt on a key that may be tried burst times at once, then
	// once per pause. It returns 0, or how long to wait before the next one; what is
	// refused does not count.
	Take(ctx context.Context, key string, burst int, pause time.Duration) (time.Duration, error)

	// Forget gives a key all of its attempts back.
	Forget(ctx context.Context, key string) error
}

// throttle limits how often something is tried per key: in all processes where
// they share a limiter, else, and while that one fails, in this process. It is
// safe for concurrent use.
type throttle struct {
	burst  int
	pause  time.Duration
	size   int
	shared Limiter // nil = none
	name   string  // tells its keys in the shared limiter from others'
	log    *slog.Logger

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *attempts, the latest in front
}

type attempts struct {
	key     string
	limiter *rate.Limiter
}

func (c Config) throttle(name string, burst int, pause time.Duration) *throttle {
	t := newThrottle(burst, pause)
	t.name, t.shared, t.log = name, c.Limits, c.Logger
	return t
}

func newThrottle(burst int, pause time.Duration) *throttle {
	return &throttle{burst: burst, pause: pause, size: throttleSize, keys: map[string]*list.Element{}, order: list.New()}
}

// take counts an attempt. Above the limit the error is RateLimited and tells
// when the next one is possible.
func (t *throttle) take(ctx context.Context, key string, now time.Time) error {
	wait, shared := t.takeShared(ctx, key)
	if !shared {
		wait = t.takeHere(key, now)
	}
	if wait <= 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.RateLimited, Code: "too_many_attempts", RetryAfter: wait,
		Message: "too many attempts", Remedy: "wait before you try again",
	}
}

// takeShared asks the shared limiter; false when there is no answer of one.
func (t *throttle) takeShared(ctx context.Context, key string) (time.Duration, bool) {
	if t.shared == nil {
		return 0, false
	}
	wait, err := t.shared.Take(ctx, t.name+":"+key, t.burst, t.pause)
	if err != nil {
		t.log.WarnContext(ctx, "auth: attempts are counted in this process only", "limit", t.name, "error", err)
	}
	return wait, err == nil
}

func (t *throttle) takeHere(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.limiter(key).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// forget gives a key all of its attempts back.
func (t *throttle) forget(ctx context.Context, key string) {
	if t.shared != nil {
		if err := t.shared.Forget(ctx, t.name+":"+key); err != nil {
			t.log.WarnContext(ctx, "auth: attempts are not forgotten", "limit", t.name, "error", err)
		}
	}
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
func (s *Service) admit(ctx context.Context, address, account string) error {
	now := s.clock.Now()
	if address != "" {
		if err := s.perAddress.take(ctx, network(address), now); err != nil {
			return err
		}
	}
	if account == "" {
		return nil
	}
	return s.perAccount.take(ctx, account, now)
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
