package workflow

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
)

// A run that is held begins when another of its slot ends. The process that ended
// that one admits it at once. The row of the slot says when to look at it in any
// case, for as long as a run is held, so that a crash in between costs seconds.

// maxFreed is how many slots are remembered. A process without an engine, which
// looks at none, would else remember them all; others find those beyond.
const maxFreed = 1000

// freed are the slots in which this process has ended a run.
type freed struct {
	mu    sync.Mutex
	slots map[runSlot]bool
}

func (f *freed) add(s runSlot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slots == nil {
		f.slots = make(map[runSlot]bool)
	}
	if len(f.slots) < maxFreed {
		f.slots[s] = true
	}
}

func (f *freed) take() []runSlot {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.SortedFunc(maps.Keys(f.slots), compareSlots)
	clear(f.slots)
	return list
}

// admitAll admits what there is room for, in the slots that were freed here and
// in those that are due for a look.
func (e *engine) admitAll(ctx context.Context) error {
	for _, s := range e.aftermath.freed.take() {
		if err := e.contain("admission", func() error { return e.admit(ctx, s) }); err != nil {
			e.s.cfg.Logger.Warn("workflow engine: admit a run", "workflow", s.workflowID, "error", err)
		}
	}
	var due []struct{ TenantID, WorkflowID, Key string }
	err := e.s.cfg.DB.NewRaw(`SELECT tenant_id, workflow_id, key FROM ?schema.jet_run_slot /* across tenants: runs that are held */
		WHERE look_at <= (SELECT ?) ORDER BY look_at LIMIT ? ?`,
		bun.Safe(e.s.cfg.DB.Dialect.Now()), aftermathBatch, bun.Safe(e.s.cfg.DB.Dialect.SkipLocked())).Scan(ctx, &due)
	if err != nil {
		return err
	}
	for _, d := range due {
		s := runSlot{d.TenantID, d.WorkflowID, d.Key}
		if err := e.contain("admission", func() error { return e.admit(ctx, s) }); err != nil {
			e.s.cfg.Logger.Warn("workflow engine: admit a run", "workflow", s.workflowID, "error", err)
			inTenant := auth.NewContext(ctx, auth.ServicePrincipal(s.tenantID, "run"))
			if err := lookAtSlot(inTenant, e.s.cfg.DB.DB, s, time.Now().Add(postponement)); err != nil {
				return err // others must not wait for one that cannot be admitted here
			}
		}
	}
	return nil
}

// admit lets the runs that are held longest begin, as many as there is room for.
func (e *engine) admit(ctx context.Context, s runSlot) error {
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, auth.ServicePrincipal(s.tenantID, "run")), lookTimeout)
	defer cancel()
	var ready []*nodeRow
	err := e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		ready = nil
		var most int
		err := tx.NewRaw(`UPDATE ?schema.jet_run_slot SET look_at = `+e.s.cfg.DB.Dialect.After()+`
			WHERE tenant_id = ? AND workflow_id = ? AND key = ? RETURNING most`,
			slotPatience.Milliseconds(), s.tenantID, s.workflowID, s.key).Scan(ctx, &most)
		if store.IsMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		admitted, err := inSlot(ctx, tx, s, false, most)
		if err != nil {
			return err
		}
		room := most - len(admitted)
		held, err := inSlot(ctx, tx, s, true, room+1)
		if err != nil {
			return err
		}
		for i := range held[:min(room, len(held))] {
			nodes, err := e.release(ctx, tx, &held[i])
			if err != nil {
				return err
			}
			ready = append(ready, nodes...)
		}
		if len(held) > room {
			return nil // the look stays
		}
		return leaveSlot(ctx, tx, s, len(admitted)+len(held) == 0)
	})
	if err != nil {
		return err
	}
	for _, n := range ready {
		e.s.events.node(ctx, n, "", nil, nil)
	}
	e.dispatch(Hint{s.tenantID, len(ready)})
	return nil
}

// release lets a held run begin. Which of its nodes are ready follows from the
// edges that were decided when it was stored.
func (e *engine) release(ctx context.Context, tx bun.IDB, run *runRow) ([]*nodeRow, error) {
	p, err := e.s.planOf(ctx, tx, run.TenantID, run.WorkflowID, run.WorkflowVersion)
	if err != nil {
		return nil, err
	}
	now := e.s.cfg.Clock.Now()
	run.begin(p.graph.settings(), now)
	n, err := store.Changed(tx.NewUpdate().Model(run).Set("held = ?", false).Set("deadline_at = ?", run.DeadlineAt).Set("look_at = ?", run.LookAt).
		Where("id = ?", run.ID).Where("tenant_id = ?", run.TenantID).Where("held = ?", true).Where("finished_at IS NULL").Exec(ctx))
	if err != nil || n == 0 {
		return nil, err // cancelled meanwhile
	}
	var rows []*nodeRow
	err = tx.NewSelect().Model(&rows).Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Where("status = ?", NodePending).OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	var ready []*nodeRow
	for _, row := range rows {
		state := nodeState{Status: NodePending, Decided: row.EdgesDecided, Taken: row.EdgesTaken}
		if state.Status = p.nodes[row.Key].decide(state); state.Status == NodeReady {
			row.enter(state, now)
			ids, ready = append(ids, row.ID), append(ready, row)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	_, err = tx.NewUpdate().Model((*nodeRow)(nil)).Set("status = ?", NodeReady).Set("ready_at = ?", now).
		Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return ready, err
}

// lookAtSlot makes the slot be looked at, for a run is held now.
func lookAtSlot(ctx context.Context, db bun.IDB, s runSlot, at time.Time) error {
	_, err := db.NewRaw(`UPDATE ?schema.jet_run_slot SET look_at = ? WHERE tenant_id = ? AND workflow_id = ? AND key = ?`,
		at.UTC(), s.tenantID, s.workflowID, s.key).Exec(ctx)
	return err
}

// leaveSlot needs no look any more, and no row when the slot is empty.
func leaveSlot(ctx context.Context, tx bun.IDB, s runSlot, empty bool) error {
	statement := "UPDATE ?schema.jet_run_slot SET look_at = NULL WHERE tenant_id = ? AND workflow_id = ? AND key = ?"
	if empty {
		statement = "DELETE FROM ?schema.jet_run_slot WHERE tenant_id = ? AND workflow_id = ? AND key = ?"
	}
	_, err := tx.NewRaw(statement, s.tenantID, s.workflowID, s.key).Exec(ctx)
	return err
}
