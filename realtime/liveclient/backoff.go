package liveclient

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait after a number of failures: a random part of what
// doubles with each of them. later is for a server that asked for some time.
func (o Options) backoff(failures int, later bool) time.Duration {
	limit := o.Backoff
	for range failures {
		if limit *= 2; limit >= o.MaxBackoff {
			limit = o.MaxBackoff
			break
		}
	}
	if later {
		return limit + rand.N(limit+1)
	}
	return rand.N(limit + 1)
}

// sleep waits and reports whether ctx still lives.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
