package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Suspend keeps everybody from doing anything in a tenant, until [Service.Resume].
// Its data stays. It is for the host program, needs no principal, and checks no
// permission. Suspending twice is suspending once. Errors: NotFound.
//
// Within a second, in all processes: requests of its members and of its API keys
// are Forbidden ("tenant_suspended"), subscriptions of live events end, no schedule
// starts a run, a delivery to a webhook is Forbidden, and no node of a run begins.
// An attempt at a node that is under way comes to its end, and its result is
// stored: what it does elsewhere cannot be undone. Time goes on: delays elapse and
// deadlines pass, and what they make ready waits.
func (s *Service) Suspend(ctx context.Context, tenantID string) (Tenant, error) {
	return s.setSuspended(ctx, tenantID, true)
}

// Resume ends what [Service.Suspend] began: runs go on where they stopped, and
// schedules do what they say of times that were missed. It is for the host program
// like Suspend. Resuming a tenant that is not suspended changes nothing. Errors:
// NotFound.
func (s *Service) Resume(ctx context.Context, tenantID string) (Tenant, error) {
	return s.setSuspended(ctx, tenantID, false)
}

func (s *Service) setSuspended(ctx context.Context, tenantID string, suspended bool) (t Tenant, err error) {
	if !id.Valid(tenantID) { // which PostgreSQL would not compare with one
		return Tenant{}, problem.Missing("tenant")
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, tenantID); err != nil {
			return err
		}
		if t, err = selectTenant(ctx, tx, tenantID); err != nil || suspended == (t.SuspendedAt != nil) {
			return err
		}
		action, now := "tenant.resume", s.clock.Now()
		t.SuspendedAt = nil
		if suspended {
			action, t.SuspendedAt = "tenant.suspend", &now
		}
		t.UpdatedAt, t.Version = now, t.Version+1
		if err := storeSuspended(ctx, tx, t); err != nil {
			return err
		}
		return s.audit(ctx, tx, tenantEntry(t.ID, action, nil, nil))
	})
	return t, err
}

func storeSuspended(ctx context.Context, tx bun.IDB, t Tenant) error {
	var since time.Time
	if t.SuspendedAt != nil {
		since = *t.SuspendedAt
	}
	row := &tenantRow{ID: t.ID, SuspendedAt: since, UpdatedAt: t.UpdatedAt, Version: t.Version}
	if _, err := tx.NewUpdate().Model(row).Column("suspended_at", "updated_at", "version").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("write the tenant: %w", err)
	}
	return nil
}
