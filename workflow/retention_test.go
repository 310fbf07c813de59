package workflow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func TestRunsAreKeptAsLongAsTheTenantSays(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ahead atomic.Int64 // days
		say := fn("say", func(_ context.Context, call *workflow.Call) (any, error) {
			call.Logger.Info("said")
			return nil, nil
		})
		b := setup(t, db, withNodes(say), func(c *workflow.Config) {
			c.Clock = func() time.Time { return clock.Clock(nil).Now().Add(time.Duration(ahead.Load()) * 24 * time.Hour) }
		})
		done := chain(step("a", "say", nil))
		w := b.publish(t, done)
		nap := b.publish(t, chain(step("nap", "delay", map[string]any{"duration": "300d"})))
		for range 250 {
			if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w}); err != nil {
				t.Fatal(err)
			}
		}
		first, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: "order-1"})
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: nap})
		if err != nil {
			t.Fatal(err)
		}
		test, err := b.Test(b.ctx, workflow.TestParams{Graph: done})
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, test.ID)
		for _, r := range b.runsOf(t, w) {
			b.wait(t, r.ID)
		}
		if s, err := b.RunSettings(b.ctx); err != nil || s.RetentionDays != 30 || s.Version != 0 {
			t.Errorf("%+v %v", s, err)
		}
		eventually(t, func() bool { return count(t, b, "jet_run_log") == 252 })
		ahead.Store(29)
		forget(t, b)
		if n := count(t, b, "jet_run"); n != 253 {
			t.Errorf("%d runs after 29 days", n)
		}
		if s, err := b.UpdateRunSettings(b.ctx, workflow.RunSettingsUpdate{RetentionDays: 60}); err != nil || s.Version != 1 {
			t.Errorf("%+v %v", s, err)
		}
		ahead.Store(31)
		forget(t, b)
		if n := count(t, b, "jet_run"); n != 253 {
			t.Errorf("%d runs after 31 of 60 days", n)
		}
		ahead.Store(61)
		forget(t, b)
		for table, want := range map[string]int{"jet_run": 1, "jet_run_data": 1, "jet_run_output": 1, "jet_run_log": 0, "jet_workflow": 2, "jet_workflow_version": 2} {
			if n := count(t, b, table); n != want {
				t.Errorf("%s has %d rows, want %d", table, n, want)
			}
		}
		if d, err := b.Run(b.ctx, waiting.ID); err != nil || d.Status.Final() {
			t.Errorf("the run that has not ended: %s %v", d.Status, err)
		}
		if _, err := b.Run(b.ctx, first.ID); !problem.Is(err, problem.NotFound) {
			t.Errorf("an old run: %v", err)
		}
		// Its key is forgotten with it.
		if again, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: "order-1"}); err != nil || again.ID == first.ID {
			t.Errorf("%s %v", again.ID, err)
		} else {
			b.wait(t, again.ID)
		}
		if _, err := b.UpdateRunSettings(b.ctx, workflow.RunSettingsUpdate{RetentionDays: 7, Version: 9}); !problem.Is(err, problem.Stale) {
			t.Errorf("a stale change: %v", err)
		}
		if _, err := b.UpdateRunSettings(b.ctx, workflow.RunSettingsUpdate{RetentionDays: 0}); !problem.Is(err, problem.Invalid) {
			t.Errorf("no days: %v", err)
		}
	})
}

func forget(t *testing.T, b *bundle) {
	t.Helper()
	if err := b.ForgetRuns(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, b *bundle, table string) (n int) {
	t.Helper()
	if err := b.db.NewRaw("SELECT count(*) FROM ?schema."+table+" WHERE tenant_id = ?", b.tenant).Scan(b.ctx, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADutyIsDoneByOneProcess(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var took atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			b := newBundle(t, db)
			all.Go(func() {
				mine, err := b.Assume(context.Background(), "test", time.Hour)
				if err != nil {
					t.Error(err)
				}
				if mine {
					took.Add(1)
				}
			})
		}
		all.Wait()
		if took.Load() != 1 {
			t.Errorf("%d processes took it", took.Load())
		}
		b := newBundle(t, db)
		if _, err := b.Assume(context.Background(), "short", time.Millisecond); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			mine, err := b.Assume(context.Background(), "short", time.Millisecond)
			return err == nil && mine
		})
	})
}
