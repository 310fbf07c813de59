package tenancy

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Deletion says which tenant is to be deleted.
type Deletion struct {
	Name string // the tenant's name, as a proof that the right one is meant
}

// Delete deletes the caller's tenant with everything in it, for good. It needs
// tenant.delete.
//
// From then on nobody finds the tenant: it is NotFound for its members, keys and
// webhooks, within a second in all processes. What runs in it is cancelled and what
// is open is closed within five seconds. Its rows and files are removed in the
// background, see [Service.Start], a few at a time, by whatever process is there.
//
// The record of what was done in the tenant goes with it. That it was deleted is
// in the record of no tenant, which audit.Log.Platform reads and the sinks get.
//
// Errors: Unauthenticated, Forbidden; Invalid for another name; NotFound for a
// tenant that was deleted.
func (s *Service) Delete(ctx context.Context, in Deletion) error {
	who, err := s.authorizeTenant(ctx, auth.TenantDelete)
	if err != nil {
		return err
	}
	return s.delete(ctx, who.TenantID, func(t Tenant) error {
		var f problem.Faults
		f.Check(in.Name == t.Name, "name", "must be the name of the tenant")
		return f.Err("deletion_invalid", "the deletion is not confirmed")
	})
}

// DeleteFor is [Service.Delete] for the host program: it needs no principal and no
// name. Errors: NotFound.
func (s *Service) DeleteFor(ctx context.Context, tenantID string) error {
	if !id.Valid(tenantID) {
		return problem.Missing("tenant")
	}
	return s.delete(ctx, tenantID, func(Tenant) error { return nil })
}

func (s *Service) delete(ctx context.Context, tenantID string, confirmed func(Tenant) error) error {
	var t Tenant
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		if err := s.lockTenant(ctx, tx, tenantID); err != nil {
			return err
		}
		if t, err = selectTenant(ctx, tx, tenantID); err != nil {
			return err
		}
		if err := confirmed(t); err != nil {
			return err
		}
		if err := s.markDeleted(ctx, tx, tenantID); err != nil {
			return err
		}
		return s.audit(ctx, tx, deletionEntry("tenant.delete", tenantID, map[string]any{"name": t.Name}))
	})
	if err != nil {
		return err
	}
	s.logger.Warn("tenancy: a tenant was deleted, its rows and files are being removed", "tenant", tenantID, "by", actorOf(ctx))
	s.part(tenantID)
	s.hurry()
	return nil
}

// markDeleted also suspends the tenant: whoever looks for what to do next passes
// over both in the same way.
func (s *Service) markDeleted(ctx context.Context, tx bun.IDB, tenantID string) error {
	now := bun.Safe(s.db.Dialect.Now())
	_, err := tx.NewRaw(`UPDATE ?schema.jet_tenant SET deleted_at = ?, suspended_at = coalesce(suspended_at, ?),
		policy_version = policy_version + 1, version = version + 1 WHERE id = ?`, now, now, tenantID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("mark the tenant as deleted: %w", err)
	}
	return nil
}

// deletionEntry is of no tenant, for the record of the tenant is deleted too.
func deletionEntry(action, tenantID string, detail map[string]any) audit.Entry {
	return audit.Entry{Action: action, ObjectType: "tenant", ObjectID: tenantID, Detail: detail}
}

func actorOf(ctx context.Context) string {
	if who := auth.FromContext(ctx); who != nil {
		return who.Actor()
	}
	return "host"
}
