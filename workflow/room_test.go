package workflow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// Of many starts at once as many get in as there is room for, and they are counted
// together. A transaction of the host waits for nobody who counts.
func TestStartsTakeRoom(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		var counts atomic.Int32
		var room atomic.Int64
		held, counting := make(chan struct{}), make(chan struct{})
		b := setup(t, db, queue, func(c *workflow.Config) {
			c.RoomForRuns = func(_ context.Context, on bun.IDB, _ string) (int64, int64, error) {
				left := room.Load()
				if on == bun.IDB(db.DB) && counts.Add(1) == 1 {
					close(counting)
					<-held
				}
				return left, 7, nil
			}
		})
		room.Store(5)
		flow := b.publish(t, chain(step("wait", "waitEvent", map[string]any{"event": "paid"})))
		var all sync.WaitGroup
		var in, out atomic.Int32
		for range 20 {
			all.Go(func() {
				_, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: flow})
				switch e := problem.Of(err); {
				case err == nil:
					in.Add(1)
				case e.Kind == problem.RateLimited && e.Code == "limit_runsInFlight" && e.RetryAfter > 0 && e.Remedy != "":
					out.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		<-counting
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.StartTx(b.ctx, tx.Tx, workflow.StartParams{WorkflowID: flow})
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			t.Error(err)
		}
		room.Store(0) // for who counts again, when this takes so long
		close(held)
		all.Wait()
		if n := in.Load(); n != 5 || n+out.Load() != 20 {
			t.Errorf("%d got in, %d did not", n, out.Load())
		}
	})
}
