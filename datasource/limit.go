package datasource

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
)

const (
	probesPerMinute = 20
	probeTenants    = 10_000
)

// limiter bounds the connection tests of each tenant: they make this server
// connect to addresses of the caller's choice.
type limiter struct {
	mu      sync.Mutex
	tenants map[string]*rate.Limiter
}

func (l *limiter) take(tenantID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenants == nil || len(l.tenants) >= probeTenants {
		l.tenants = map[string]*rate.Limiter{}
	}
	tenant := l.tenants[tenantID]
	if tenant == nil {
		tenant = rate.NewLimiter(rate.Limit(probesPerMinute)/60, probesPerMinute)
		l.tenants[tenantID] = tenant
	}
	if tenant.Allow() {
		return nil
	}
	e := problem.Newf(problem.RateLimited, "too_many_tests", "no more than %d connection tests a minute", probesPerMinute)
	e.RetryAfter = time.Minute / probesPerMinute
	return e
}
