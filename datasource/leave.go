package datasource

import "math"

// Leave ends what this process does for a tenant that was deleted: it stops what
// runs, closes what is open and forgets what it keeps. It is for who deletes tenants,
// and asks for no right.
func (s *Service) Leave(tenantID string) {
	s.history.stopAll(tenantID)
	s.plans.drop(func(p *plan) bool { return p.ds.TenantID == tenantID })
	s.results.drop(func(c *cached) bool { return c.tenant == tenantID })
	s.schemas.drop(func(k *keptSchema) bool { return k.tenant == tenantID })
	for _, id := range s.pools.of(tenantID) {
		s.pools.drop(id, math.MaxInt) // its id never comes back
		s.breakers.drop(id)
	}
}
