package workflow

import (
	"cmp"
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Bulk says which runs to cancel or retry. At least one of its conditions must
// be set. Test runs are never among them.
type Bulk struct {
	WorkflowID    string     `json:"workflowId,omitempty" maxLength:"100" doc:"only runs of this workflow"`
	Status        RunStatus  `json:"status,omitempty" enum:"queued,running,waiting,failed,cancelled,timedOut" doc:"only runs in this status; default: every one that can be cancelled, or that failed or timed out"`
	CreatedAfter  *time.Time `json:"createdAfter,omitempty" doc:"only runs created then or later"`
	CreatedBefore *time.Time `json:"createdBefore,omitempty" doc:"only runs created before"`
	After         string     `json:"after,omitempty" maxLength:"100" doc:"go on behind this run: the last of an earlier reply"`
	Limit         int        `json:"limit,omitempty" minimum:"1" maximum:"500" doc:"how many runs to look at; default 100"`
}

// BulkResult counts what was done.
type BulkResult struct {
	Done    int    `json:"done"`
	Refused int    `json:"refused" doc:"runs that could not be retried: their node is gone, say"`
	Last    string `json:"last,omitempty" doc:"the last run that was looked at, for after"`
	More    bool   `json:"more" doc:"there are more such runs: send the same with after"`
}

const (
	defaultBulk = 100
	maxBulk     = 500

	// bulkBatch is how many runs one transaction locks.
	bulkBatch = 50
)

// CancelRuns cancels the runs that a filter names, oldest first, up to its
// limit, of those that the caller may cancel.
func (s *Service) CancelRuns(ctx context.Context, in Bulk) (BulkResult, error) {
	who, visible, err := s.cfg.Visible(ctx, auth.RunCancel, runColumns()...)
	if err != nil {
		return BulkResult{}, err
	}
	open := []RunStatus{RunQueued, RunRunning, RunWaiting}
	return s.bulk(ctx, who, visible, in, open, func(ids []string, result *BulkResult) error {
		return s.cancelMany(ctx, who, ids, result)
	})
}

// RetryRuns retries the runs that a filter names, oldest first, up to its limit,
// as [Service.Retry] does. A run that was run again before, by whatever way, is
// passed over, so that repeating the call retries nothing twice. It retries those
// on which the caller holds run.retry, and needs workflow.execute on their workflows.
func (s *Service) RetryRuns(ctx context.Context, in Bulk, version RerunVersion) (BulkResult, error) {
	who, visible, err := s.cfg.Visible(ctx, auth.RunRetry, runColumns()...)
	if err != nil {
		return BulkResult{}, err
	}
	statuses := []RunStatus{RunFailed, RunTimedOut}
	if in.Status == RunCancelled {
		statuses = append(statuses, RunCancelled)
	}
	return s.bulk(ctx, who, visible, in, statuses, func(ids []string, result *BulkResult) error {
		return s.retryMany(ctx, who, ids, version, result)
	})
}

// bulk walks over the runs that match, a batch at a time.
func (s *Service) bulk(ctx context.Context, who *auth.Principal, visible narrowing, in Bulk, statuses []RunStatus, do func(ids []string, result *BulkResult) error) (BulkResult, error) {
	if err := in.check(statuses); err != nil {
		return BulkResult{}, err
	}
	if in.Status != "" {
		statuses = []RunStatus{in.Status}
	}
	result := BulkResult{Last: in.After}
	for left := cmp.Or(in.Limit, defaultBulk); left > 0; {
		batch := min(left, bulkBatch)
		ids, err := s.matching(ctx, who.TenantID, visible, in, statuses, result.Last, batch+1)
		if err != nil {
			return result, err
		}
		result.More = len(ids) > batch
		ids = ids[:min(batch, len(ids))]
		if len(ids) == 0 {
			break
		}
		if err := do(ids, &result); err != nil {
			return result, err
		}
		result.Last, left = ids[len(ids)-1], left-len(ids)
		if !result.More {
			break
		}
	}
	return result, nil
}

func (in *Bulk) check(statuses []RunStatus) error {
	var f problem.Faults
	f.Check(in.WorkflowID != "" || in.Status != "" || in.CreatedAfter != nil || in.CreatedBefore != nil, "", "name at least one condition")
	ok := in.Status == ""
	for _, s := range statuses {
		ok = ok || s == in.Status
	}
	f.Check(ok, "status", "is not one to which this can be done")
	f.Check(in.Limit >= 0 && in.Limit <= maxBulk, "limit", "must be between 1 and 500")
	return f.Err("bulk_invalid", "the filter is not valid")
}

func (s *Service) matching(ctx context.Context, tenantID string, visible narrowing, in Bulk, statuses []RunStatus, after string, limit int) (ids []string, err error) {
	q := s.cfg.DB.NewSelect().Model((*runRow)(nil)).Column("id").Where("tenant_id = ?", tenantID).
		Where("status IN (?)", bun.List(statuses)).Where("test = ?", false).
		Where("parent_run_id IS NULL").Apply(visible)
	if in.WorkflowID != "" {
		q = q.Where("workflow_id = ?", in.WorkflowID)
	}
	if in.CreatedAfter != nil {
		q = q.Where("created_at >= ?", in.CreatedAfter.UTC())
	}
	if in.CreatedBefore != nil {
		q = q.Where("created_at < ?", in.CreatedBefore.UTC())
	}
	if after != "" {
		q = q.Where("id > ?", after)
	}
	if err = q.OrderExpr("id").Limit(int64(limit)).Scan(ctx, &ids); store.IsMissing(err) {
		err = nil // an id that is none names no run
	}
	return ids, err
}

// cancelMany cancels a batch in one transaction. Rows are locked in the order of
// their ids, as everywhere.
func (s *Service) cancelMany(ctx context.Context, who *auth.Principal, ids []string, result *BulkResult) error {
	type end struct {
		run   *runRow
		nodes []nodeRow
	}
	var ends []end
	err := s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		ends = nil
		var rows []runRow
		err := tx.NewSelect().Model(&rows).Where("tenant_id = ?", who.TenantID).Where("id IN (?)", bun.List(ids)).
			OrderExpr("id").Apply(s.cfg.DB.Dialect.Lock).Scan(ctx)
		if err != nil {
			return err
		}
		var cancelled []string
		for i := range rows {
			if rows[i].Status.Final() {
				continue // it ended meanwhile
			}
			nodes, err := s.terminate(ctx, tx, &rows[i], RunCancelled, nil)
			if err != nil {
				return err
			}
			ends, cancelled = append(ends, end{&rows[i], nodes}), append(cancelled, rows[i].ID)
		}
		if len(cancelled) == 0 {
			return nil
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: "run.cancelMany", ObjectType: "run", Detail: map[string]any{"count": len(cancelled), "runs": cancelled},
		})
	})
	if err != nil {
		return err
	}
	for _, e := range ends {
		s.engine.terminated(ctx, e.run, e.nodes, nil)
	}
	result.Done += len(ends)
	return nil
}

// retryMany retries a batch, each run in a transaction of its own.
func (s *Service) retryMany(ctx context.Context, who *auth.Principal, ids []string, version RerunVersion, result *BulkResult) error {
	var repeated []string
	err := s.cfg.DB.NewSelect().Model((*runRow)(nil)).Column("rerun_of").Where("tenant_id = ?", who.TenantID).
		Where("rerun_of IN (?)", bun.List(ids)).Scan(ctx, &repeated)
	if err != nil {
		return err
	}
	before := make(map[string]bool, len(repeated))
	for _, id := range repeated {
		before[id] = true
	}
	var retried []string
	for _, id := range ids {
		if before[id] {
			continue
		}
		_, existing, err := s.rerun(ctx, rerunParams{runID: id, version: version, key: "retry/" + id, choose: chooseFailed})
		switch {
		case err == nil && !existing:
			retried = append(retried, id)
		case err == nil:
		case problem.Is(err, problem.Conflict), problem.Is(err, problem.NotFound), problem.Is(err, problem.Invalid), problem.Is(err, problem.Forbidden):
			result.Refused++
		default:
			return err
		}
	}
	result.Done += len(retried)
	if len(retried) == 0 {
		return nil
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: "run.retryMany", ObjectType: "run", Detail: map[string]any{"count": len(retried), "runs": retried},
		})
	})
}
