package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

const (
	// eraseLease is for how long one process of all removes what deleted tenants
	// have left. It ends before another may begin; the next one goes on where it was.
	eraseLease = 20 * time.Second

	// A transaction removes so many rows of a table, or runs with all that belongs to
	// them; between two of them others get their turn.
	eraseBatch = 1000
	eraseRuns  = 100
	erasePause = 20 * time.Millisecond

	// eraseSettle is how long after the deletion the tenant's row goes at the
	// earliest: every process knows by then that nothing is to be written any more.
	eraseSettle = 15 * time.Second

	// eraseTenants is how many deleted tenants are looked at in one round.
	eraseTenants = 1000
)

// erased are the tables that are emptied, in an order in which nothing refers to
// what is removed. What has a reference to them that cascades goes with them.
func erased() []string {
	return []string{
		"jet_run", "jet_run_log", "jet_event", "jet_schedule", "jet_webhook", "jet_run_slot", "jet_run_settings", "jet_workflow_version", "jet_workflow",
		"jet_execution", "jet_query", "jet_datasource", "jet_file", "jet_idempotency", "jet_invitation", "jet_api_key", "jet_member", "jet_role",
		"jet_audit", "jet_audit_head",
	}
}

// eraseAll removes what the deleted tenants have left, if it is this process' turn.
// One that fails does not keep the others.
func (s *Service) eraseAll(ctx context.Context, tenants []string) error {
	mine, err := s.db.Assume(ctx, "erase tenants", eraseLease)
	if err != nil || !mine {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, eraseLease*9/10)
	defer cancel()
	var failed []error
	for _, tenantID := range tenants {
		if err := s.erase(ctx, tenantID); err != nil {
			failed = append(failed, fmt.Errorf("tenant %s: %w", tenantID, err))
		}
		if ctx.Err() != nil {
			return nil // the next round goes on
		}
	}
	return errors.Join(failed...)
}

// erase can be ended anywhere and begun again. What runs goes first.
func (s *Service) erase(ctx context.Context, tenantID string) error {
	if err := s.eraseRuns(ctx, tenantID); err != nil {
		return err
	}
	if err := s.forgetObjects(ctx, tenantID); err != nil {
		return err
	}
	if err := s.cfg.Erase(ctx, tenantID); err != nil {
		return err
	}
	for removed := int64(1); removed > 0; { // until nothing comes any more from what was still running
		removed = 0
		for _, table := range erased() {
			n, err := s.eraseTable(ctx, table, tenantID)
			if err != nil {
				return fmt.Errorf("empty %s: %w", table, err)
			}
			removed += n
		}
	}
	if err := s.cfg.Forget(ctx, []string{"tenant:" + tenantID, "monitor:" + tenantID}); err != nil {
		return err
	}
	return s.eraseTenant(ctx, tenantID)
}

// noID comes before every id.
const noID = "00000000-0000-0000-0000-000000000000"

// forgetObjects drops the histories of live events of what has topics of its own, while
// it is known what there was.
func (s *Service) forgetObjects(ctx context.Context, tenantID string) error {
	for kind, table := range map[string]string{"workflow": "jet_workflow", "datasource": "jet_datasource"} {
		for after := noID; ; {
			var ids []string
			err := s.db.NewRaw("SELECT id FROM ?schema."+table+" WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?", tenantID, after, eraseBatch).Scan(ctx, &ids)
			if err != nil {
				return fmt.Errorf("read the ids of %s: %w", table, err)
			}
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
			topics := make([]string, len(ids))
			for i, id := range ids {
				topics[i] = kind + ":" + id
			}
			if err := s.cfg.Forget(ctx, topics); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) eraseTable(ctx context.Context, table, tenantID string) (removed int64, err error) {
	some := bun.SafeQuery(s.db.Dialect.Some("?schema."+table, "tenant_id = ?"), tenantID, eraseBatch)
	for {
		var n int64
		err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
			n, err = store.Changed(tx.NewRaw("DELETE FROM ?schema."+table+" WHERE tenant_id = ? AND ?", tenantID, some).Exec(ctx))
			return err
		})
		if removed += n; err != nil || n < eraseBatch {
			return removed, err
		}
		if err := pause(ctx, erasePause); err != nil {
			return removed, err
		}
	}
}

// eraseRuns removes the runs of which a node is running, so that its process finds
// that nobody wants it any more, and then all others, each with its history of live
// events.
func (s *Service) eraseRuns(ctx context.Context, tenantID string) error {
	running := "SELECT run_id FROM ?schema.jet_run_node WHERE tenant_id = ? AND status = 'running' LIMIT ?"
	all := "SELECT id FROM ?schema.jet_run WHERE tenant_id = ? ORDER BY id LIMIT ?"
	for _, which := range []string{running, all} {
		for {
			gone, err := s.eraseRunBatch(ctx, tenantID, which)
			if err != nil {
				return fmt.Errorf("delete the runs: %w", err)
			}
			if gone == 0 {
				break
			}
			if err := pause(ctx, erasePause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) eraseRunBatch(ctx context.Context, tenantID, which string) (int, error) {
	var gone []string
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		gone = nil
		err := tx.NewRaw("DELETE FROM ?schema.jet_run WHERE tenant_id = ? AND id IN ("+which+") RETURNING id", tenantID, tenantID, eraseRuns).Scan(ctx, &gone)
		if err != nil || len(gone) == 0 {
			return err
		}
		// Lines do not refer to their runs.
		_, err = tx.NewRaw("DELETE FROM ?schema.jet_run_log WHERE tenant_id = ? AND run_id IN (?)", tenantID, bun.List(gone)).Exec(ctx)
		return err
	})
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	topics := make([]string, len(gone))
	for i, runID := range gone {
		topics[i] = "run:" + runID
	}
	return len(gone), s.cfg.Forget(ctx, topics)
}

// eraseTenant removes the row of a tenant that has nothing else any more. Who
// refers to it waits for its lock, and finds it gone.
func (s *Service) eraseTenant(ctx context.Context, tenantID string) error {
	var n int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		n, err = store.Changed(tx.NewRaw("DELETE FROM ?schema.jet_tenant WHERE id = ? AND deleted_at <= (SELECT "+s.db.Dialect.After()+")",
			tenantID, -eraseSettle.Milliseconds()).Exec(ctx))
		if err != nil || n == 0 {
			return err
		}
		return s.audit(ctx, tx, deletionEntry("tenant.erase", tenantID, nil))
	})
	if err == nil && n > 0 {
		s.logger.Info("tenancy: nothing is left of a deleted tenant", "tenant", tenantID)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
