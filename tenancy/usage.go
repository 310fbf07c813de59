package tenancy

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
)

// Use is how much of a resource a tenant has, and may have.
type Use struct {
	Used  int64  `json:"used"`
	Limit *int64 `json:"limit"` // nil = there is none
}

// Usage lists what the caller's tenant has of everything that is limited. It needs
// tenant.read. Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Usage(ctx context.Context) (map[Resource]Use, error) {
	who, err := s.authorizeTenant(ctx, auth.TenantRead)
	if err != nil {
		return nil, err
	}
	limits, err := s.LimitsOf(ctx, who.TenantID)
	if err != nil {
		return nil, err
	}
	usage := map[Resource]Use{}
	for _, r := range Resources() {
		u := Use{}
		if limit := limits.Of(r); limit >= 0 {
			u.Limit = &limit
		}
		if u.Used, err = s.used(ctx, s.db.DB, who.TenantID, r); err != nil {
			return nil, err
		}
		usage[r] = u
	}
	return usage, nil
}
