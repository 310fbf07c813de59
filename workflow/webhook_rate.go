package workflow

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
)

// maxHookRates is how many webhooks have a limit of their own in memory at a time.
const maxHookRates = 10_000

// hookRates limit how often each webhook is used in this process. The zero value
// is ready; it is safe for concurrent use.
type hookRates struct {
	mu    sync.Mutex
	byKey map[string]*rate.Limiter
}

// take counts a delivery. Above the limit the error is RateLimited and tells when
// the next one is possible. A tenth of a minute's share may come at once.
func (h *hookRates) take(webhookID string, perMinute int, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit, burst := rate.Limit(float64(perMinute)/60), max(1, perMinute/10)
	l := h.byKey[webhookID]
	if l == nil || l.Limit() != limit {
		h.makeRoom(now)
		l = rate.NewLimiter(limit, burst)
		h.byKey[webhookID] = l
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return &problem.Error{
		Kind: problem.RateLimited, Code: "too_many_deliveries", RetryAfter: wait,
		Message: "there are too many deliveries", Remedy: "wait before you send the next one",
	}
}

// makeRoom forgets webhooks that have their whole burst: a new limit would let
// them do the same.
func (h *hookRates) makeRoom(now time.Time) {
	if h.byKey == nil {
		h.byKey = map[string]*rate.Limiter{}
	}
	if len(h.byKey) < maxHookRates {
		return
	}
	for id, l := range h.byKey {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(h.byKey, id)
		}
	}
	if len(h.byKey) >= maxHookRates {
		clear(h.byKey)
	}
}
