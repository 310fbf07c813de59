// Package throttle limits how often something is tried.
package throttle

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
)

// most is the number of keys that are remembered; the one not seen for the
// longest time is forgotten first.
const most = 10_000

// Throttle limits how often something is tried per key, in this process. It is
// safe for concurrent use.
type Throttle struct {
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

// New lets each key try so many times at once, then once per pause.
func New(burst int, pause time.Duration) *Throttle {
	return &Throttle{burst: burst, pause: pause, size: most, keys: map[string]*list.Element{}, order: list.New()}
}

// Take counts an attempt. Above the limit the error is RateLimited and tells
// when the next one is possible.
func (t *Throttle) Take(key string, now time.Time) error {
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

// Forget gives a key all of its attempts back.
func (t *Throttle) Forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		t.drop(e)
	}
}

func (t *Throttle) limiter(key string) *rate.Limiter {
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

func (t *Throttle) drop(e *list.Element) {
	delete(t.keys, e.Value.(*attempts).key)
	t.order.Remove(e)
}
