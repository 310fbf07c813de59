package workflow_test

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// sleepers makes many nodes wait whose time has come, in runs that are copies of
// one that sleeps.
func (b *bundle) sleepers(t *testing.T, n int) {
	t.Helper()
	r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("sleep", "delay", map[string]any{"duration": "1h"})))})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		d, err := b.Run(b.ctx, r.ID)
		return err == nil && d.Status == workflow.RunWaiting
	})
	run, node := "md5(r.id || '/' || i)::uuid", "md5(n.id || '/' || i)::uuid"
	if b.db.Dialect == store.SQLite {
		run, node = "r.id || '/' || i", "n.id || '/' || i"
	}
	const numbers = "(WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) SELECT i FROM c) AS numbers"
	for _, statement := range []string{
		`INSERT INTO ?schema.jet_run (id, tenant_id, workflow_id, workflow_version, status, trigger, started_by, on_behalf_of, open_nodes, waiting_nodes, created_at, started_at)
			SELECT ` + run + `, tenant_id, workflow_id, workflow_version, status, trigger, started_by, on_behalf_of, 1, 1, created_at, started_at
			FROM ?schema.jet_run AS r /* across tenants: timers */, ` + numbers + ` WHERE r.id = ?`,
		`INSERT INTO ?schema.jet_run_data (run_id, tenant_id, input) SELECT ` + run + `, r.tenant_id, input
			FROM ?schema.jet_run AS r /* across tenants: timers */ JOIN ?schema.jet_run_data AS d ON d.run_id = r.id, ` + numbers + ` WHERE r.id = ?`,
		`INSERT INTO ?schema.jet_run_node (id, tenant_id, run_id, key, status, edges_decided, edges_taken, attempt, losses, ready_at, wake_at)
			SELECT ` + node + `, r.tenant_id, ` + run + `, key, n.status, 1, 1, 1, 0, n.ready_at, n.ready_at
			FROM ?schema.jet_run AS r /* across tenants: timers */ JOIN ?schema.jet_run_node AS n ON n.run_id = r.id AND n.key = 'sleep', ` + numbers + ` WHERE r.id = ?`,
	} {
		if _, err := b.db.NewRaw(statement, n, r.ID).Exec(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// waiting counts the nodes that wait.
func (b *bundle) waiting(t *testing.T) (n int) {
	t.Helper()
	err := b.db.NewRaw("SELECT count(*) FROM ?schema.jet_run_node /* across tenants: count */ WHERE status = 'waiting'").Scan(context.Background(), &n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Ten thousand timers are due at once. A run that nobody was told of, and one whose
// process died, end long before the last timer is served, and all are.
func TestABurstOfTimersDelaysNothingElse(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withLease(time.Second))
		const timers = 10_000
		in := workflow.StartParams{WorkflowID: b.publish(t, chain())}
		b.sleepers(t, timers)
		var untold, lost workflow.Run
		err := db.InTx(b.ctx, func(ctx context.Context, tx bun.IDB) (err error) {
			host := tx.(bun.Tx).Tx
			if untold, err = b.StartTx(ctx, host, in); err != nil {
				return err
			}
			if lost, err = b.StartTx(ctx, host, in); err != nil {
				return err
			}
			_, err = tx.NewRaw(`UPDATE ?schema.jet_run_node SET status = 'running', attempt = 1, token = ?, worker_id = ?
				WHERE tenant_id = ? AND run_id = ? AND status = 'ready'`, id.New(), id.New(), b.tenant, lost.ID).Exec(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, r := range []workflow.Run{untold, lost} {
			if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded {
				t.Errorf("status %s", d.Status)
			}
			// The lease alone takes a second, in which a fast machine is through with most timers.
			if b.waiting(t) < timers/10 && time.Since(began) > 4*time.Second {
				t.Error("the run came after the timers")
			}
		}
		for left := timers; left > 1; { // the run that was copied
			eventually(t, func() bool { return b.waiting(t) <= max(left/2, 1) })
			left = b.waiting(t)
		}
	})
}
