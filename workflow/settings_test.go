package workflow_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

const ms = workflow.Duration(time.Millisecond)

// with gives a graph settings.
func with(g workflow.Graph, s workflow.Settings) workflow.Graph {
	g.Settings = &s
	return g
}

// hang is a node type that ends with its context.
func hang() workflow.Node {
	return fn("hang", func(ctx context.Context, _ *workflow.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

// refuse is a node type that fails for good.
func refuse() workflow.Node {
	return fn("refuse", func(context.Context, *workflow.Call) (any, error) {
		return nil, problem.New(problem.Conflict, "card_declined", "the card was declined")
	})
}

// runsOf lists the runs of a workflow, oldest first.
func (b *bundle) runsOf(t testing.TB, workflowID string) []workflow.Run {
	t.Helper()
	p, err := b.Runs(b.ctx, workflow.RunFilter{WorkflowID: workflowID}, page.Request{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	var list []workflow.Run
	for i := len(p.Items) - 1; i >= 0; i-- {
		list = append(list, p.Items[i])
	}
	return list
}

func TestARunTimesOut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(hang()))
		g := workflow.Graph{
			Nodes: []workflow.GraphNode{step("start", "start", nil), step("work", "hang", nil), step("nap", "delay", map[string]any{"duration": "30d"})},
			Edges: []workflow.Edge{edge("start", "work"), edge("start", "nap")},
		}
		d := b.run(t, b.publish(t, with(g, workflow.Settings{Timeout: 100 * ms})), nil)
		if d.Status != workflow.RunTimedOut || d.Error == nil || d.Error.Code != "run_timeout" || d.DeadlineAt == nil {
			t.Fatalf("%s %+v", d.Status, d.Error)
		}
		for _, key := range []string{"work", "nap"} {
			if s := statuses(d)[key]; s != workflow.NodeCancelled {
				t.Errorf("%s is %s", key, s)
			}
		}
		if _, err := b.Cancel(b.ctx, d.ID); !problem.Is(err, problem.Conflict) {
			t.Errorf("what timed out can be cancelled: %v", err)
		}
	})
}

func TestARunThatDoesNotBeginTimesOut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *workflow.Config) { c.Slots = -1 })
		w := b.publish(t, with(chain(step("a", "transform", map[string]any{"value": 1})), workflow.Settings{QueueTimeout: 50 * ms, Timeout: workflow.Duration(time.Hour)}))
		d := b.run(t, w, nil)
		if d.Status != workflow.RunTimedOut || d.Error.Code != "run_queue_timeout" {
			t.Errorf("%s %+v", d.Status, d.Error)
		}
	})
}

func TestANodeThatDoesNotBeginTimesItsRunOut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(hang()), func(c *workflow.Config) { c.Slots = 1 })
		g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
		for _, key := range []string{"one", "two"} {
			g.Nodes = append(g.Nodes, step(key, "hang", nil))
			g.Edges = append(g.Edges, edge("start", key))
		}
		d := b.run(t, b.publish(t, with(g, workflow.Settings{QueueTimeout: 200 * ms})), nil)
		if d.Status != workflow.RunTimedOut || d.Error.Code != "node_queue_timeout" || d.Error.Node == "" {
			t.Errorf("%s %+v", d.Status, d.Error)
		}
	})
}

func TestAFailureStartsItsHandlerOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(refuse(), hang()))
		handler := b.publish(t, chain(step("tell", "transform", map[string]any{"value": "{{ input }}"})))
		failing := b.publish(t, with(chain(step("pay", "refuse", nil)), workflow.Settings{OnFailure: handler}))
		slow := b.publish(t, with(chain(step("wait", "hang", nil)), workflow.Settings{OnFailure: handler, Timeout: 10 * ms}))
		fine := b.publish(t, with(chain(step("a", "transform", map[string]any{"value": 1})), workflow.Settings{OnFailure: handler}))

		failed, late := b.run(t, failing, nil), b.run(t, slow, nil)
		b.run(t, fine, nil)
		// As if the process had died between the start of the handler and the note of it.
		owe(t, b, failed.ID, handler)
		eventually(t, func() bool { return owed(t, b) == 0 && len(b.runsOf(t, handler)) == 2 })

		reports := map[string]map[string]any{}
		for _, r := range b.runsOf(t, handler) {
			d := b.wait(t, r.ID)
			if d.Status != workflow.RunSucceeded || d.Trigger != workflow.TriggerFailure {
				t.Errorf("the handler: %s by %s, %+v", d.Status, d.Trigger, d.Error)
			}
			reports[d.Input["runId"].(string)] = d.Input
		}
		if got := reports[failed.ID]; got["workflowId"] != failing || got["node"] != "pay" || got["status"] != "failed" ||
			!strings.Contains(encoded(got["error"]), "card_declined") {
			t.Errorf("report of the failure: %v", got)
		}
		if got := reports[late.ID]; got["workflowId"] != slow || got["status"] != "timedOut" || !strings.Contains(encoded(got["error"]), "run_timeout") {
			t.Errorf("report of the timeout: %v", got)
		}
	})
}

// owe makes the handler of a failed run owed again.
func owe(t *testing.T, b *bundle, runID, handler string) {
	t.Helper()
	_, err := b.db.NewRaw("UPDATE ?schema.jet_run SET on_failure = ? WHERE id = ? AND tenant_id = ?", handler, runID, b.tenant).Exec(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
}

func owed(t *testing.T, b *bundle) (n int) {
	t.Helper()
	err := b.db.NewRaw("SELECT count(*) FROM ?schema.jet_run WHERE on_failure IS NOT NULL AND tenant_id = ? AND status IN (?)", b.tenant,
		bun.List([]workflow.RunStatus{workflow.RunFailed, workflow.RunTimedOut})).Scan(b.ctx, &n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two processes that look for the same debt start one handler.
func TestTwoProcessesStartOneHandler(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		a := setup(t, db, withNodes(refuse()))
		other := setup(t, db, withNodes(refuse()))
		handler := a.publish(t, chain(step("tell", "transform", map[string]any{"value": 1})))
		failing := a.publish(t, with(chain(step("pay", "refuse", nil)), workflow.Settings{OnFailure: handler}))
		var runs sync.WaitGroup
		for _, b := range []*bundle{a, other} {
			for range 5 {
				runs.Go(func() {
					if _, err := b.Start(a.ctx, workflow.StartParams{WorkflowID: failing}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		runs.Wait()
		eventually(t, func() bool { return len(a.runsOf(t, handler)) >= 10 && owed(t, a) == 0 })
		for _, r := range a.runsOf(t, failing) {
			owe(t, a, r.ID, handler)
		}
		eventually(t, func() bool { return owed(t, a) == 0 })
		if n := len(a.runsOf(t, handler)); n != 10 {
			t.Errorf("10 failures and %d handlers", n)
		}
	})
}

func TestAFailingHandlerDoesNotLoop(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), withNodes(refuse()))
	g := chain(step("pay", "refuse", nil))
	w := b.publish(t, g)
	g.Settings = &workflow.Settings{OnFailure: w}
	if _, err := b.Update(b.ctx, w, workflow.Update{Draft: &g}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(b.ctx, w, 0); err != nil {
		t.Fatal(err)
	}
	b.run(t, w, nil)
	eventually(t, func() bool { return len(b.runsOf(t, w)) == 4 })
	for _, r := range b.runsOf(t, w) {
		b.wait(t, r.ID)
	}
	if n := owed(t, b); n != 0 || len(b.runsOf(t, w)) != 4 {
		t.Errorf("%d runs, %d more owed", len(b.runsOf(t, w)), n)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	foreign := newBundle(t, b.db)
	theirs := foreign.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
	for field, s := range map[string]workflow.Settings{
		"settings.timeout":      {Timeout: -1},
		"settings.queueTimeout": {QueueTimeout: workflow.Duration(400 * 24 * time.Hour)},
		"settings.onFailure":    {OnFailure: theirs},
		"settings.priority":     {Priority: "urgent"},
	} {
		err := b.Validate(b.ctx, with(chain(step("a", "transform", map[string]any{"value": 1})), s))
		if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || len(p.Faults) != 1 || p.Faults[0].Path != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	n := step("a", "transform", map[string]any{"value": 1})
	n.Policy = &workflow.Policy{TotalTimeout: -1, Retry: &workflow.Retry{On: []problem.Kind{"bad luck"}}}
	if p := problem.Of(b.Validate(b.ctx, chain(n))); p == nil || len(p.Faults) != 2 {
		t.Errorf("a node's policy: %+v", p)
	}
}

func TestANodeHasATotalTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var tries atomic.Int32
		b := setup(t, db, withNodes(hang(), fn("flaky", func(context.Context, *workflow.Call) (any, error) {
			tries.Add(1)
			return nil, errors.New("not yet")
		})))
		long := step("work", "hang", nil)
		long.Policy = &workflow.Policy{TotalTimeout: 100 * ms, Retry: &workflow.Retry{Max: 50, Delay: ms}}
		if d := b.run(t, b.publish(t, chain(long)), nil); d.Status != workflow.RunFailed || d.Error.Code != "node_total_timeout" {
			t.Errorf("%s %+v", d.Status, d.Error)
		}
		often := step("work", "flaky", nil)
		often.Policy = &workflow.Policy{TotalTimeout: 3000 * ms, Retry: &workflow.Retry{Max: 100, Delay: 300 * ms, Backoff: workflow.BackoffFixed}}
		d := b.run(t, b.publish(t, chain(often)), nil)
		if d.Status != workflow.RunFailed {
			t.Errorf("%s %+v", d.Status, d.Error)
		}
		if n := tries.Load(); n < 2 || n > 60 { // 21 on the average
			t.Errorf("%d attempts in 3s with pauses of up to 300ms", n)
		}
	})
}

func TestRetryNamesTheKinds(t *testing.T) {
	t.Parallel()
	conflict := &problem.Error{Kind: problem.Conflict}
	upstream := &problem.Error{Kind: problem.Upstream}
	for name, c := range map[string]struct {
		retry   workflow.Retry
		failure *problem.Error
		again   bool
	}{
		"what may pass":             {workflow.Retry{Max: 1}, upstream, true},
		"what cannot change":        {workflow.Retry{Max: 1}, conflict, false},
		"what is named":             {workflow.Retry{Max: 1, On: []problem.Kind{problem.Conflict}}, conflict, true},
		"what is not named":         {workflow.Retry{Max: 1, On: []problem.Kind{problem.Conflict}}, upstream, false},
		"what is excepted":          {workflow.Retry{Max: 1, Except: []problem.Kind{problem.Upstream}}, upstream, false},
		"what was repeated already": {workflow.Retry{Max: 0}, upstream, false},
	} {
		if _, again := workflow.Again(c.retry, c.failure, 1, time.Hour, rand.Int64N); again != c.again {
			t.Errorf("%s: again = %v", name, again)
		}
	}
}

func TestRetryAfterIsHonouredUpToACap(t *testing.T) {
	t.Parallel()
	busy := func(after time.Duration) *problem.Error {
		return &problem.Error{Kind: problem.RateLimited, RetryAfter: after}
	}
	for _, c := range []struct{ asked, most, want time.Duration }{
		{20 * time.Minute, 0, 20 * time.Minute},
		{20 * time.Hour, 0, time.Hour},
		{20 * time.Hour, 3 * time.Hour, 3 * time.Hour},
	} {
		delay, again := workflow.Again(workflow.Retry{Max: 1, MaxDelay: workflow.Duration(c.most)}, busy(c.asked), 1, 24*time.Hour, rand.Int64N)
		if !again || delay != c.want {
			t.Errorf("asked for %s: waits %s, again = %v", c.asked, delay, again)
		}
	}
	if _, again := workflow.Again(workflow.Retry{Max: 1}, busy(time.Minute), 1, time.Second, rand.Int64N); again {
		t.Error("repeats after the node's time is over")
	}
}

// The pause before another attempt is anything up to the back-off, but not less
// than a remote service asked for.
func TestThePauseBeforeAnAttemptIsRandom(t *testing.T) {
	t.Parallel()
	retry := workflow.Retry{Max: 9, Delay: workflow.Duration(time.Second), MaxDelay: workflow.Duration(time.Minute)}
	upstream := &problem.Error{Kind: problem.Upstream}
	asking := &problem.Error{Kind: problem.RateLimited, RetryAfter: 3 * time.Second}
	least, most := func(int64) int64 { return 0 }, func(n int64) int64 { return n - 1 }
	for _, c := range []struct {
		failure *problem.Error
		draw    func(int64) int64
		want    time.Duration
	}{
		{upstream, least, 0}, {upstream, most, 4 * time.Second}, {asking, least, 3 * time.Second}, {asking, most, 4 * time.Second},
	} {
		if delay, again := workflow.Again(retry, c.failure, 3, time.Hour, c.draw); !again || delay != c.want {
			t.Errorf("%s: waits %s, want %s", c.failure.Kind, delay, c.want)
		}
	}
	seeded := rand.New(rand.NewPCG(1, 2))
	var low, high int
	for range 1000 {
		switch delay, _ := workflow.Again(retry, upstream, 3, time.Hour, seeded.Int64N); {
		case delay < time.Second:
			low++
		case delay > 3*time.Second:
			high++
		}
	}
	if low < 200 || low > 300 || high < 200 || high > 300 {
		t.Errorf("%d of 1000 pauses are in the first quarter, %d in the last", low, high)
	}
}
