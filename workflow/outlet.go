package workflow

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// outletPause is the least time between two flushes. What comes meanwhile goes
	// out together, so that it is asked once for a run and not for each event
	// whether anybody watches.
	outletPause = 10 * time.Millisecond

	// coalesceFrom is how many events of a run may wait before a newer state takes
	// the place of an older one.
	coalesceFrom = 64

	maxLogEvents = 256     // lines of a run that may wait
	maxOutlet    = 100_000 // events that may wait; beyond, those of the oldest run go
	maxBytes     = 32 << 20

	eventCost = 200 // bytes of an event beside its texts, roughly

	watchedTimeout = 2 * time.Second
)

// outlet publishes the events of runs, in order for each run, without making the
// engine wait for whoever carries them. Events that nobody may want are dropped
// before anything is made of them.
type outlet struct {
	publish Publish
	watched func(ctx context.Context, topics []string) []bool // nil = all are
	logger  *slog.Logger

	mu      sync.Mutex
	runs    map[string]*runEvents // that have events waiting
	order   []*runEvents          // the same, the first one first
	size    int
	bytes   int
	lost    int           // events dropped since that was last logged
	drained chan struct{} // closed when all is published; nil = nothing waits
}

// event is one of a run's. An older state of the same key is worth nothing.
type event struct {
	kind    string // "" = replaced by a newer one
	data    any
	awaited bool // published even if nobody watches yet
}

// runEvents are the events of a run that wait.
type runEvents struct {
	id      string
	list    []event
	places  map[string]int // of states in the list, by their keys; nil = not coalescing
	bytes   int
	logs    int // lines among them
	dropped int // lines left out
	awaited bool
}

func newOutlet(p Publish, watched func(context.Context, []string) []bool, logger *slog.Logger) *outlet {
	return &outlet{publish: p, watched: watched, logger: logger, runs: map[string]*runEvents{}}
}

func (o *outlet) send(runID string, e event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.runs[runID]
	if r == nil {
		r = &runEvents{id: runID}
		o.runs[runID] = r
		o.order = append(o.order, r)
	}
	size, bytes := len(r.list), r.bytes
	r.add(e)
	o.size, o.bytes = o.size+len(r.list)-size, o.bytes+r.bytes-bytes
	for (o.size > maxOutlet || o.bytes > maxBytes) && len(o.order) > 1 {
		o.dropOldest()
	}
	if o.drained == nil {
		o.drained = make(chan struct{})
		go o.drain()
	}
}

// dropOldest is for a carrier of events that is stuck: events are for watching,
// the truth is in the rows.
func (o *outlet) dropOldest() {
	oldest := o.order[0]
	o.order[0] = nil
	o.order = o.order[1:]
	delete(o.runs, oldest.id)
	o.size, o.bytes = o.size-len(oldest.list), o.bytes-oldest.bytes
	o.lost += len(oldest.list)
}

func (r *runEvents) add(e event) {
	r.awaited = r.awaited || e.awaited
	if e.kind == EventLog {
		if r.logs == maxLogEvents {
			r.dropped++
			return
		}
		r.logs++
	}
	r.list = append(r.list, e)
	r.bytes += e.bytes()
	if r.places != nil || len(r.list) >= coalesceFrom {
		r.coalesce()
	}
}

// coalesce replaces older states by the newest one of their key.
func (r *runEvents) coalesce() {
	if r.places == nil {
		r.places = make(map[string]int, len(r.list))
		for i := range r.list {
			r.replace(i)
		}
	} else {
		r.replace(len(r.list) - 1)
	}
	if len(r.places)+r.logs > len(r.list)/2 {
		return
	}
	kept := r.list[:0]
	for _, e := range r.list {
		if e.kind == "" {
			continue
		}
		if key := e.key(); key != "" {
			r.places[key] = len(kept)
		}
		kept = append(kept, e)
	}
	clear(r.list[len(kept):])
	r.list = kept
}

func (r *runEvents) replace(i int) {
	key := r.list[i].key()
	if key == "" {
		return
	}
	if older, ok := r.places[key]; ok {
		r.bytes -= r.list[older].bytes()
		r.list[older] = event{}
	}
	r.places[key] = i
}

// bytes is about what the event takes while it waits.
func (e *event) bytes() int {
	texts := 0
	switch data := e.data.(type) {
	case LogEvent:
		texts = len(data.Message) + len(data.Attributes)
	case NodeEvent:
		texts = data.Error.bytes()
	case RunEvent:
		texts = data.Error.bytes()
	case WaitEvent:
		texts = len(data.Title)
	}
	return eventCost + texts
}

func (e *event) key() string {
	if state, ok := e.data.(interface{ EventKey() string }); ok {
		return state.EventKey()
	}
	return ""
}

// drain lives only while there is something to publish, so that an idle service
// has no goroutine of it.
func (o *outlet) drain() {
	for {
		o.mu.Lock()
		batch := o.order
		lost := o.lost
		o.order, o.runs, o.size, o.bytes, o.lost = nil, map[string]*runEvents{}, 0, 0, 0
		if len(batch) == 0 {
			close(o.drained)
			o.drained = nil
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		if lost > 0 {
			o.logger.Warn("workflow events: too many wait, those of the oldest runs are lost", "events", lost)
		}
		o.publishAll(batch)
		sleep(context.Background(), outletPause)
	}
}

func (o *outlet) publishAll(batch []*runEvents) {
	wanted := o.wanted(batch)
	for i, r := range batch {
		if wanted[i] || r.awaited {
			r.each(func(e event) { o.publishOne(r.id, e) })
		}
	}
}

// wanted says of each run whether anybody may want its events.
func (o *outlet) wanted(batch []*runEvents) (wanted []bool) {
	if o.watched == nil {
		return everything(len(batch))
	}
	defer func() {
		if r := recover(); r != nil { // a function of the host must not take the process down
			o.logger.Error("workflow events: panic in Watched", "panic", r)
			wanted = everything(len(batch))
		}
	}()
	topics := make([]string, len(batch))
	for i, r := range batch {
		topics[i] = runTopic(r.id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), watchedTimeout)
	defer cancel()
	if wanted = o.watched(ctx, topics); len(wanted) != len(batch) {
		return everything(len(batch))
	}
	return wanted
}

func everything(n int) []bool {
	all := make([]bool, n)
	for i := range all {
		all[i] = true
	}
	return all
}

// each gives the events in their order, and what was left out at the end.
func (r *runEvents) each(publish func(event)) {
	for _, e := range r.list {
		if e.kind != "" {
			publish(e)
		}
	}
	if r.dropped > 0 {
		publish(event{kind: EventLog, data: LogEvent{RunID: r.id, Dropped: r.dropped}})
	}
}

func (o *outlet) publishOne(runID string, e event) {
	defer func() {
		if r := recover(); r != nil {
			o.logger.Error("workflow events: panic in Publish", "panic", r)
		}
	}()
	o.publish(context.Background(), runTopic(runID), e.kind, e.data)
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
