package workflow_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// calling is a graph that runs a workflow and returns its output.
func calling(workflowID string, more ...any) workflow.Graph {
	config := map[string]any{"workflowId": workflowID, "input": map[string]any{"n": "{{ input.n }}"}}
	for i := 0; i < len(more); i += 2 {
		config[more[i].(string)] = more[i+1]
	}
	return chain(step("call", "subWorkflow", config))
}

// children lists the runs that a node of a run has begun.
func (b *bundle) children(t testing.TB, runID, node string) []workflow.Run {
	t.Helper()
	p, err := b.Runs(b.ctx, workflow.RunFilter{Parent: runID, Node: node}, page.Request{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

func TestASubWorkflowGivesItsOutput(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		inner := b.publish(t, chain(step("double", "transform", map[string]any{"value": map[string]any{"twice": "{{ input.n * 2 }}"}})))
		d := b.run(t, b.publish(t, calling(inner)), map[string]any{"n": 21})
		if d.Status != workflow.RunSucceeded || encoded(d.Output) != `{"twice":42}` {
			t.Fatalf("%s with %v: %+v", d.Status, encoded(d.Output), d.Error)
		}
		list := b.children(t, d.ID, "call")
		if len(list) != 1 || list[0].Status != workflow.RunSucceeded || list[0].ParentRunID != d.ID || list[0].ParentNode != "call" ||
			list[0].Trigger != workflow.TriggerRun || list[0].WorkflowID != inner || list[0].StartedBy != d.StartedBy {
			t.Errorf("children: %s", encoded(list))
		}
		all, err := b.Runs(b.ctx, workflow.RunFilter{}, page.Request{})
		if err != nil || len(all.Items) != 1 || all.Items[0].ID != d.ID {
			t.Errorf("the list of runs has %s: %v", encoded(all.Items), err)
		}
		if rest := b.children(t, d.ID, "start"); len(rest) != 0 {
			t.Errorf("another node has children: %s", encoded(rest))
		}
	})
}

func TestAFailedSubWorkflowFailsItsNode(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var tries atomic.Int32
		b := setup(t, db, withNodes(fn("break", func(context.Context, *workflow.Call) (any, error) {
			if tries.Add(1) == 3 {
				return "mended", nil
			}
			return nil, problem.New(problem.Upstream, "broken_pipe", "the pipe is broken").Fix("mend it")
		})))
		inner := b.publish(t, chain(step("break", "break", nil)))
		d := b.run(t, b.publish(t, calling(inner)), map[string]any{"n": 1})
		if d.Status != workflow.RunFailed || d.Error == nil || d.Error.Node != "call" || d.Error.Code != "broken_pipe" || d.Error.Remedy != "mend it" {
			t.Fatalf("%s: %+v", d.Status, d.Error)
		}
		g := calling(inner)
		g.Nodes[1].Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 2, Delay: workflow.Duration(time.Millisecond)}}
		d = b.run(t, b.publish(t, g), map[string]any{"n": 1})
		if d.Status != workflow.RunSucceeded || d.Output != "mended" {
			t.Fatalf("%s with %v: %+v", d.Status, d.Output, d.Error)
		}
		if list := b.children(t, d.ID, "call"); len(list) != 2 {
			t.Errorf("two attempts have begun %s", encoded(list))
		}
		n, err := b.RunNode(b.ctx, d.ID, "call")
		if err != nil || len(n.Attempts) != 2 || n.Attempts[0].Error.Code != "broken_pipe" {
			t.Errorf("%s: %v", encoded(n), err)
		}
	})
}

// An output that is stored by reference in the run that made it goes on as that of
// the node.
func TestASubWorkflowGivesALargeOutput(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		large := strings.Repeat("large ", 20_000)
		b := setup(t, db, withNodes(fn("large", func(context.Context, *workflow.Call) (any, error) { return large, nil })))
		inner := b.publish(t, chain(step("large", "large", nil)))
		d := b.run(t, b.publish(t, calling(inner)), map[string]any{"n": 1})
		if d.Status != workflow.RunSucceeded || d.Output != large {
			t.Errorf("%s with %d bytes: %+v", d.Status, len(encoded(d.Output)), d.Error)
		}
	})
}

// What keeps a sub-workflow from beginning is the node's error.
func TestASubWorkflowThatCannotBegin(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		start := step("start", "start", map[string]any{"input": map[string]any{"type": "object", "properties": map[string]any{"n": map[string]any{"type": "integer"}}}})
		strict := workflow.Graph{Nodes: []workflow.GraphNode{start, step("end", "end", nil)}, Edges: []workflow.Edge{edge("start", "end")}}
		inner := b.publish(t, strict)
		outer := b.publish(t, calling(inner))
		if d := b.run(t, outer, map[string]any{"n": "one"}); d.Error == nil || d.Error.Kind != problem.Invalid || d.Error.Node != "call" {
			t.Errorf("an input with faults: %s %+v", d.Status, d.Error)
		}
		// As if it had been deleted in the moment in which the other was published.
		if _, err := db.NewRaw("UPDATE ?schema.jet_workflow SET deleted_at = created_at WHERE tenant_id = ? AND id = ?", auth.FromContext(b.ctx).TenantID, inner).Exec(b.ctx); err != nil {
			t.Fatal(err)
		}
		if d := b.run(t, outer, map[string]any{"n": 1}); d.Error == nil || d.Error.Kind != problem.NotFound {
			t.Errorf("a deleted workflow: %s %+v", d.Status, d.Error)
		}
		w, err := b.Create(b.ctx, workflow.NewWorkflow{Name: "draft", Draft: strict})
		if err != nil {
			t.Fatal(err)
		}
		if d := b.run(t, b.publish(t, calling(w.ID)), map[string]any{"n": 1}); d.Error == nil || d.Error.Code != "workflow_not_published" {
			t.Errorf("a workflow without a version: %s %+v", d.Status, d.Error)
		}
	})
}

func TestARecursionEnds(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		for _, wait := range []bool{true, false} {
			b := setup(t, db)
			w, err := b.Create(b.ctx, workflow.NewWorkflow{Name: "recursive", Draft: chain()})
			if err != nil {
				t.Fatal(err)
			}
			draft := calling(w.ID, "wait", wait)
			if _, err := b.Update(b.ctx, w.ID, workflow.Update{Draft: &draft}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Publish(b.ctx, w.ID, 0); err != nil {
				t.Fatal(err)
			}
			d := b.run(t, w.ID, map[string]any{"n": 1})
			depth := 0
			for next := d.Run; ; depth++ {
				var list []workflow.Run
				eventually(t, func() bool {
					list = b.children(t, next.ID, "")
					return len(list) > 0 || depth == workflow.MaxDepth
				})
				if len(list) == 0 {
					last := b.wait(t, next.ID)
					if last.Error == nil || last.Error.Code != "runs_too_deep" {
						t.Errorf("the deepest run is %s: %+v", last.Status, last.Error)
					}
					break
				}
				next = list[0]
			}
			if depth != workflow.MaxDepth || wait != (d.Status == workflow.RunFailed) || wait && d.Error.Code != "runs_too_deep" {
				t.Errorf("%d deep, %s: %+v", depth, d.Status, d.Error)
			}
		}
	})
}

// Cancel reaches the runs that a run waits for, and theirs; not those that it does
// not wait for.
func TestCancelReachesSubWorkflows(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, ended, release := make(chan struct{}, 2), make(chan error, 2), make(chan struct{})
		b := setup(t, db, withNodes(fn("work", func(ctx context.Context, _ *workflow.Call) (any, error) {
			began <- struct{}{}
			select {
			case <-ctx.Done():
			case <-release:
			}
			ended <- ctx.Err()
			return "worked", ctx.Err()
		})))
		inner := b.publish(t, chain(step("work", "work", nil)))
		middle := b.publish(t, calling(inner))
		outer := b.publish(t, chain(
			step("apart", "subWorkflow", map[string]any{"workflowId": inner, "wait": false}),
			step("call", "subWorkflow", map[string]any{"workflowId": middle, "input": map[string]any{"n": 1}})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: outer})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		<-began
		middleRun := b.children(t, r.ID, "call")[0]
		eventually(t, func() bool { // the node has begun to wait
			d, err := b.Run(b.ctx, r.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Error("the node of the innermost run was not cancelled")
		}
		for _, id := range []string{middleRun.ID, b.children(t, middleRun.ID, "call")[0].ID} {
			if d := b.wait(t, id); d.Status != workflow.RunCancelled || d.Error == nil || d.Error.Code != "parent_ended" {
				t.Errorf("%s: %+v", d.Status, d.Error)
			}
		}
		close(release)
		if d := b.wait(t, b.children(t, r.ID, "apart")[0].ID); d.Status != workflow.RunSucceeded {
			t.Errorf("the run that nobody waits for is %s", d.Status)
		}
	})
}

func TestADetachedSubWorkflowIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		release := make(chan struct{})
		b := setup(t, db, withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			<-release
			return nil, problem.New(problem.Upstream, "broken", "broken")
		})))
		inner := b.publish(t, chain(step("work", "work", nil)))
		d := b.run(t, b.publish(t, calling(inner, "wait", false)), map[string]any{"n": 1})
		child := b.children(t, d.ID, "call")[0]
		if d.Status != workflow.RunSucceeded || encoded(d.Output) != `{"runId":"`+child.ID+`"}` {
			t.Errorf("%s with %s", d.Status, encoded(d.Output))
		}
		close(release)
		if d := b.wait(t, child.ID); d.Status != workflow.RunFailed {
			t.Errorf("the run is %s", d.Status)
		}
	})
}

// A process dies between the end of a child and what follows from it: the other
// finds the node.
func TestANodeIsTendedAfterACrash(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, release := make(chan struct{}), make(chan struct{})
		work := withNodes(fn("work", func(context.Context, *workflow.Call) (any, error) {
			close(began)
			<-release
			return "worked", nil
		}))
		dead := newBundle(t, db, withLease(time.Second), work)
		if err := dead.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		inner := dead.publish(t, chain(step("work", "work", nil)))
		r, err := dead.Start(dead.ctx, workflow.StartParams{WorkflowID: dead.publish(t, calling(inner)), Input: map[string]any{"n": 1}})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		child := dead.children(t, r.ID, "call")[0]
		eventually(t, func() bool {
			d, err := dead.Run(dead.ctx, r.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		go close(release)
		dead.Abandon()
		// The child is ended by hand, as a process would that died right after its commit.
		if _, err := db.NewRaw(`UPDATE ?schema.jet_run SET status = 'succeeded', finished_at = created_at, open_nodes = 0 WHERE id = ? AND tenant_id = ?`,
			child.ID, dead.tenant).Exec(dead.ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := db.NewRaw(`UPDATE ?schema.jet_run_node SET wake_at = created.created_at FROM ?schema.jet_run AS created
			WHERE created.id = run_id AND created.tenant_id = ? AND run_id = ? AND jet_run_node.status = 'waiting' AND jet_run_node.tenant_id = ?`,
			dead.tenant, r.ID, dead.tenant).Exec(dead.ctx); err != nil {
			t.Fatal(err)
		}
		alive := setup(t, db, withLease(time.Second), work)
		alive.ctx = dead.ctx
		if d := alive.wait(t, r.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("%s: %+v", d.Status, d.Error)
		}
	})
}

// A child that a dead process has left behind is cancelled by another.
func TestAChildThatWasLeftBehindIsCancelled(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		inner := b.publish(t, chain(step("sleep", "delay", map[string]any{"duration": "1h"})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, calling(inner)), Input: map[string]any{"n": 1}})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(b.children(t, r.ID, "call")) == 1 })
		child := b.children(t, r.ID, "call")[0]
		eventually(t, func() bool {
			d, err := b.Run(b.ctx, r.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		// The parent is ended by hand: nobody in this process has done so.
		for _, statement := range []string{
			"UPDATE ?schema.jet_run SET status = 'cancelled', finished_at = created_at, open_nodes = 0 WHERE id = ? AND tenant_id = ?",
			"UPDATE ?schema.jet_run_node SET status = 'cancelled' WHERE run_id = ? AND tenant_id = ? AND status = 'waiting'",
		} {
			if _, err := db.NewRaw(statement, r.ID, b.tenant).Exec(b.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if d := b.wait(t, child.ID); d.Status != workflow.RunCancelled {
			t.Errorf("the child is %s", d.Status)
		}
	})
}

// T5: a graph that runs another tenant's workflow is refused when it is saved, and
// goes nowhere when it got into the database by another way. Whoever publishes
// needs the right to start the workflow.
func TestT5SubWorkflowsStayInTheTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		other := as(newTenant(t, db), "*")
		w, err := b.Create(other, workflow.NewWorkflow{Name: "theirs", Draft: chain()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(other, w.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = b.Create(b.ctx, workflow.NewWorkflow{Name: "mine", Draft: calling(w.ID)})
		if problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != "nodes.call.config" {
			t.Errorf("a draft: %v", err)
		}
		own := b.publish(t, chain())
		_, err = b.Create(as(b.tenant, auth.WorkflowCreate), workflow.NewWorkflow{Name: "without", Draft: calling(own)})
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("a draft of one who may not start the workflow: %v", err)
		}
		planted := b.publish(t, calling(own))
		var graph string
		if err := db.NewRaw("SELECT graph FROM ?schema.jet_workflow_version WHERE tenant_id = ? AND workflow_id = ?", b.tenant, planted).Scan(b.ctx, &graph); err != nil {
			t.Fatal(err)
		}
		_, err = db.NewRaw("UPDATE ?schema.jet_workflow_version SET graph = ?, grants = '[{\"permission\":\"workflow.execute\"}]' WHERE tenant_id = ? AND workflow_id = ?",
			strings.ReplaceAll(graph, own, w.ID), b.tenant, planted).Exec(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := b.run(t, planted, map[string]any{"n": 1}); d.Error == nil || d.Error.Kind != problem.NotFound {
			t.Errorf("a planted reference: %s %+v", d.Status, d.Error)
		}
		theirs, err := b.Runs(other, workflow.RunFilter{}, page.Request{})
		if err != nil || len(theirs.Items) != 0 {
			t.Errorf("the other tenant has runs: %s %v", encoded(theirs.Items), err)
		}
		foreign, err := b.Runs(other, workflow.RunFilter{Parent: b.run(t, b.publish(t, calling(own)), map[string]any{"n": 1}).ID}, page.Request{})
		if err != nil || len(foreign.Items) != 0 {
			t.Errorf("the other tenant lists children: %s %v", encoded(foreign.Items), err)
		}
	})
}

// A workflow that another one begins stays, while that is published or runs; one that
// begins only itself goes.
func TestAWorkflowInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		child := b.publish(t, chain())
		parent := b.publish(t, chain(workflow.GraphNode{Key: "sub", Type: "subWorkflow", Config: map[string]any{"workflowId": child}}))
		p := problem.Of(b.Delete(b.ctx, child))
		if p.Code != "workflow_in_use" || p.Kind != problem.Conflict || p.Remedy == "" {
			t.Errorf("got %+v", p)
		}
		for _, w := range []string{parent, child} {
			if err := b.Delete(b.ctx, w); err != nil {
				t.Errorf("then: %v", err)
			}
		}
	})
}
