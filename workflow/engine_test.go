package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// eachSetting runs a test on every way an App can run: both databases with the
// queue in memory, and with Asynq on a fake and on a real Redis.
func eachSetting(t *testing.T, test func(t *testing.T, db *store.DB, queue func(*workflow.Config))) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		testdb.Each(t, func(t *testing.T, db *store.DB) { test(t, db, func(*workflow.Config) {}) })
	})
	t.Run("asynq", func(t *testing.T) {
		t.Parallel()
		testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
			name := "t" + id.New()
			test(t, testdb.SQLite(t), func(c *workflow.Config) {
				c.Queue = workflow.NewAsynqQueue(rdb, name, slog.New(slog.DiscardHandler))
			})
		})
	})
}

// withNodes adds node types of the test.
func withNodes(nodes ...workflow.Node) func(*workflow.Config) {
	return func(c *workflow.Config) { c.Nodes = append(c.Nodes, nodes...) }
}

// fn is a node type that calls a function with no configuration.
func fn(name string, f func(ctx context.Context, call *workflow.Call) (any, error)) workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: name}, func(ctx context.Context, call *workflow.Call, _ struct{}) (any, error) {
		return f(ctx, call)
	})
}

func TestFanOutAndJoin(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		var ran atomic.Int32
		b := setup(t, db, queue, withNodes(fn("count", func(context.Context, *workflow.Call) (any, error) { return ran.Add(1), nil })))
		g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil), step("join", "transform", map[string]any{"value": "{{ steps.n7 }}"})}}
		for i := range 40 {
			k := "n" + itoa(i)
			g.Nodes = append(g.Nodes, step(k, "count", nil))
			g.Edges = append(g.Edges, edge("start", k), edge(k, "join"))
		}
		d := b.run(t, b.publish(t, g), nil)
		if d.Status != workflow.RunSucceeded || ran.Load() != 40 {
			t.Fatalf("status %s after %d nodes: %+v", d.Status, ran.Load(), d.Error)
		}
		for k, s := range statuses(d) {
			if s != workflow.NodeSucceeded {
				t.Errorf("node %s is %s", k, s)
			}
		}
	})
}

func TestEventsTellEveryStepInOrder(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		b := setup(t, db, queue)
		d := b.run(t, b.publish(t, chain(step("a", "transform", map[string]any{"value": "{{ 40 + 2 }}"}))), nil)
		if err := b.StopEngine(context.Background()); err != nil { // flushes the events
			t.Fatal(err)
		}
		var got []string
		for _, e := range b.events.of("run:" + d.ID) {
			switch data := e.data.(type) {
			case workflow.RunEvent:
				got = append(got, string(data.Status))
			case workflow.NodeEvent:
				got = append(got, data.Key+" "+string(data.Status))
			}
		}
		// The end node is pure: it is stored together with the one before it.
		want := []string{"running", "a running", "a succeeded", "end succeeded", "succeeded"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestAFailureIsRetriedThenFailsTheRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var tries atomic.Int32
		b := setup(t, db, withNodes(fn("flaky", func(context.Context, *workflow.Call) (any, error) {
			tries.Add(1)
			return nil, errors.New("password=hunter2")
		})))
		n := step("work", "flaky", nil)
		n.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 2, Delay: workflow.Duration(time.Millisecond), Backoff: workflow.BackoffFixed}}
		d := b.run(t, b.publish(t, chain(n)), nil)
		if d.Status != workflow.RunFailed || tries.Load() != 3 {
			t.Fatalf("status %s after %d tries", d.Status, tries.Load())
		}
		if d.Error == nil || d.Error.Code != "node_failed" || d.Error.Node != "work" {
			t.Errorf("error %+v", d.Error)
		}
		detail, err := b.RunNode(b.ctx, d.ID, "work")
		if err != nil || len(detail.Attempts) != 3 {
			t.Fatalf("attempts %+v, %v", detail.Attempts, err)
		}
		for _, a := range detail.Attempts {
			if a.Status != workflow.NodeFailed || a.Error == nil || a.Error.Message == "password=hunter2" {
				t.Errorf("attempt %+v", a.Error)
			}
		}
		if s := statuses(d)["end"]; s != workflow.NodeCancelled {
			t.Errorf("end is %s", s)
		}
	})
}

func TestAPermanentFailureIsNotRetried(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	b := setup(t, testdb.SQLite(t), withNodes(fn("refuse", func(context.Context, *workflow.Call) (any, error) {
		tries.Add(1)
		return nil, problem.New(problem.Conflict, "card_declined", "the card was declined")
	})))
	n := step("work", "refuse", nil)
	n.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 5, Delay: workflow.Duration(time.Millisecond)}}
	d := b.run(t, b.publish(t, chain(n)), nil)
	if d.Status != workflow.RunFailed || tries.Load() != 1 || d.Error.Code != "card_declined" {
		t.Fatalf("status %s after %d tries, error %+v", d.Status, tries.Load(), d.Error)
	}
}

func TestOnErrorBranchAndContinue(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(fn("refuse", func(context.Context, *workflow.Call) (any, error) {
			return nil, problem.New(problem.Conflict, "no", "no")
		})))
		branching, going := step("branching", "refuse", nil), step("going", "refuse", nil)
		branching.Policy = &workflow.Policy{OnError: workflow.OnErrorBranch}
		going.Policy = &workflow.Policy{OnError: workflow.OnErrorContinue}
		g := workflow.Graph{
			Nodes: []workflow.GraphNode{step("start", "start", nil), branching, going,
				step("rescue", "transform", map[string]any{"value": "rescued from {{ steps.branching.error.code }}"}),
				step("after", "end", map[string]any{"output": []any{"{{ steps.rescue }}", "{{ steps.going }}"}}), step("fine", "transform", map[string]any{"value": "fine"})},
			Edges: []workflow.Edge{edge("start", "branching"), edgeOn("branching", "error", "rescue"), edge("branching", "fine"),
				edge("rescue", "going"), edge("going", "after")},
		}
		d := b.run(t, b.publish(t, g), nil)
		want := map[string]workflow.NodeStatus{"start": "succeeded", "branching": "failed", "rescue": "succeeded", "fine": "skipped", "going": "failed", "after": "succeeded"}
		if got := statuses(d); d.Status != workflow.RunSucceeded || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %v", d.Status, got)
		}
		if want := []any{"rescued from no", nil}; !reflect.DeepEqual(d.Output, want) {
			t.Errorf("later nodes read %v, want %v", d.Output, want)
		}
	})
}

func TestNodesThatMisbehaveAreContained(t *testing.T) {
	t.Parallel()
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	b := setup(t, testdb.SQLite(t), withNodes(
		fn("panics", func(context.Context, *workflow.Call) (any, error) { panic("secret state") }),
		fn("nan", func(context.Context, *workflow.Call) (any, error) { return math.NaN(), nil }),
		fn("cycle", func(context.Context, *workflow.Call) (any, error) { return cyclic, nil }),
		fn("large", func(context.Context, *workflow.Call) (any, error) { return make([]byte, workflow.MaxOutput), nil }),
		fn("explosive", func(context.Context, *workflow.Call) (any, error) { return explosive{}, nil }),
		fn("exits", func(context.Context, *workflow.Call) (any, error) { runtime.Goexit(); return nil, nil }),
		fn("elsewhere", func(context.Context, *workflow.Call) (any, error) { return workflow.Result{Port: "nowhere"}, nil }),
		fn("slow", func(ctx context.Context, _ *workflow.Call) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
	))
	for typ, code := range map[string]string{
		"panics": "node_panicked", "nan": "node_output_invalid", "cycle": "node_output_invalid",
		"large": "node_output_too_large", "slow": "node_timeout",
		"explosive": "node_panicked", "exits": "node_panicked", "elsewhere": "node_port_unknown",
	} {
		n := step("work", typ, nil)
		if typ == "slow" {
			n.Policy = &workflow.Policy{Timeout: workflow.Duration(50 * time.Millisecond)}
		}
		d := b.run(t, b.publish(t, chain(n)), nil)
		if d.Status != workflow.RunFailed || d.Error == nil || d.Error.Code != code {
			t.Errorf("%s: status %s, error %+v", typ, d.Status, d.Error)
		}
	}
}

// explosive cannot be written as JSON.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("ouch") }

func TestDelayHoldsNoSlotAndSurvivesAStop(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, chain(step("nap", "delay", map[string]any{"duration": "300ms"})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			d, err := b.Run(b.ctx, r.ID)
			return err == nil && d.Status == workflow.RunWaiting
		})
		if err := b.StopEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := b.StartEngine(context.Background()); err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded {
			t.Errorf("status %s", d.Status)
		}
	})
}

func TestCancelReachesARunningNode(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, db *store.DB, queue func(*workflow.Config)) {
		began, ended := make(chan struct{}), make(chan struct{})
		b := setup(t, db, queue, withNodes(fn("hang", func(ctx context.Context, _ *workflow.Call) (any, error) {
			close(began)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		})))
		r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("work", "hang", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		if _, err := b.Cancel(b.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		<-ended
		d := b.wait(t, r.ID)
		if d.Status != workflow.RunCancelled || statuses(d)["work"] != workflow.NodeCancelled {
			t.Errorf("%s %v", d.Status, statuses(d))
		}
		if _, err := b.Cancel(b.ctx, r.ID); !problem.Is(err, problem.Conflict) {
			t.Errorf("second cancel: %v", err)
		}
	})
}

// The cancel is done by a service that does not run the node.
func TestCancelReachesAnotherProcess(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		began, ended := make(chan struct{}), make(chan struct{})
		worker := setup(t, db, withNodes(fn("hang", func(ctx context.Context, _ *workflow.Call) (any, error) {
			close(began)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		})))
		r, err := worker.Start(worker.ctx, workflow.StartParams{WorkflowID: worker.publish(t, chain(step("work", "hang", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-began
		other := newBundle(t, db, withNodes(fn("hang", nil)))
		if _, err := other.Cancel(worker.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		<-ended
	})
}

func TestStartWithTheSameKeyReturnsTheFirstRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
		ids := make(chan string, 20)
		var g sync.WaitGroup
		for range 20 {
			g.Go(func() {
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, IdempotencyKey: "order-1"})
				if err != nil {
					t.Error(err)
				}
				ids <- r.ID
			})
		}
		g.Wait()
		first := <-ids
		for range 19 {
			if other := <-ids; other != first {
				t.Errorf("another run: %s and %s", first, other)
			}
		}
		b.wait(t, first)
	})
}

func TestStartTxIsKeptOrDroppedWithTheHostsTransaction(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
		for _, commit := range []bool{false, true} {
			tx, err := db.DB.DB.BeginTx(b.ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.StartTx(b.ctx, tx, workflow.StartParams{WorkflowID: w})
			if err != nil {
				t.Fatal(err)
			}
			if !commit {
				_ = tx.Rollback()
				if _, err := b.Run(b.ctx, r.ID); !problem.Is(err, problem.NotFound) {
					t.Errorf("rolled back, and still: %v", err)
				}
				continue
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if d := b.wait(t, r.ID); d.Status != workflow.RunSucceeded {
				t.Errorf("status %s", d.Status)
			}
		}
	})
}

func TestInputIsCheckedAndCompleted(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	g := chain(step("a", "transform", map[string]any{"value": "{{ input }}"}))
	g.Nodes[0].Config = map[string]any{"input": map[string]any{
		"type": "object", "required": []any{"orderId", "total"}, "additionalProperties": false,
		"properties": map[string]any{
			"orderId": map[string]any{"type": "integer"}, "total": map[string]any{"type": "number"},
			"note": map[string]any{"type": "string", "default": "none"},
		},
	}}
	w := b.publish(t, g)
	_, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, Input: map[string]any{"orderId": "x", "other": 1}})
	if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || len(p.Faults) < 2 {
		t.Fatalf("got %v", err)
	}
	d := b.run(t, w, map[string]any{"orderId": 7, "total": 9.5})
	if d.Status != workflow.RunSucceeded || d.Input["note"] != "none" {
		t.Errorf("%s %v", d.Status, d.Input)
	}
}

func TestAPublishedVersionNeverChanges(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, chain(step("a", "transform", map[string]any{"value": "first"})))
		first := b.run(t, w, nil)
		g := chain(step("a", "transform", map[string]any{"value": "second"}))
		if _, err := b.Update(b.ctx, w, workflow.Update{Draft: &g}); err != nil {
			t.Fatal(err)
		}
		if d := b.run(t, w, nil); d.Output != "first" {
			t.Errorf("the draft ran: %v", d.Output)
		}
		if v, err := b.Publish(b.ctx, w, 0); err != nil || v.Number != 2 {
			t.Fatalf("%+v %v", v, err)
		}
		if d := b.run(t, w, nil); d.Output != "second" || d.WorkflowVersion != 2 {
			t.Errorf("output %v of version %d", d.Output, d.WorkflowVersion)
		}
		if err := b.Delete(b.ctx, w); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w}); !problem.Is(err, problem.NotFound) {
			t.Errorf("a deleted workflow starts: %v", err)
		}
		if d, err := b.Run(b.ctx, first.ID); err != nil || d.Output != "first" {
			t.Errorf("%v %v", d.Output, err)
		}
	})
}

// A run acts with the rights that were pinned when its version was published.
func TestT19_ANodeActsAsTheRun(t *testing.T) {
	t.Parallel()
	seen := make(chan *auth.Principal, 1)
	b := setup(t, testdb.SQLite(t), withNodes(fn("who", func(ctx context.Context, _ *workflow.Call) (any, error) {
		seen <- auth.FromContext(ctx)
		return nil, nil
	})))
	g := chain(step("ask", "query", map[string]any{"queryId": "q1"}), step("look", "who", nil))
	b.run(t, b.publish(t, g), nil)
	who := <-seen
	want := []auth.Grant{{Permission: auth.QueryExecute, ObjectID: "q1"}}
	if who.Kind != auth.KindService || who.TenantID != b.tenant || !reflect.DeepEqual(who.Grants, want) {
		t.Errorf("acts as %+v", who)
	}
}

func TestT01_ARunIsInvisibleToOtherTenants(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.publish(t, chain(step("a", "transform", map[string]any{"value": 1})))
		d := b.run(t, w, nil)
		stranger := as(newTenant(t, db), "*")
		calls := map[string]func() error{
			"Run":     func() error { _, err := b.Run(stranger, d.ID); return err },
			"RunNode": func() error { _, err := b.RunNode(stranger, d.ID, "a"); return err },
			"Cancel":  func() error { _, err := b.Cancel(stranger, d.ID); return err },
			"Wait":    func() error { _, err := b.Wait(stranger, d.ID); return err },
			"Get":     func() error { _, err := b.Get(stranger, w); return err },
			"Update":  func() error { _, err := b.Update(stranger, w, workflow.Update{}); return err },
			"Publish": func() error { _, err := b.Publish(stranger, w, 0); return err },
			"Version": func() error { _, err := b.Version(stranger, w, 1); return err },
			"Delete":  func() error { return b.Delete(stranger, w) },
			"Start":   func() error { _, err := b.Start(stranger, workflow.StartParams{WorkflowID: w}); return err },
		}
		for name, call := range calls {
			if err := call(); !problem.Is(err, problem.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestHTTPNode(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	keys := make(chan string, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"big":12345678901234567890}`))
	}))
	defer server.Close()
	b := setup(t, testdb.SQLite(t))
	n := step("call", "http", map[string]any{"method": "post", "url": server.URL + "/x", "query": map[string]any{"q": "{{ input.q }}"}, "body": map[string]any{"a": "{{ input.q }}"}})
	n.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
	g := chain(n, step("pick", "transform", map[string]any{"value": "{{ steps.call.body.big }}"}))
	d := b.run(t, b.publish(t, g), map[string]any{"q": "a&b"})
	if d.Status != workflow.RunSucceeded || tries.Load() != 2 {
		t.Fatalf("%s after %d tries: %+v", d.Status, tries.Load(), d.Error)
	}
	if first, second := <-keys, <-keys; first == "" || first != second {
		t.Errorf("idempotency keys %q and %q", first, second)
	}
	if got := encoded(d.Output); got != "12345678901234567890" {
		t.Errorf("a large number became %s", got)
	}
}

func TestBackoffGrowsAndIsCapped(t *testing.T) {
	t.Parallel()
	r := workflow.Retry{Delay: workflow.Duration(time.Second), MaxDelay: workflow.Duration(time.Minute)}
	for attempt, want := range map[int]time.Duration{1: time.Second, 3: 4 * time.Second, 10: time.Minute, 100: time.Minute} {
		if d := r.BackOff(attempt); d != want {
			t.Errorf("attempt %d waits up to %s, want %s", attempt, d, want)
		}
	}
}

// A node finds the input in the types of JSON, whoever has started the run and
// whichever process reads it.
func TestTheInputHasTheTypesOfJSON(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t), withNodes(fn("types", func(_ context.Context, call *workflow.Call) (any, error) {
		return fmt.Sprintf("%T %T %T", call.Input["list"], call.Input["n"], call.Input["object"]), nil
	})))
	type object struct{ A int }
	d := b.run(t, b.publish(t, chain(step("types", "types", nil))), map[string]any{"list": []string{"a"}, "n": 1, "object": object{1}})
	if d.Output != "[]interface {} json.Number map[string]interface {}" {
		t.Error(d.Output)
	}
}
