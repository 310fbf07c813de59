// Package throttle limits how often something is tried.
package throttle

import (
	"container/list"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/peer"
	"github.com/jetadmin/jetadmin/problem"
)

// most is the number of keys that are remembered; the one not seen for
// the longest time is forgotten first.
const most = 10_000

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

// Rate is how often something may be tried: so many times at once, then once per
// pause.
type Rate struct {
	Burst int
	Pause time.Duration
}

// PerMinute is n in a minute, all of them at once if need be.
func PerMinute(n int) Rate { return Rate{Burst: n, Pause: time.Minute / time.Duration(n)} }

// Throttle limits how often something is tried per key: in all processes where
// they share a limiter, else, and while that one fails, in this process. It is
// safe for concurrent use.
type Throttle struct {
	cfg  Config
	size int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *attempts, the latest in front
}

type attempts struct {
	key     string
	limiter *rate.Limiter
	until   time.Time // no attempt before, as the last refusal said
}

// Config is what a throttle needs.
type Config struct {
	Name string // tells its keys in the shared limiter from others': no two throttles have the same
	Rate

	// Code and What are how a refusal is told. Default: "too_many_attempts" and
	// "attempts".
	Code, What string

	Shared Limiter // nil: each process counts its own
}

// New returns a throttle that has forgotten nothing yet.
func New(c Config) *Throttle {
	if c.Code == "" {
		c.Code, c.What = "too_many_attempts", "attempts"
	}
	return &Throttle{cfg: c, size: most, keys: map[string]*list.Element{}, order: list.New()}
}

// Take counts an attempt. Above the limit the error is RateLimited and tells
// when the next one is possible.
func (t *Throttle) Take(ctx context.Context, key string, now time.Time) error {
	return t.TakeAt(ctx, t.cfg.Rate, key, now)
}

// TakeAt is [Throttle.Take] for a key that has a rate of its own, always the same.
func (t *Throttle) TakeAt(ctx context.Context, r Rate, key string, now time.Time) error {
	wait, shared := t.takeShared(ctx, r, key)
	if !shared {
		wait = t.takeHere(r, key, now)
	}
	if wait <= 0 {
		return nil
	}
	t.note(r, key, now.Add(wait))
	return t.tooMany(wait)
}

// Open is RateLimited while the last refusal of this process for a key lasts. It
// counts nothing: it is for what counts only when it fails.
func (t *Throttle) Open(key string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		if wait := e.Value.(*attempts).until.Sub(now); wait > 0 {
			return t.tooMany(wait)
		}
	}
	return nil
}

// Sparing judges something that anybody can send, unless too much from the same
// network was refused just now at the same target, "" = at none that is known. Counted are errors of the given kinds alone: what is
// good is held up by what is bad from its own network, and counts nothing itself. From
// the machine itself nothing is counted: it comes through a proxy that does not tell
// for whom, and would all be one.
func (t *Throttle) Sparing(ctx context.Context, from netip.Addr, target string, c clock.Clock, judge func() error, bad ...problem.Kind) error {
	if !from.IsValid() || from.Unmap().IsLoopback() {
		return judge()
	}
	place := peer.Network(from).String() + target
	if err := t.Open(place, c.Now()); err != nil {
		return err
	}
	err := judge()
	if err != nil && slices.Contains(bad, problem.KindOf(err)) {
		// Too many is told to the next one: this one is judged already.
		_ = t.Take(ctx, place, c.Now())
	}
	return err
}

func (t *Throttle) note(r Rate, key string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entry(r, key).until = until
}

func (t *Throttle) tooMany(wait time.Duration) error {
	return &problem.Error{
		Kind: problem.RateLimited, Code: t.cfg.Code, RetryAfter: wait,
		Message: "too many " + t.cfg.What, Remedy: "wait before you try again",
	}
}

// takeShared asks the shared limiter; false when there is no answer of one.
func (t *Throttle) takeShared(ctx context.Context, r Rate, key string) (time.Duration, bool) {
	if t.cfg.Shared == nil {
		return 0, false
	}
	wait, err := t.cfg.Shared.Take(ctx, t.cfg.Name+":"+key, r.Burst, r.Pause)
	return wait, err == nil
}

func (t *Throttle) takeHere(r Rate, key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.entry(r, key).limiter.ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}

// Forget gives a key all of its attempts back. While the shared limiter fails, those
// that it has counted stay.
func (t *Throttle) Forget(ctx context.Context, key string) {
	if t.cfg.Shared != nil {
		_ = t.cfg.Shared.Forget(ctx, t.cfg.Name+":"+key) // which tells operators itself
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		t.drop(e)
	}
}

func (t *Throttle) entry(r Rate, key string) *attempts {
	if e, ok := t.keys[key]; ok {
		t.order.MoveToFront(e)
		return e.Value.(*attempts)
	}
	if t.order.Len() >= t.size {
		t.drop(t.order.Back())
	}
	a := &attempts{key: key, limiter: rate.NewLimiter(rate.Every(r.Pause), r.Burst)}
	t.keys[key] = t.order.PushFront(a)
	return a
}

func (t *Throttle) drop(e *list.Element) {
	delete(t.keys, e.Value.(*attempts).key)
	t.order.Remove(e)
}
