// Package throttle limits how often something is tried.
package throttle

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

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

// Throttle limits how often something is tried per key: in all processes where
// they share a limiter, else, and while that one fails, in this process. It is
// safe for concurrent use.
type Throttle struct {
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
	until   time.Time // no attempt before, as the last refusal said
}

// Config is what a throttle needs.
type Config struct {
	Name  string // tells its keys in the shared limiter from others'
	Burst int    // so many times at once, then once per pause
	Pause time.Duration

	Shared Limiter      // nil: each process counts its own
	Logger *slog.Logger // for when the shared limiter fails
}

// New returns a throttle that has forgotten nothing yet.
func New(c Config) *Throttle {
	return &Throttle{
		burst: c.Burst, pause: c.Pause, size: most, shared: c.Shared, name: c.Name, log: c.Logger,
		keys: map[string]*list.Element{}, order: list.New(),
	}
}

// Take counts an attempt. Above the limit the error is RateLimited and tells
// when the next one is possible.
func (t *Throttle) Take(ctx context.Context, key string, now time.Time) error {
	wait, shared := t.takeShared(ctx, key)
	if !shared {
		wait = t.takeHere(key, now)
	}
	if wait <= 0 {
		return nil
	}
	t.note(key, now.Add(wait))
	return tooMany(wait)
}

// Open is RateLimited while the last refusal of this process for a key lasts. It
// counts nothing: it is for what counts only when it fails.
func (t *Throttle) Open(key string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		if wait := e.Value.(*attempts).until.Sub(now); wait > 0 {
			return tooMany(wait)
		}
	}
	return nil
}

func (t *Throttle) note(key string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entry(key).until = until
}

func tooMany(wait time.Duration) error {
	return &problem.Error{
		Kind: problem.RateLimited, Code: "too_many_attempts", RetryAfter: wait,
		Message: "too many attempts", Remedy: "wait before you try again",
	}
}

// takeShared asks the shared limiter; false when there is no answer of one.
func (t *Throttle) takeShared(ctx context.Context, key string) (time.Duration, bool) {
	if t.shared == nil {
		return 0, false
	}
	wait, err := t.shared.Take(ctx, t.name+":"+key, t.burst, t.pause)
	if err != nil {
		t.log.WarnContext(ctx, "attempts are counted in this process only", "limit", t.name, "error", err)
	}
	return wait, err == nil
}

func (t *Throttle) takeHere(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.entry(key).limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Forget gives a key all of its attempts back.
func (t *Throttle) Forget(ctx context.Context, key string) {
	if t.shared != nil {
		if err := t.shared.Forget(ctx, t.name+":"+key); err != nil {
			t.log.WarnContext(ctx, "attempts are not forgotten", "limit", t.name, "error", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		t.drop(e)
	}
}

func (t *Throttle) entry(key string) *attempts {
	if e, ok := t.keys[key]; ok {
		t.order.MoveToFront(e)
		return e.Value.(*attempts)
	}
	if t.order.Len() >= t.size {
		t.drop(t.order.Back())
	}
	a := &attempts{key: key, limiter: rate.NewLimiter(rate.Every(t.pause), t.burst)}
	t.keys[key] = t.order.PushFront(a)
	return a
}

func (t *Throttle) drop(e *list.Element) {
	delete(t.keys, e.Value.(*attempts).key)
	t.order.Remove(e)
}
