package datasource

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/problem"
)

const (
	probesPerMinute = 20
	limitedTenants  = 10_000
)

// limiter bounds what each tenant begins in a minute: connection tests, which make
// this server connect to addresses of the caller's choice, and streams.
type limiter struct {
	perMinute  int
	code, what string

	mu      sync.Mutex
	tenants map[string]*rate.Limiter
}

func (l *limiter) take(tenantID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenants == nil || len(l.tenants) >= limitedTenants {
		l.tenants = map[string]*rate.Limiter{}
	}
	tenant := l.tenants[tenantID]
	if tenant == nil {
		tenant = rate.NewLimiter(rate.Limit(l.perMinute)/60, l.perMinute)
		l.tenants[tenantID] = tenant
	}
	if tenant.Allow() {
		return nil
	}
	e := problem.Newf(problem.RateLimited, l.code, "no more than %d %s a minute", l.perMinute, l.what)
	e.RetryAfter = time.Minute / time.Duration(l.perMinute)
	return e
}
