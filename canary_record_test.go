package jetadmin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// record keeps everything that comes out of an App.
type record struct {
	secrets *secrets

	mu    sync.Mutex
	all   []output
	seen  map[int]int // replies by status
	calls []string    // status, method and path of each
}

// output is something that came out, and the one secret that may be in it.
type output struct {
	where  string
	text   []byte
	except string
}

func newRecord(s *secrets) *record {
	return &record{secrets: s, seen: map[int]int{}}
}

// add keeps what came out. The token of the first start is told by the log, and by
// nothing else.
func (r *record) add(where string, text []byte, except string) {
	if token := setupToken.Find(text); token != nil && strings.HasPrefix(where, "the log") {
		except = string(token)
		r.secrets.known("the token of the first start", except, visible(except))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, output{where, text, except})
}

func (r *record) note(where, format string, args ...any) {
	r.add(where, fmt.Appendf(nil, format, args...), "")
}

// findings are the secrets in all that came out.
func (r *record) findings() (found []finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.all {
		found = append(found, r.secrets.search(o.where, o.text, o.except)...)
	}
	return found
}

// tap is a transport that keeps replies. Every credential that it sends, and every
// one that it sees for the first time, is a secret from then on.
type tap struct {
	http.RoundTripper
	record *record
}

var (
	credential = regexp.MustCompile(`\bj(?:a[a-z]|ws)_[A-Za-z0-9_-]{30,}`)
	setupToken = regexp.MustCompile(`\bjau_[A-Z2-7]{30,}`)
	// issuing are the requests whose replies have the credential that they make, the
	// only time that it is shown.
	issuing = regexp.MustCompile(`^POST .*(/auth/login|/auth/setup|/auth/password|/apikeys|/invitations|/webhooks|/(?:apikeys|webhooks)/[^/]+/rotate)$|^GET .*/auth/oidc/[^/]+/callback$`)
)

// visible is how much of a credential anybody may see: its kind, and of an API key
// the beginning by which people tell keys apart.
func visible(credential string) int {
	if strings.HasPrefix(credential, "jak_") {
		return len("jak_") + 12
	}
	return len("jas_")
}

func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, values := range r.Header {
		for _, token := range credential.FindAllString(strings.Join(values, " "), -1) {
			t.record.secrets.known("a credential that was sent", token, visible(token))
		}
	}
	reply, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return reply, err
	}
	body, err := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	reply.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
	what := r.Method + " " + r.URL.Path
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s\n%v\n%v\n", reply.Status, reply.Header, reply.Trailer)
	except := ""
	for i, token := range credential.FindAllString(head.String()+string(body), -1) {
		t.record.secrets.known("what "+what+" gave out", token, visible(token))
		if i == 0 && issuing.MatchString(what) && reply.StatusCode < 400 {
			except = token
		}
	}
	t.record.add("the reply to "+what, append(head.Bytes(), body...), except)
	t.record.count(what, reply.StatusCode)
	return reply, nil
}

// broken is the end of a body, or what has come instead.
type broken struct{ error }

func (b broken) Read([]byte) (int, error) {
	if b.error == nil {
		return 0, io.EOF
	}
	return 0, b.error
}

// count takes down the status of a reply, by what was asked for.
func (r *record) count(what string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[status]++
	r.calls = append(r.calls, fmt.Sprint(status, " ", what))
}

// logger keeps every line, as JSON and as a handler would write it that asks no
// value how it wants to be written.
func (r *record) logger() *slog.Logger {
	return slog.New(lines{r, slog.NewJSONHandler(into{r, "the log, as JSON"}, &slog.HandlerOptions{Level: slog.LevelDebug})})
}

type lines struct {
	record *record
	slog.Handler
}

func (l lines) Handle(ctx context.Context, line slog.Record) error {
	l.record.note("the log", "%s", line.Message)
	line.Attrs(func(a slog.Attr) bool {
		l.record.note("the log", "%s=%+v %#v", a.Key, a.Value.Any(), a.Value.Any())
		return true
	})
	return l.Handler.Handle(ctx, line)
}

func (l lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.record.note("the log", "%+v", attrs)
	return lines{l.record, l.Handler.WithAttrs(attrs)}
}

func (l lines) WithGroup(name string) slog.Handler { return lines{l.record, l.Handler.WithGroup(name)} }

type into struct {
	record *record
	where  string
}

func (w into) Write(text []byte) (int, error) {
	w.record.add(w.where, bytes.Clone(text), "")
	return len(text), nil
}

// watch keeps the frames of a socket until it ends.
func (r *record) watch(s *wire, done *sync.WaitGroup) {
	done.Go(func() {
		for {
			_, text, err := s.ws.Read(context.Background())
			if err != nil {
				r.note("the end of a socket", "%v", err)
				return
			}
			var f frame
			_ = json.Unmarshal(text, &f)
			r.add("an event "+f.Op+" "+f.Type, text, "")
		}
	})
}

// sockets are the clients of live events of a test. Frames are kept until close.
type sockets struct {
	record *record
	done   sync.WaitGroup
	open   []*wire
}

func (s *sockets) add(c *caller, topics ...string) {
	socket := c.wire().signIn(c)
	for _, topic := range topics {
		socket.send(object{"id": topic, "op": "subscribe", "topic": topic, "since": 0})
	}
	s.open = append(s.open, socket)
	s.record.watch(socket, &s.done)
}

func (s *sockets) close() {
	for _, open := range s.open {
		_ = open.ws.Close(websocket.StatusNormalClosure, "")
	}
	s.done.Wait()
}

// tracing keeps what spans are given.
type tracing struct {
	tracenoop.TracerProvider
	record *record
}

type tracingTracer struct {
	tracenoop.Tracer
	record *record
}

type tracingSpan struct {
	tracenoop.Span
	record  *record
	context trace.SpanContext
}

func (p tracing) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return tracingTracer{record: p.record}
}

func (t tracingTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	c := trace.NewSpanStartConfig(options...)
	t.record.note("a span", "%s %v %v", name, c.Attributes(), c.Links())
	own := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	_, _ = rand.Read(own.TraceID[:])
	_, _ = rand.Read(own.SpanID[:])
	s := tracingSpan{record: t.record, context: trace.NewSpanContext(own)}
	return trace.ContextWithSpan(ctx, s), s
}

func (s tracingSpan) SpanContext() trace.SpanContext        { return s.context }
func (s tracingSpan) IsRecording() bool                     { return true }
func (s tracingSpan) SetName(name string)                   { s.record.note("a span", "%s", name) }
func (s tracingSpan) SetStatus(_ codes.Code, text string)   { s.record.note("a span", "%s", text) }
func (s tracingSpan) SetAttributes(a ...attribute.KeyValue) { s.record.note("a span", "%v", a) }
func (s tracingSpan) AddLink(l trace.Link)                  { s.record.note("a span", "%v", l) }
func (s tracingSpan) AddEvent(name string, o ...trace.EventOption) {
	c := trace.NewEventConfig(o...)
	s.record.note("a span", "%s %v", name, c.Attributes())
}
func (s tracingSpan) RecordError(err error, o ...trace.EventOption) {
	c := trace.NewEventConfig(o...)
	s.record.note("a span", "%v %v", err, c.Attributes())
}
func (s tracingSpan) TracerProvider() trace.TracerProvider { return tracing{record: s.record} }

// metering keeps the names and attributes of what is measured.
type metering struct {
	metricnoop.MeterProvider
	record *record
}

type meteringMeter struct {
	metricnoop.Meter
	record *record
}

type (
	meteredCounter struct {
		metricnoop.Int64Counter
		record *record
	}
	meteredUpDown struct {
		metricnoop.Int64UpDownCounter
		record *record
	}
	meteredFloats struct {
		metricnoop.Float64Histogram
		record *record
	}
	meteredInts struct {
		metricnoop.Int64Histogram
		record *record
	}
)

func (p metering) Meter(string, ...metric.MeterOption) metric.Meter {
	return meteringMeter{record: p.record}
}

func (c meteredCounter) Add(_ context.Context, _ int64, o ...metric.AddOption) {
	c.record.measured(metric.NewAddConfig(o).Attributes())
}
func (c meteredUpDown) Add(_ context.Context, _ int64, o ...metric.AddOption) {
	c.record.measured(metric.NewAddConfig(o).Attributes())
}
func (h meteredFloats) Record(_ context.Context, _ float64, o ...metric.RecordOption) {
	h.record.measured(metric.NewRecordConfig(o).Attributes())
}
func (h meteredInts) Record(_ context.Context, _ int64, o ...metric.RecordOption) {
	h.record.measured(metric.NewRecordConfig(o).Attributes())
}

func (r *record) measured(set attribute.Set) {
	r.note("a metric", "%s", set.Encoded(attribute.DefaultEncoder()))
}

func (m meteringMeter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	m.record.note("a metric", "%s", name)
	return meteredCounter{record: m.record}, nil
}

func (m meteringMeter) Int64UpDownCounter(name string, _ ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	m.record.note("a metric", "%s", name)
	return meteredUpDown{record: m.record}, nil
}

func (m meteringMeter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	m.record.note("a metric", "%s", name)
	return meteredFloats{record: m.record}, nil
}

func (m meteringMeter) Int64Histogram(name string, _ ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	m.record.note("a metric", "%s", name)
	return meteredInts{record: m.record}, nil
}
