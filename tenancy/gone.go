package tenancy

import "sync"

// gone are the deleted tenants that this process knows of.
type gone struct {
	mu      sync.Mutex
	tenants map[string]bool
}

// maxGone bounds what is remembered: by then those before have long been removed.
const maxGone = 100_000

// add reports whether it is new.
func (g *gone) add(tenantID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tenants[tenantID] {
		return false
	}
	if g.tenants == nil || len(g.tenants) >= maxGone {
		g.tenants = map[string]bool{}
	}
	g.tenants[tenantID] = true
	return true
}

// Gone reports whether this process knows that a tenant was deleted: it learns of
// it within seconds. Who writes rows in the background leaves those of such a tenant
// out. It takes no time.
func (s *Service) Gone(tenantID string) bool {
	s.gone.mu.Lock()
	defer s.gone.mu.Unlock()
	return s.gone.tenants[tenantID]
}

// part closes what this process has open of a deleted tenant.
func (s *Service) part(tenantID string) {
	if s.gone.add(tenantID) {
		s.cfg.Leave(tenantID)
	}
}
