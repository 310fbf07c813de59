package workflow_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// holding runs a test while somebody else's transaction holds the row of a run.
func (b *bundle) holding(t *testing.T, runID string, during func()) {
	t.Helper()
	tx, err := b.db.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	res, err := tx.NewRaw("SELECT id FROM ?schema.jet_run WHERE tenant_id = ? AND id = ? FOR UPDATE", b.tenant, runID).Exec(b.ctx)
	if n, _ := res.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%d rows: %v", n, err)
	}
	during()
}

// Whoever holds the row of a run, for as long as he likes, holds up nothing but
// this run.
func TestARunThatIsHeldHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.Postgres(t), func(c *workflow.Config) { c.Slots = 16 })
	flows := map[string]string{
		"result":  b.publish(t, chain(step("nap", "delay", map[string]any{"duration": "1s"}), step("a", "transform", map[string]any{"value": 1}))),
		"timeout": b.publish(t, with(approving(nil), workflow.Settings{Timeout: workflow.Duration(time.Second)})),
		"expiry":  b.publish(t, approving(map[string]any{"deadline": "1s"})),
	}
	for name, w := range flows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := func() string {
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
				if err != nil {
					t.Fatal(err)
				}
				return r.ID
			}
			held := start()
			b.holding(t, held, func() {
				for _, other := range []string{start(), start(), start()} {
					if d := b.wait(t, other); !d.Status.Final() {
						t.Errorf("another run is %s", d.Status)
					}
				}
				if d, err := b.Run(b.ctx, held); err != nil || d.Status.Final() {
					t.Errorf("the run that is held is %s: %v", d.Status, err)
				}
			})
			if d := b.wait(t, held); !d.Status.Final() {
				t.Errorf("the run that was held is %s", d.Status)
			}
		})
	}
}

// Whom the run of a node replaces is told of it like any other.
func TestARunThatASubWorkflowReplacesIsToldOf(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ended := make(chan workflow.Run, 9)
		began, left := make(chan struct{}, 2), make(chan struct{}, 2)
		b := setup(t, db, func(c *workflow.Config) { c.Hooks.AfterEnd = func(_ context.Context, r workflow.Run) { ended <- r } },
			withNodes(fn("work", func(ctx context.Context, call *workflow.Call) (any, error) {
				if call.Input["quick"] == true {
					return nil, nil
				}
				began <- struct{}{}
				<-ctx.Done()
				left <- struct{}{}
				return nil, ctx.Err()
			})))
		inner := b.publish(t, limited(workflow.Concurrency{Max: 1, Policy: workflow.ConcurrencyCancelOldest}, step("work", "work", nil)))
		oldest, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: inner})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		outer := b.publish(t, chain(step("call", "subWorkflow", map[string]any{"workflowId": inner, "input": map[string]any{"quick": true}})))
		if d := b.run(t, outer, nil); d.Status != workflow.RunSucceeded {
			t.Fatalf("%s: %+v", d.Status, d.Error)
		}
		<-left
		if r := <-ended; r.ID != oldest.ID || r.Status != workflow.RunCancelled {
			t.Errorf("%s of %s was told first", r.Status, r.ID)
		}
	})
}

func TestStartTxReplacesNobody(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		flow := func(p workflow.ConcurrencyPolicy) string {
			return b.publish(t, limited(workflow.Concurrency{Max: 1, Policy: p}))
		}
		w := map[workflow.ConcurrencyPolicy]string{}
		for _, p := range []workflow.ConcurrencyPolicy{workflow.ConcurrencyQueue, workflow.ConcurrencyReject, workflow.ConcurrencyCancelOldest} {
			w[p] = flow(p)
		}
		tx, err := db.DB.DB.BeginTx(b.ctx, &sql.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		for p, id := range w {
			_, err := b.StartTx(b.ctx, tx, workflow.StartParams{WorkflowID: id})
			if p == workflow.ConcurrencyCancelOldest {
				if problem.Of(err).Code != "cancel_oldest_in_tx" || problem.Of(err).Remedy == "" {
					t.Errorf("%s: %v", p, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	})
}

// An event is not delivered for ever to a run that has ended without it.
func TestAWaitThatWasMetEndsWithItsRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("wait", "waitEvent", map[string]any{"event": "paid"})))})
		if err != nil {
			t.Fatal(err)
		}
		waiting := b.waitsOf(t, r.ID, 1)[0]
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		event, err := b.SendEvent(b.ctx, workflow.NewEvent{Name: "paid"})
		if err != nil {
			t.Fatal(err)
		}
		err = db.InTx(b.ctx, func(ctx context.Context, tx bun.IDB) error {
			_, err := tx.NewRaw(`UPDATE ?schema.jet_wait SET state = 'met', closed_at = NULL, event_id = (SELECT id FROM ?schema.jet_event WHERE tenant_id = ? AND event_id = ?)
				WHERE tenant_id = ? AND id = ?`, b.tenant, event.ID, b.tenant, waiting.ID).Exec(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			w, err := b.Waiting(b.ctx, waiting.ID)
			return err == nil && w.Status == workflow.WaitCancelled
		})
	})
}
