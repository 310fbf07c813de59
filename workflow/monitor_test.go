package workflow_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func (b *bundle) monitor(t *testing.T) workflow.Monitor {
	t.Helper()
	m, err := b.Monitor(as(b.tenant, "monitor.read"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMonitorCountsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		goOn := make(chan struct{})
		b := setup(t, db, logging(func(call *workflow.Call) error {
			if call.Key == "retried" {
				return problem.New(problem.Unavailable, "later", "later")
			}
			<-goOn
			return nil
		}), func(cfg *workflow.Config) { cfg.Slots, cfg.WorkerName = 2, "one of us" })
		idle := b.monitor(t)
		if len(idle.Workers) != 1 || idle.Workers[0].Slots != 2 || idle.Workers[0].Name != "one of us" || !idle.Workers[0].Alive || idle.Workers[0].InFlight != 0 {
			t.Errorf("the processes are %s", encoded(idle.Workers))
		}
		if idle.Runs != (workflow.MonitorRuns{}) || idle.Nodes != (workflow.MonitorNodes{}) || idle.Oldest != (workflow.MonitorOldest{}) || idle.Rates != (workflow.MonitorRates{}) {
			t.Errorf("an idle engine is %s", encoded(idle))
		}

		retried := step("retried", "logging", nil)
		hour := workflow.Duration(time.Hour)
		retried.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: hour, MaxDelay: hour}}
		waits := b.publish(t, workflow.Graph{
			Nodes: []workflow.GraphNode{step("start", "start", nil), retried, step("delay", "delay", map[string]any{"duration": "1h"})},
			Edges: []workflow.Edge{edge("start", "retried"), edge("start", "delay")},
		})
		blocks := b.publish(t, chain(step("blocked", "logging", nil)))
		start := func(flow string) string {
			run, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: flow})
			if err != nil {
				t.Fatal(err)
			}
			return run.ID
		}
		start(waits)
		eventually(t, func() bool { m := b.monitor(t); return m.Nodes.Delayed == 1 && m.Nodes.Waiting == 1 })
		var last string
		for range 5 {
			last = start(blocks)
		}
		var m workflow.Monitor
		eventually(t, func() bool { m = b.monitor(t); return m.Nodes.Running == 2 && m.Nodes.Ready == 3 })
		if m.Workers[0].InFlight != 2 || m.AtLeast || m.Oldest.ReadyMS == nil || m.Oldest.TimerMS != nil || m.Oldest.LeaseMS != nil {
			t.Errorf("the engine is %s", encoded(m))
		}
		if open := m.Runs.Queued + m.Runs.Running + m.Runs.Waiting; open != 6 {
			t.Errorf("%d runs are open: %s", open, encoded(m.Runs))
		}
		if m.Rates.RunsStarted == 0 || m.Rates.NodesFinished == 0 {
			t.Errorf("the rates are %s", encoded(m.Rates))
		}
		close(goOn)
		b.wait(t, last)
		eventually(t, func() bool {
			m = b.monitor(t)
			return m.Nodes.Running == 0 && m.Nodes.Ready == 0 && m.Rates.RunsFinished > 0
		})
	})
}

// What a dead process leaves behind shows until another takes it over.
func TestMonitorShowsALeaseThatRanOut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		running, goOn := make(chan struct{}), make(chan struct{})
		b := newBundle(t, db, logging(func(*workflow.Call) error { close(running); <-goOn; return nil }),
			func(cfg *workflow.Config) { cfg.Lease = 5 * time.Second })
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		release := sync.OnceFunc(func() { close(goOn) })
		t.Cleanup(func() {
			release()
			b.Abandon()
		})
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("a", "logging", nil)))}); err != nil {
			t.Fatal(err)
		}
		<-running
		abandoned := make(chan struct{})
		go func() { defer close(abandoned); b.Abandon() }()
		eventually(t, func() bool {
			m := b.monitor(t)
			return len(m.Workers) == 1 && !m.Workers[0].Alive && m.Workers[0].InFlight == 1 && m.Oldest.LeaseMS != nil
		})
		release()
		<-abandoned
	})
}

// T1: what a process does for one tenant is not another's business.
func TestMonitorStaysInItsTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		goOn := make(chan struct{})
		b := setup(t, db, logging(func(*workflow.Call) error { <-goOn; return nil }))
		defer close(goOn)
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("a", "logging", nil)))}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return b.monitor(t).Nodes.Running == 1 })
		other, err := b.Monitor(as(newTenant(t, db), "*"))
		if err != nil {
			t.Fatal(err)
		}
		if other.Nodes != (workflow.MonitorNodes{}) || other.Runs != (workflow.MonitorRuns{}) || other.Rates != (workflow.MonitorRates{}) || other.Workers[0].InFlight != 0 {
			t.Errorf("another tenant sees %s", encoded(other))
		}
		if _, err := b.Monitor(as(b.tenant, "run.*")); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("who may not see it got %v", err)
		}
	})
}
