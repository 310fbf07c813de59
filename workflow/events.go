package workflow

import (
	"context"
	"sync"
)

// The kinds of events on the topic "run:<id>".
const (
	EventRun  = "run.updated"      // data: RunEvent
	EventNode = "run.node.updated" // data: NodeEvent
)

// RunEvent says where a run stands now.
type RunEvent struct {
	ID     string    `json:"id"`
	Status RunStatus `json:"status"`
	Error  *Failure  `json:"error,omitempty"`
}

// NodeEvent says where a node of a run stands now.
type NodeEvent struct {
	RunID   string     `json:"runId"`
	Key     string     `json:"key"`
	Status  NodeStatus `json:"status"`
	Attempt int        `json:"attempt"`
	Port    string     `json:"port,omitempty"`
	Error   *Failure   `json:"error,omitempty"`
}

// maxOutlet bounds the events that wait to be published. Beyond it the oldest
// are dropped: events are for watching, the truth is in the rows.
const maxOutlet = 10_000

// outlet publishes events in order without making the engine wait for whoever
// carries them.
type outlet struct {
	publish Publish

	mu      sync.Mutex
	pending []event
	drained chan struct{} // closed when all is published; nil = nothing is
}

type event struct {
	ctx   context.Context
	topic string
	kind  string
	data  any
}

func newOutlet(p Publish) *outlet {
	return &outlet{publish: p}
}

func (o *outlet) run(ctx context.Context, r *runRow, f *Failure) {
	o.send(event{ctx, "run:" + r.ID, EventRun, RunEvent{ID: r.ID, Status: r.Status, Error: f}})
}

func (o *outlet) node(ctx context.Context, n *nodeRow, port string, f *Failure) {
	o.send(event{ctx, "run:" + n.RunID, EventNode, NodeEvent{
		RunID: n.RunID, Key: n.Key, Status: n.Status, Attempt: n.Attempt, Port: port, Error: f,
	}})
}

func (o *outlet) send(e event) {
	e.ctx = context.WithoutCancel(e.ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) >= maxOutlet {
		o.pending = o.pending[1:]
	}
	o.pending = append(o.pending, e)
	if o.drained == nil {
		o.drained = make(chan struct{})
		go o.drain()
	}
}

// drain lives only while there is something to publish, so that an idle service
// has no goroutine of it.
func (o *outlet) drain() {
	for {
		o.mu.Lock()
		batch := o.pending
		o.pending = nil
		if len(batch) == 0 {
			close(o.drained)
			o.drained = nil
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		for _, e := range batch {
			o.publishOne(e)
		}
	}
}

func (o *outlet) publishOne(e event) {
	defer func() { _ = recover() }() // a host's Publish must not take the process down
	o.publish(e.ctx, e.topic, e.kind, e.data)
}

// flush waits until everything sent so far is published, or the context ends:
// whoever carries events may be stuck.
func (o *outlet) flush(ctx context.Context) {
	o.mu.Lock()
	drained := o.drained
	o.mu.Unlock()
	if drained == nil {
		return
	}
	select {
	case <-drained:
	case <-ctx.Done():
	}
}

// EventKey names the state that the event tells: a newer one makes it worthless.
func (RunEvent) EventKey() string { return "run" }

// EventKey names the state that the event tells: a newer one makes it worthless.
func (e NodeEvent) EventKey() string { return "node:" + e.Key }
