package workflow_test

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// spans is a TracerProvider that keeps what has ended.
type spans struct {
	tracenoop.TracerProvider
	sampled bool

	mu    sync.Mutex
	ended []*span
}

type tracer struct {
	tracenoop.Tracer
	all *spans
}

// span is one that was recorded.
type span struct {
	tracenoop.Span
	all        *spans
	name       string
	context    trace.SpanContext
	parent     trace.SpanContext
	links      []trace.Link
	attributes []attribute.KeyValue
	status     codes.Code
	start, end time.Time
}

func (s *spans) Tracer(string, ...trace.TracerOption) trace.Tracer { return &tracer{all: s} }

func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(options...)
	parent := trace.SpanContextFromContext(ctx)
	if c.NewRoot() {
		parent = trace.SpanContext{}
	}
	own := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags()}
	if !parent.IsValid() {
		_, _ = rand.Read(own.TraceID[:])
		own.TraceFlags = own.TraceFlags.WithSampled(t.all.sampled)
	}
	_, _ = rand.Read(own.SpanID[:])
	s := &span{all: t.all, name: name, context: trace.NewSpanContext(own), parent: parent, links: c.Links(), attributes: c.Attributes(), start: c.Timestamp()}
	if s.start.IsZero() {
		s.start = time.Now()
	}
	return trace.ContextWithSpan(ctx, s), s
}

func (s *span) SpanContext() trace.SpanContext   { return s.context }
func (s *span) SetStatus(c codes.Code, _ string) { s.status = c }
func (s *span) SetAttributes(more ...attribute.KeyValue) {
	s.attributes = append(s.attributes, more...)
}
func (s *span) TracerProvider() trace.TracerProvider { return s.all }
func (s *span) IsRecording() bool                    { return true }
func (s *span) End(options ...trace.SpanEndOption) {
	c := trace.NewSpanEndConfig(options...)
	if s.end = c.Timestamp(); s.end.IsZero() {
		s.end = time.Now()
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.all.ended = append(s.all.ended, s)
}

func (s *span) value(key string) string {
	for _, a := range s.attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// of are the spans of a name that have ended, of one run.
func (s *spans) of(name, runID string) []*span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*span
	for _, sp := range s.ended {
		if sp.name == name && sp.value("jetadmin.run.id") == runID {
			list = append(list, sp)
		}
	}
	return list
}

// measurements is a MeterProvider that keeps what was measured.
type measurements struct {
	metricnoop.MeterProvider

	mu     sync.Mutex
	names  []string
	values map[string][]float64 // by name and attributes
}

type meter struct {
	metricnoop.Meter
	all *measurements
}

func (m *measurements) Meter(string, ...metric.MeterOption) metric.Meter { return &meter{all: m} }

func (m *measurements) named(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names = append(m.names, name)
}

func (m *measurements) record(name string, value float64, set attribute.Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]float64{}
	}
	key := name + " " + set.Encoded(attribute.DefaultEncoder())
	m.values[key] = append(m.values[key], value)
}

// sum adds up what was measured under a name and attributes.
func (m *measurements) sum(key string) (total float64, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.values[key] {
		total += v
	}
	return total, len(m.values[key])
}

func (m *measurements) instruments() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.names)
}

type (
	upAndDown struct {
		metricnoop.Int64UpDownCounter
		instrument
	}
	plainCounter struct {
		metricnoop.Int64Counter
		instrument
	}
	floatHistogram struct {
		metricnoop.Float64Histogram
		instrument
	}
	intHistogram struct {
		metricnoop.Int64Histogram
		instrument
	}
	instrument struct {
		name string
		all  *measurements
	}
)

func (i instrument) add(v float64, options []metric.AddOption) {
	i.all.record(i.name, v, metric.NewAddConfig(options).Attributes())
}

func (i instrument) keep(v float64, options []metric.RecordOption) {
	i.all.record(i.name, v, metric.NewRecordConfig(options).Attributes())
}

func (c upAndDown) Add(_ context.Context, n int64, o ...metric.AddOption)              { c.add(float64(n), o) }
func (c plainCounter) Add(_ context.Context, n int64, o ...metric.AddOption)           { c.add(float64(n), o) }
func (h floatHistogram) Record(_ context.Context, v float64, o ...metric.RecordOption) { h.keep(v, o) }
func (h intHistogram) Record(_ context.Context, n int64, o ...metric.RecordOption) {
	h.keep(float64(n), o)
}

func (m *meter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	m.all.named(name)
	return plainCounter{instrument: instrument{name, m.all}}, nil
}

func (m *meter) Int64UpDownCounter(name string, _ ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	m.all.named(name)
	return upAndDown{instrument: instrument{name, m.all}}, nil
}

func (m *meter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	m.all.named(name)
	return floatHistogram{instrument: instrument{name, m.all}}, nil
}

func (m *meter) Int64Histogram(name string, _ ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	m.all.named(name)
	return intHistogram{instrument: instrument{name, m.all}}, nil
}
