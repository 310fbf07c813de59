package tenancy

import (
	"context"
	"sync"
	"time"
)

const (
	rowLimitAge  = time.Second
	rowLimitsMax = 10_000
)

// rowLimits remember the limits on rows: every run of a query asks for one. The zero
// value is ready.
type rowLimits struct {
	mu       sync.Mutex
	byTenant map[string]rowLimit
}

type rowLimit struct {
	most int64
	read time.Time
}

// MaxRows is how many rows a result may have in a tenant, as it was within the last
// second; negative = as many as there are. It asks for no right. Errors: NotFound.
func (s *Service) MaxRows(ctx context.Context, tenantID string) (int64, error) {
	if l, ok := s.rows.get(tenantID); ok {
		return l.most, nil
	}
	l := rowLimit{read: time.Now()}
	limits, err := s.LimitsOf(ctx, tenantID)
	if err != nil {
		return 0, err
	}
	l.most = limits.Rows
	s.rows.put(tenantID, l)
	return l.most, nil
}

func (r *rowLimits) get(tenantID string) (rowLimit, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.byTenant[tenantID]
	return l, ok && time.Since(l.read) < rowLimitAge
}

func (r *rowLimits) put(tenantID string, l rowLimit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byTenant == nil || len(r.byTenant) >= rowLimitsMax {
		r.byTenant = map[string]rowLimit{}
	}
	r.byTenant[tenantID] = l
}
