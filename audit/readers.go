package audit

import (
	"sync"

	"github.com/jetadmin/jetadmin/problem"
)

// maxReaders is how many go through the whole record of a tenant at a time in a
// process: each holds some thousand events.
const maxReaders = 2

// readers bound those who go through a whole record.
type readers struct {
	mu       sync.Mutex
	byTenant map[string]int
}

// enter counts a reader in, who leaves. RateLimited says that there are too many.
func (r *readers) enter(tenantID string) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byTenant[tenantID] >= maxReaders {
		return nil, problem.Newf(problem.RateLimited, "too_many_readers", "%d exports or checks of the audit record run already", maxReaders).
			Fix("wait for one of them to end")
	}
	if r.byTenant == nil {
		r.byTenant = map[string]int{}
	}
	r.byTenant[tenantID]++
	return func() { r.leave(tenantID) }, nil
}

func (r *readers) leave(tenantID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byTenant[tenantID]--; r.byTenant[tenantID] == 0 {
		delete(r.byTenant, tenantID)
	}
}
