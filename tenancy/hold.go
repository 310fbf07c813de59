package tenancy

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// HoldMember keeps a member one until the end of the transaction tx, which makes
// something that ends with his membership: who would remove him waits. It locks the
// tenant's row and then the member's, like that one, and asks for no right.
//
// Errors: NotFound, as [Service.RolesOf], for who is no member any more.
func (s *Service) HoldMember(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	if err := s.lockTenant(ctx, tx, tenantID); err != nil {
		return err
	}
	err := s.lockMember(ctx, tx, tenantID, userID)
	if problem.Is(err, problem.NotFound) {
		return problem.Missing("tenant").Because(err)
	}
	return err
}
