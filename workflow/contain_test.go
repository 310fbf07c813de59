package workflow_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// What panics at every touch: the logger, the tracer and the instruments of a host.

type panics struct{ slog.Handler }

func (panics) Handle(context.Context, slog.Record) error { panic("logger") }

type panicTracers struct{ tracenoop.TracerProvider }

func (panicTracers) Tracer(string, ...trace.TracerOption) trace.Tracer { return panicTracer{} }

type panicTracer struct{ tracenoop.Tracer }

func (panicTracer) Start(context.Context, string, ...trace.SpanStartOption) (context.Context, trace.Span) {
	panic("tracer")
}

type panicMeters struct{ metricnoop.MeterProvider }

func (panicMeters) Meter(string, ...metric.MeterOption) metric.Meter { return panicMeter{} }

type panicMeter struct{ metricnoop.Meter }

func (panicMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return panicCounter{}, nil
}

func (panicMeter) Int64Histogram(string, ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return panicHistogram{}, nil
}

type panicCounter struct{ metricnoop.Int64Counter }

func (panicCounter) Add(context.Context, int64, ...metric.AddOption) { panic("counter") }

type panicHistogram struct{ metricnoop.Int64Histogram }

func (panicHistogram) Record(context.Context, int64, ...metric.RecordOption) { panic("histogram") }

// Whatever of the host panics, no run notices, and the process goes on.
func TestWhatTheHostPanicsAtIsContained(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withNodes(refuse()), func(c *workflow.Config) {
			c.Logger = slog.New(panics{slog.DiscardHandler})
			c.TracerProvider, c.MeterProvider = panicTracers{}, panicMeters{}
			c.Publish = func(context.Context, string, string, any) { panic("publish") }
			c.Watched = func(context.Context, []string) []bool { panic("watched") }
			c.Hooks.AfterEnd = func(context.Context, workflow.Run) { panic("afterEnd") }
		})
		flow := b.publish(t, chain(step("nap", "delay", map[string]any{"duration": "10ms"}), step("a", "transform", map[string]any{"value": 1})))
		for range 3 {
			if d := b.run(t, flow, nil); d.Status != workflow.RunSucceeded {
				t.Errorf("%s: %+v", d.Status, d.Error)
			}
		}
		if d := b.run(t, b.publish(t, chain(step("no", "refuse", nil))), nil); d.Status != workflow.RunFailed {
			t.Errorf("%s: %+v", d.Status, d.Error)
		}
		wait := b.asked(t, b.ctx, b.publish(t, approving(nil)), nil)
		if _, err := b.Answer(b.ctx, wait.ID, yes()); err != nil {
			t.Error(err)
		}
		b.wait(t, wait.RunID)
	})
}

// A start that panics, in a hook of the host, is the trouble of what is started
// alone: of a schedule, of a failure handler.
func TestAStartThatPanicsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		bad := map[string]bool{}
		b := setup(t, db, withNodes(refuse()), func(c *workflow.Config) {
			c.Hooks.BeforeStart = func(_ context.Context, p workflow.StartParams) error {
				mu.Lock()
				defer mu.Unlock()
				if bad[p.WorkflowID] {
					panic("beforeStart")
				}
				return nil
			}
		})
		failing, handler := b.failing(t)
		good, handled := b.failing(t)
		planned := b.publish(t, chain())
		mu.Lock()
		bad[handler], bad[planned] = true, true
		mu.Unlock()
		b.run(t, failing, nil)
		b.run(t, good, nil)
		eventually(t, func() bool { return len(b.runsOf(t, handled)) == 1 })
		s := b.schedule(t, workflow.NewSchedule{WorkflowID: planned})
		s = b.fired(t, s.ID, b.turnBack(t, s.ID, time.Now()))
		if s.LastError == nil || s.LastError.Code != "schedule_crashed" {
			t.Errorf("the schedule: %s", encoded(s))
		}
	})
}
