package workflow_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/workflow"
)

// A process asks one statement what is due, however much is waiting or has ended;
// and the answer names what is.
func TestAnIdleProcessAsksOnce(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
		var asked atomic.Int32
		b := newBundle(t, open(&line{refuse: func(string) bool {
			asked.Add(1)
			return false
		}}))
		due := func() []string {
			t.Helper()
			before := asked.Load()
			names, err := b.Due(context.Background())
			if n := asked.Load() - before; err != nil || n != 1 {
				t.Errorf("%d statements, %v", n, err)
			}
			return names
		}
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.run(t, b.publish(t, chain(step("a", "transform", map[string]any{"value": 1}))), nil)
		sleeper, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("sleep", "delay", map[string]any{"duration": "1h"})))})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			d, err := b.Run(b.ctx, sleeper.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		if err := b.StopEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		if names := due(); len(names) > 0 {
			t.Errorf("due are %q", names)
		}
		_, err = b.db.NewRaw("UPDATE ?schema.jet_run_node SET wake_at = ready_at WHERE tenant_id = ? AND status = 'waiting'", b.tenant).Exec(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: sleeper.WorkflowID}); err != nil {
			t.Fatal(err)
		}
		if names := due(); !slices.Equal(names, []string{"timers", "ready nodes"}) {
			t.Errorf("due are %q", names)
		}
	})
}
