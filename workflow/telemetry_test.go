package workflow_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/internal/traceparent"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// traced is a configuration whose traces and metrics are kept.
func traced(s *spans, m *measurements) func(*workflow.Config) {
	return func(cfg *workflow.Config) { cfg.TracerProvider, cfg.MeterProvider = s, m }
}

func TestTraceOfARun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		headers := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { headers <- r.Header.Get("traceparent") }))
		t.Cleanup(server.Close)
		recorded := &spans{sampled: true}
		b := setup(t, db, traced(recorded, &measurements{}), logging(func(call *workflow.Call) error {
			if call.Attempt == 1 {
				return problem.New(problem.Unavailable, "not_yet", "not yet")
			}
			return nil
		}))
		flaky := step("flaky", "logging", nil)
		flaky.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
		flow := b.publish(t, chain(flaky, step("pure", "transform", map[string]any{"value": "1"}), step("call", "http", map[string]any{"url": server.URL})))

		ctx, request := (&tracer{all: recorded}).Start(b.ctx, "request of the host")
		run, err := b.Start(ctx, workflow.StartParams{WorkflowID: flow})
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, run.ID)
		eventually(t, func() bool { return len(recorded.of("workflow.run", run.ID)) == 1 })

		start := recorded.of("workflow.start", run.ID)
		if len(start) != 1 || start[0].parent.IsValid() || len(start[0].links) != 1 || !start[0].links[0].SpanContext.Equal(request.SpanContext()) {
			t.Fatalf("the start has %+v", start)
		}
		root := start[0].context
		whole := recorded.of("workflow.run", run.ID)[0]
		if whole.context.TraceID() != root.TraceID() || whole.parent.SpanID() != root.SpanID() || whole.value("jetadmin.run.status") != "succeeded" ||
			whole.status == codes.Error || !whole.end.After(whole.start) {
			t.Errorf("the whole run is %+v", whole)
		}
		nodes := recorded.of("workflow.node", run.ID)
		outcomes := map[string]string{}
		var call *span
		for _, n := range nodes {
			if n.context.TraceID() != root.TraceID() || n.parent.SpanID() != root.SpanID() || !n.parent.IsRemote() {
				t.Errorf("the span of %s has the parent %v", n.value("jetadmin.node.key"), n.parent)
			}
			outcomes[n.value("jetadmin.node.key")+" "+n.value("jetadmin.node.attempt")] = n.value("jetadmin.node.outcome")
			if n.value("jetadmin.node.key") == "call" {
				call = n
			}
			if failed := n.value("jetadmin.node.outcome") == "retried"; failed != (n.status == codes.Error) {
				t.Errorf("%s has the status %v", n.value("jetadmin.node.key"), n.status)
			}
		}
		for attempt, want := range map[string]string{"flaky 1": "retried", "flaky 2": "succeeded", "pure 1": "succeeded", "call 1": "succeeded", "end 1": "succeeded"} {
			if outcomes[attempt] != want {
				t.Errorf("%s is %q, want %s, of %v", attempt, outcomes[attempt], want, outcomes)
			}
		}
		if got := traceparent.Parse(<-headers); got.SpanID() != call.context.SpanID() || got.TraceID() != root.TraceID() || !got.IsSampled() {
			t.Errorf("the request carried %v", got)
		}
	})
}

// A run goes on in the trace that it began in, in whatever process; and a
// decision not to sample it holds there too.
func TestTraceSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		first, second := &spans{}, &spans{sampled: true}
		starter := newBundle(t, db, traced(first, nil), func(cfg *workflow.Config) { cfg.MeterProvider = nil })
		flow := starter.publish(t, chain(step("a", "delay", map[string]any{"duration": "10ms"})))
		run, err := starter.Start(starter.ctx, workflow.StartParams{WorkflowID: flow})
		if err != nil {
			t.Fatal(err)
		}
		other := setup(t, db, traced(second, nil), func(cfg *workflow.Config) { cfg.MeterProvider = nil })
		other.ctx, other.tenant = starter.ctx, starter.tenant
		other.wait(t, run.ID)
		eventually(t, func() bool { return len(second.of("workflow.run", run.ID)) == 1 })
		root := first.of("workflow.start", run.ID)[0].context
		for _, s := range append(second.of("workflow.node", run.ID), second.of("workflow.run", run.ID)...) {
			if s.context.TraceID() != root.TraceID() || s.context.IsSampled() {
				t.Errorf("%s is in the trace %v, want %v", s.name, s.context, root)
			}
		}
	})
}

// A delivery's run goes on in the sender's trace: by way of the host's span for
// the request, if it has one. Nobody writes into a trace without proof.
func TestTraceOfADelivery(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		recorded := &spans{}
		b := setup(t, db, withKeys(t), traced(recorded, &measurements{}))
		sent := traceparent.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		start := func(ctx context.Context, mode workflow.WebhookMode) *span {
			s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain()), Mode: mode})
			receipt, err := b.Deliver(ctx, s.key(), s.delivery(`{}`, traceparent.Header, traceparent.Format(sent)))
			if err != nil {
				t.Fatal(err)
			}
			return recorded.of("workflow.start", receipt.Run.ID)[0]
		}
		if got := start(t.Context(), workflow.WebhookHMAC); !got.parent.Equal(sent) || !got.context.IsSampled() {
			t.Errorf("the run began in %v, want %v", got.parent, sent)
		}
		ctx, request := (&tracer{all: recorded}).Start(t.Context(), "request of the host")
		if got := start(ctx, workflow.WebhookHMAC); !got.parent.Equal(request.SpanContext()) {
			t.Errorf("the run began in %v, want that of the host's span", got.parent)
		}
		if got := start(t.Context(), workflow.WebhookPublic); got.parent.IsValid() || got.context.TraceID() == sent.TraceID() {
			t.Errorf("a stranger began a run in %v", got.parent)
		}
	})
}

// Every way to start a run gives it a trace, and counts it.
func TestEveryRunIsTraced(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		recorded, m := &spans{}, &measurements{}
		b := setup(t, db, withKeys(t), traced(recorded, m))
		child := b.publish(t, chain())
		broken := chain(step("sub", "subWorkflow", map[string]any{"workflowId": child}), step("no", "transform", map[string]any{"value": "{{ input.missing }}"}))
		broken.Settings = &workflow.Settings{OnFailure: child}
		limited := chain()
		limited.Settings = &workflow.Settings{Concurrency: &workflow.Concurrency{Max: 1}}

		failed := b.run(t, b.publish(t, broken), nil)
		alone := b.run(t, b.publish(t, limited), nil)
		tested, err := b.Test(b.ctx, workflow.TestParams{Graph: chain()})
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.Retry(b.ctx, failed.ID, workflow.VersionSame)
		if err != nil {
			t.Fatal(err)
		}
		for name, run := range map[string]workflow.Run{
			"plain": failed.Run, "with a limit": alone.Run, "test": tested, "retry": again, "child": b.children(t, failed.ID, "sub")[0],
		} {
			if starts := recorded.of("workflow.start", run.ID); len(starts) != 1 {
				t.Errorf("%s: %d spans tell of the start", name, len(starts))
			}
		}
		for trigger, want := range map[workflow.Trigger]float64{workflow.TriggerGo: 4, workflow.TriggerRun: 1, workflow.TriggerFailure: 2} {
			eventually(t, func() bool {
				n, _ := m.sum("jetadmin.workflow.runs.started jetadmin.run.trigger=" + string(trigger))
				return n == want
			})
		}
	})
}

func TestMetricsOfRuns(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		m := &measurements{}
		b := setup(t, db, func(cfg *workflow.Config) { cfg.MeterProvider = m }, logging(func(call *workflow.Call) error {
			if call.Attempt == 1 {
				return errors.New("first")
			}
			return nil
		}))
		flaky := step("flaky", "logging", nil)
		flaky.Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
		b.run(t, b.publish(t, chain(flaky)), nil)
		b.run(t, b.publish(t, chain(step("never", "logging", nil))), nil)
		eventually(t, func() bool {
			_, n := m.sum("jetadmin.workflow.run.duration jetadmin.run.status=failed")
			return n == 1
		})
		for key, want := range map[string]float64{
			"jetadmin.workflow.runs.started jetadmin.run.trigger=go":                                     2,
			"jetadmin.workflow.runs.finished jetadmin.run.status=succeeded":                              1,
			"jetadmin.workflow.runs.finished jetadmin.run.status=failed":                                 1,
			"jetadmin.workflow.node.attempts jetadmin.node.outcome=retried,jetadmin.node.type=logging":   1,
			"jetadmin.workflow.node.attempts jetadmin.node.outcome=succeeded,jetadmin.node.type=logging": 1,
			"jetadmin.workflow.node.attempts jetadmin.node.outcome=failed,jetadmin.node.type=logging":    1,
			"jetadmin.workflow.nodes.in_flight ":                                                         0,
		} {
			if got, n := m.sum(key); got != want || n == 0 {
				t.Errorf("%s is %v after %d measurements, want %v", key, got, n, want)
			}
		}
		for _, key := range []string{
			"jetadmin.workflow.node.queue_delay jetadmin.node.type=logging", "jetadmin.workflow.batch.size jetadmin.batch.of=results",
			"jetadmin.workflow.node.duration jetadmin.node.outcome=failed,jetadmin.node.type=logging",
		} {
			if _, n := m.sum(key); n == 0 {
				t.Errorf("nothing was measured of %s", key)
			}
		}
	})
}

// The documentation names every span, metric and attribute.
func TestTelemetryIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range workflow.TelemetryNames() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/observability.md does not name %s", name)
		}
	}
	m := &measurements{}
	newBundle(t, testdb.SQLite(t), func(cfg *workflow.Config) { cfg.MeterProvider = m })
	for _, name := range m.instruments() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/observability.md does not name the metric %s", name)
		}
	}
}

// What telling of an attempt costs. Without providers it must be nothing.
func BenchmarkTelemetry(b *testing.B) {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.SpanContext{})
	b.Run("none", func(b *testing.B) {
		tell := workflow.Attempts(nil, nil)
		b.ReportAllocs()
		for b.Loop() {
			tell(ctx)
		}
	})
	b.Run("recorded", func(b *testing.B) {
		tell := workflow.Attempts(&spans{}, &measurements{})
		b.ReportAllocs()
		for b.Loop() {
			tell(ctx)
		}
	})
}

func TestTelemetryIsFreeWithoutProviders(t *testing.T) {
	tell := workflow.Attempts(nil, nil)
	if n := testing.AllocsPerRun(100, func() { tell(context.Background()) }); n != 0 {
		t.Errorf("an attempt costs %v allocations", n)
	}
}

// A run that a node starts belongs to the node's trace.
func TestTraceGoesOnInARunThatANodeStarts(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		recorded := &spans{sampled: true}
		var b *bundle
		var inner string
		started := make(chan string, 1)
		node := workflow.NodeFunc(workflow.NodeSpec{Type: "starts"}, func(ctx context.Context, _ *workflow.Call, _ struct{}) (any, error) {
			run, err := b.Start(auth.NewContext(ctx, auth.FromContext(b.ctx)), workflow.StartParams{WorkflowID: inner})
			started <- run.ID
			return nil, err
		})
		b = newBundle(t, db, traced(recorded, &measurements{}), func(cfg *workflow.Config) { cfg.Nodes = append(cfg.Nodes, node) })
		inner = b.publish(t, chain(step("a", "delay", map[string]any{"duration": "1ms"})))
		flow := b.publish(t, chain(step("outer", "starts", nil)))
		b.startEngine(t)
		outer := b.run(t, flow, nil)
		child := b.wait(t, <-started)
		eventually(t, func() bool { return len(recorded.of("workflow.run", child.ID)) == 1 })
		parent := recorded.of("workflow.node", outer.ID)
		begun := recorded.of("workflow.start", child.ID)[0]
		if len(begun.links) != 0 || begun.context.TraceID() != recorded.of("workflow.start", outer.ID)[0].context.TraceID() {
			t.Errorf("the child is in the trace %v, with the links %v", begun.context.TraceID(), begun.links)
		}
		for _, n := range parent {
			if n.value("jetadmin.node.key") == "outer" && begun.parent.SpanID() != n.context.SpanID() {
				t.Errorf("the parent of the child is %v, want %v", begun.parent, n.context)
			}
		}
	})
}
