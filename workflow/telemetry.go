package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/internal/traceparent"
)

// scope names the library to OpenTelemetry.
const scope = "github.com/jetadmin/jetadmin/workflow"

// The names of spans, metrics and attributes. docs/observability.md explains
// them; a test compares.
const (
	spanStart = "workflow.start"
	spanNode  = "workflow.node"
	spanRun   = "workflow.run"

	metricRunsStarted  = "jetadmin.workflow.runs.started"
	metricRunsFinished = "jetadmin.workflow.runs.finished"
	metricRunDuration  = "jetadmin.workflow.run.duration"
	metricAttempts     = "jetadmin.workflow.node.attempts"
	metricNodeDuration = "jetadmin.workflow.node.duration"
	metricQueueDelay   = "jetadmin.workflow.node.queue_delay"
	metricInFlight     = "jetadmin.workflow.nodes.in_flight"
	metricLapses       = "jetadmin.workflow.lease.lapses"
	metricBatch        = "jetadmin.workflow.batch.size"

	keyTenant   = attribute.Key("jetadmin.tenant.id")
	keyWorkflow = attribute.Key("jetadmin.workflow.id")
	keyVersion  = attribute.Key("jetadmin.workflow.version")
	keyRun      = attribute.Key("jetadmin.run.id")
	keyTrigger  = attribute.Key("jetadmin.run.trigger")
	keyStatus   = attribute.Key("jetadmin.run.status")
	keyNode     = attribute.Key("jetadmin.node.key")
	keyType     = attribute.Key("jetadmin.node.type")
	keyAttempt  = attribute.Key("jetadmin.node.attempt")
	keyOutcome  = attribute.Key("jetadmin.node.outcome")
	keyBatch    = attribute.Key("jetadmin.batch.of")
)

// telemetryNames are all of them.
func telemetryNames() []string {
	names := []string{
		spanStart, spanNode, spanRun,
		metricRunsStarted, metricRunsFinished, metricRunDuration, metricAttempts, metricNodeDuration, metricQueueDelay,
		metricInFlight, metricLapses, metricBatch,
	}
	for _, key := range []attribute.Key{
		keyTenant, keyWorkflow, keyVersion, keyRun, keyTrigger, keyStatus, keyNode, keyType, keyAttempt, keyOutcome, keyBatch,
	} {
		names = append(names, string(key))
	}
	return names
}

// telemetry tells OpenTelemetry what the engine does. A nil one does nothing, and
// costs nothing.
type telemetry struct {
	tracer trace.Tracer // nil = no traces
	meters *meters      // nil = no metrics
	logger *slog.Logger
}

// contain is deferred by whatever calls the host's providers: what they do must
// not stop a run, nor the process.
func (t *telemetry) contain() {
	if r := recover(); r != nil {
		t.logger.Error("workflow telemetry: panic", "panic", r, "stack", string(debug.Stack()))
	}
}

// meters are the instruments, with their sets of attributes made once.
type meters struct {
	runsStarted, runsFinished, attempts, lapses metric.Int64Counter
	runDuration, nodeDuration, queueDelay       metric.Float64Histogram
	inFlight                                    metric.Int64UpDownCounter
	batch                                       metric.Int64Histogram

	sets sync.Map // metric.MeasurementOption by measured
}

// measured are values of attributes; empty ones do not count.
type measured struct{ typ, outcome, status, trigger, batch string }

func newTelemetry(traces trace.TracerProvider, metrics metric.MeterProvider, logger *slog.Logger) (*telemetry, error) {
	if traces == nil && metrics == nil {
		return nil, nil
	}
	t := &telemetry{logger: logger}
	if traces != nil {
		t.tracer = traces.Tracer(scope)
	}
	if metrics == nil {
		return t, nil
	}
	var err error
	if t.meters, err = newMeters(metrics.Meter(scope)); err != nil {
		return nil, fmt.Errorf("workflow.Config.MeterProvider: %w", err)
	}
	return t, nil
}

func newMeters(m metric.Meter) (*meters, error) {
	var errs []error
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	seconds := func(name, description string, bounds ...float64) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return h
	}
	all := &meters{
		runsStarted:  counter(metricRunsStarted, "{run}", "Runs that were started"),
		runsFinished: counter(metricRunsFinished, "{run}", "Runs that have ended"),
		attempts:     counter(metricAttempts, "{attempt}", "Attempts at nodes"),
		lapses:       counter(metricLapses, "{lapse}", "How often the lease of a process ran out while it lived"),
		runDuration:  seconds(metricRunDuration, "From the start of a run to its end", .01, .05, .1, .5, 1, 5, 10, 60, 300, 3600, 86400),
		nodeDuration: seconds(metricNodeDuration, "How long an attempt at a node took", .001, .005, .01, .05, .1, .5, 1, 5, 10, 60, 300),
		queueDelay:   seconds(metricQueueDelay, "From a node being ready to its first attempt", .001, .005, .01, .05, .1, .5, 1, 5, 10, 60, 300),
	}
	var err error
	all.inFlight, err = m.Int64UpDownCounter(metricInFlight, metric.WithUnit("{node}"), metric.WithDescription("Nodes that run"))
	errs = append(errs, err)
	all.batch, err = m.Int64Histogram(metricBatch, metric.WithUnit("{item}"), metric.WithDescription("Items stored in one transaction"),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256))
	errs = append(errs, err)
	return all, errors.Join(errs...)
}

// with is the option that gives a measurement its attributes.
func (m *meters) with(values measured) metric.MeasurementOption {
	if set, ok := m.sets.Load(values); ok {
		return set.(metric.MeasurementOption)
	}
	var attributes []attribute.KeyValue
	for _, a := range []attribute.KeyValue{
		keyType.String(values.typ), keyOutcome.String(values.outcome), keyStatus.String(values.status),
		keyTrigger.String(values.trigger), keyBatch.String(values.batch),
	} {
		if a.Value.AsString() != "" {
			attributes = append(attributes, a)
		}
	}
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	m.sets.Store(values, set)
	return set
}

func (m *meters) count(c metric.Int64Counter, values measured) {
	c.Add(context.Background(), 1, m.with(values))
}

func nothing() {}

// begin makes the trace of a run that is about to be stored, and writes it into
// the row, so that whichever process goes on with the run goes on with its trace.
// The function that it returns is for when the run is stored.
//
// A run that a node or another system starts belongs to its trace, see [continued].
// Any other has a trace of its own, with a link to the caller's.
func (t *telemetry) begin(ctx context.Context, r *runRow) (stored func()) {
	if t == nil || t.tracer == nil {
		return nothing
	}
	options := []trace.SpanStartOption{trace.WithAttributes(r.attributes()...), trace.WithSpanKind(trace.SpanKindProducer)}
	if caller := trace.SpanContextFromContext(ctx); caller.IsValid() && !isContinued(ctx) {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: caller}))
	}
	stored = nothing
	defer t.contain()
	_, span := t.tracer.Start(ctx, spanStart, options...)
	if header := traceparent.Format(span.SpanContext()); header != "" {
		r.Trace = &header
	}
	return func() {
		defer t.contain()
		span.End()
	}
}

func (r *runRow) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		keyTenant.String(r.TenantID), keyWorkflow.String(r.WorkflowID), keyVersion.Int(r.WorkflowVersion), keyRun.String(r.ID),
		keyTrigger.String(string(r.Trigger)),
	}
}

// inTrace is the context in which the spans of a run are made; false when the run
// has no trace.
func (r *runRow) inTrace(ctx context.Context) (context.Context, bool) {
	if r.Trace == nil {
		return ctx, false
	}
	c := traceparent.Parse(*r.Trace)
	return trace.ContextWithRemoteSpanContext(ctx, c), c.IsValid()
}

// started counts a run that is stored.
func (t *telemetry) started(r *runRow) {
	if t == nil || t.meters == nil {
		return
	}
	defer t.contain()
	t.meters.count(t.meters.runsStarted, measured{trigger: string(r.Trigger)})
}

// ended tells of a run that this process has brought to its end.
func (t *telemetry) ended(r *runRow) {
	if t == nil || r.FinishedAt == nil {
		return
	}
	defer t.contain()
	if m := t.meters; m != nil {
		with := m.with(measured{status: string(r.Status)})
		m.runsFinished.Add(context.Background(), 1, with)
		m.runDuration.Record(context.Background(), r.FinishedAt.Sub(r.CreatedAt).Seconds(), with)
	}
	if t.tracer == nil {
		return
	}
	ctx, ok := r.inTrace(context.Background())
	if !ok {
		return
	}
	_, span := t.tracer.Start(ctx, spanRun, trace.WithTimestamp(r.CreatedAt),
		trace.WithAttributes(append(r.attributes(), keyStatus.String(string(r.Status)))...))
	if r.Status != RunSucceeded && r.Status != RunCancelled {
		span.SetStatus(codes.Error, string(r.Status))
	}
	span.End(trace.WithTimestamp(*r.FinishedAt))
}

type continuedKey struct{}

// continued lets the runs that are started in a context go on in its trace.
func continued(ctx context.Context) context.Context {
	return context.WithValue(ctx, continuedKey{}, true)
}

func isContinued(ctx context.Context) bool { return ctx.Value(continuedKey{}) != nil }

// attempt tells of an attempt at a node, until the function that it returns is
// called with what it came to. Whatever is called in the context belongs to the
// attempt's span.
func (t *telemetry) attempt(ctx context.Context, c *claim) (within context.Context, ended func(outcome)) {
	within, ended = ctx, func(outcome) {}
	if t == nil {
		return within, ended
	}
	defer t.contain()
	began, typ := time.Now(), c.def().def.Type
	var span trace.Span
	if t.tracer != nil {
		ctx = continued(ctx)
		if inTrace, ok := c.run.inTrace(ctx); ok {
			ctx, span = t.tracer.Start(inTrace, spanNode, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
				keyTenant.String(c.run.TenantID), keyWorkflow.String(c.run.WorkflowID), keyRun.String(c.run.ID),
				keyNode.String(c.node.Key), keyType.String(typ), keyAttempt.Int(c.node.Attempt),
			))
		}
	}
	if m := t.meters; m != nil {
		m.inFlight.Add(ctx, 1)
		if n := &c.node; n.Attempt == 1 && n.Losses == 0 && n.ReadyAt != nil && n.StartedAt != nil {
			m.queueDelay.Record(ctx, max(0, n.StartedAt.Sub(*n.ReadyAt).Seconds()), m.with(measured{typ: typ}))
		}
	}
	return ctx, func(o outcome) {
		defer t.contain()
		if m := t.meters; m != nil {
			with := m.with(measured{typ: typ, outcome: o.name()})
			m.inFlight.Add(ctx, -1)
			m.attempts.Add(ctx, 1, with)
			m.nodeDuration.Record(ctx, time.Since(began).Seconds(), with)
		}
		if span == nil {
			return
		}
		span.SetAttributes(keyOutcome.String(o.name()))
		if o.failure != nil { // in public words
			span.SetStatus(codes.Error, o.failure.Code+": "+o.failure.Message)
		}
		span.End()
	}
}

// name is what an attempt came to, in one word.
func (o *outcome) name() string {
	switch {
	case o.cause != nil:
		return "abandoned" // its process stops, its run has ended, the database was away
	case o.status == NodeReady:
		return "retried"
	}
	return string(o.status)
}

// lapsed counts a lease that ran out while its process lived.
func (t *telemetry) lapsed() {
	if t == nil || t.meters == nil {
		return
	}
	defer t.contain()
	t.meters.lapses.Add(context.Background(), 1)
}

// batched tells how many items are stored in one transaction.
func (t *telemetry) batched(of string, items int) {
	if t == nil || t.meters == nil {
		return
	}
	defer t.contain()
	t.meters.batch.Record(context.Background(), int64(items), t.meters.with(measured{batch: of}))
}
