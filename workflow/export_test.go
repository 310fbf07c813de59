package workflow

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// What tests in package workflow_test see of the inside.

// Advance plays a graph to its end without a database: outcome gives the port
// that a node takes ("" = none of its edges). It returns the final states, and
// how often each node became ready.
func Advance(g Graph, nodes []Node, outcome func(key string) string, pick func(n int) int) (map[string]NodeStatus, map[string]int, error) {
	types, err := newCatalogue(nodes)
	if err != nil {
		return nil, nil, err
	}
	p, err := compile(g, types)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]nodeState{}
	ready := map[string]int{}
	open := []string{p.start}
	ready[p.start]++
	known[p.start] = nodeState{Status: NodeReady}
	for len(open) > 0 {
		i := pick(len(open))
		key := open[i]
		open = append(open[:i:i], open[i+1:]...)
		known[key] = nodeState{Status: NodeSucceeded, Decided: known[key].Decided, Taken: known[key].Taken}
		for _, c := range p.advance(known, key, outcome(key)) {
			before := known[c.key].Status
			if c.state.Status == NodeReady && before != NodeReady && before != NodeSucceeded {
				ready[c.key]++
				open = append(open, c.key)
			}
			if before == NodeSucceeded {
				c.state.Status = before
			}
			known[c.key] = c.state
		}
	}
	final := map[string]NodeStatus{}
	for k, s := range known {
		final[k] = s.Status
	}
	return final, ready, nil
}

// BackOff is the longest pause before attempt+1.
func (r *Retry) BackOff(attempt int) time.Duration { return r.backOff(attempt) }

// Abandon stops the engine as kill -9 would: nothing is handed back, and the
// lease stays until it runs out.
func (s *Service) Abandon() {
	e := s.engine
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	idle := e.crew.dismiss()
	e.cancel()
	e.inFlight.stop()
	<-idle
	e.loops.Wait()
	e.started = false
	s.events.flush(context.Background())
}

// Freed is how many slots the service remembers to look at.
func (s *Service) Freed() int {
	f := &s.engine.aftermath.freed
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.slots)
}

// CleanText and AttributesOf are what is kept of a line.
func CleanText(s string, limit int) (string, bool) { return cleanText(s, limit) }

func AttributesOf(attrs []slog.Attr, limit int) string {
	if text, _ := attributesOf(attrs, limit); text != nil {
		return *text
	}
	return ""
}

// Outlet is an outlet without a service.
type Outlet struct{ o *outlet }

func NewOutlet(p Publish) Outlet { return Outlet{newOutlet(p, nil, slog.New(slog.DiscardHandler))} }

func (o Outlet) Watched(f func(context.Context, []string) []bool) { o.o.watched = f }

func (o Outlet) Node(runID, key string, status NodeStatus, attempt int) {
	o.o.node(context.Background(), &nodeRow{RunID: runID, Key: key, Status: status, Attempt: attempt}, "", nil, nil)
}

func (o Outlet) Log(runID string, seq int) { o.o.log(&logRow{RunID: runID, Seq: seq}) }

func (o Outlet) Line(runID, text string) { o.o.log(&logRow{RunID: runID, Message: text}) }

func (o Outlet) Flush(ctx context.Context) { o.o.flush(ctx) }

func (o Outlet) Waiting() int {
	o.o.mu.Lock()
	defer o.o.mu.Unlock()
	return o.o.size
}

// TelemetryNames are the names that the engine gives to OpenTelemetry.
func TelemetryNames() []string { return telemetryNames() }

// Attempts returns a function that tells of one attempt.
func Attempts(traces trace.TracerProvider, metrics metric.MeterProvider) func(context.Context) {
	t, err := newTelemetry(traces, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	header := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := &claim{
		node: nodeRow{Key: "a", Attempt: 1}, run: runRow{Trace: &header},
		plan: &plan{nodes: map[string]*planNode{"a": {def: &GraphNode{Type: "t"}}}},
	}
	return func(ctx context.Context) {
		_, ended := t.attempt(ctx, c)
		ended(outcome{status: NodeSucceeded})
	}
}

// Due looks at the agenda and names the duties that are due.
func (s *Service) Due(ctx context.Context) ([]string, error) {
	due, err := s.engine.lookUp(ctx)
	var names []string
	for i, d := range s.engine.agenda.all {
		if due[i] {
			names = append(names, d.name)
		}
	}
	return names, err
}
