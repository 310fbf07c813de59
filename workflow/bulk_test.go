package workflow_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func TestManyRunsAreCancelled(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		nap := chain(step("nap", "delay", map[string]any{"duration": "30d"}))
		w, other := b.publish(t, nap), b.publish(t, nap)
		for range 7 {
			if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w}); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: other})
		if err != nil {
			t.Fatal(err)
		}
		foreign := as(newTenant(t, db), "*")
		if r, err := b.CancelRuns(foreign, workflow.Bulk{WorkflowID: w}); err != nil || r.Done != 0 {
			t.Errorf("T1: a foreign tenant cancels %d, %v", r.Done, err)
		}
		first, err := b.CancelRuns(b.ctx, workflow.Bulk{WorkflowID: w, Limit: 5})
		if err != nil || first.Done != 5 || !first.More {
			t.Fatalf("%+v %v", first, err)
		}
		second, err := b.CancelRuns(b.ctx, workflow.Bulk{WorkflowID: w, Limit: 5, After: first.Last})
		if err != nil || second.Done != 2 || second.More {
			t.Fatalf("%+v %v", second, err)
		}
		for _, r := range b.runsOf(t, w) {
			if r.Status != workflow.RunCancelled {
				t.Errorf("%s is %s", r.ID, r.Status)
			}
		}
		if d, err := b.Run(b.ctx, kept.ID); err != nil || d.Status.Final() {
			t.Errorf("another workflow's run is %s, %v", d.Status, err)
		}
		future := time.Now().Add(time.Hour)
		if r, err := b.CancelRuns(b.ctx, workflow.Bulk{CreatedAfter: &future}); err != nil || r.Done != 0 {
			t.Errorf("runs of the future: %+v %v", r, err)
		}
		if r, err := b.CancelRuns(b.ctx, workflow.Bulk{CreatedBefore: &future}); err != nil || r.Done != 1 {
			t.Errorf("all that is left: %+v %v", r, err)
		}
		if got := recordsOf(b, "run.cancelMany"); len(got) != 3 || got[0].Detail["count"] != 5 {
			t.Errorf("recorded %+v", got)
		}
		for _, bad := range []workflow.Bulk{{}, {Status: workflow.RunFailed}, {WorkflowID: w, Limit: 501}} {
			if _, err := b.CancelRuns(b.ctx, bad); !problem.Is(err, problem.Invalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

func recordsOf(b *bundle, action string) (list []audit.Entry) {
	for _, e := range *b.audits {
		if e.Action == action {
			list = append(list, e)
		}
	}
	return list
}

func TestManyRunsAreRetriedOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		l := newLedger("b")
		b := setup(t, db, withNodes(l.node()))
		w := b.publish(t, chain(step("a", "act", nil), step("b", "act", nil)))
		for range 6 {
			b.run(t, w, nil)
		}
		l.mend()
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				if r, err := b.RetryRuns(b.ctx, workflow.Bulk{WorkflowID: w, Status: workflow.RunFailed}, workflow.VersionSame); err != nil || r.Refused != 0 {
					t.Errorf("%+v %v", r, err)
				}
			})
		}
		calls.Wait()
		repeated := map[string]int{}
		for _, r := range b.runsOf(t, w) {
			if r.RerunOf != "" {
				repeated[r.RerunOf]++
				b.wait(t, r.ID)
			}
		}
		if len(repeated) != 6 || l.counts()["b"] != 6 || l.counts()["a"] != 0 {
			t.Errorf("retried %v, ran %v", repeated, l.counts())
		}
		for run, n := range repeated {
			if n != 1 {
				t.Errorf("%s was retried %d times", run, n)
			}
		}
		if _, err := b.RetryRuns(b.ctx, workflow.Bulk{Status: workflow.RunSucceeded}, ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("what succeeded: %v", err)
		}
	})
}
