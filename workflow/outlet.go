package workflow

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// outletPause is the least time between two flushes. What comes meanwhile goes
	// out together, so that it is asked once for a topic and not for each event
	// whether anybody watches.
	outletPause = 10 * time.Millisecond

	// coalesceFrom is how many events of a topic may wait before a newer state takes
	// the place of an older one.
	coalesceFrom = 64

	maxLogEvents = 256     // lines of a run that may wait
	maxOutlet    = 100_000 // events that may wait; beyond, those of the oldest topic go
	maxBytes     = 32 << 20

	eventCost = 200 // bytes of an event beside its texts, roughly

	watchedTimeout = 2 * time.Second
)

// outlet publishes the events of topics, in order for each topic, without making the
// engine wait for whoever carries them. Events that nobody may want are dropped
// before anything is made of them.
type outlet struct {
	publish Publish
	watched func(ctx context.Context, topics []string) []bool // nil = all are
	logger  *slog.Logger

	mu      sync.Mutex
	topics  map[topic]*topicEvents // that have events waiting
	order   []*topicEvents         // the same, the first one first
	size    int
	bytes   int
	lost    int           // events dropped since that was last logged
	drained chan struct{} // closed when all is published; nil = nothing waits
}

// topic names what somebody watches: "run:<id>" or "workflow:<id>".
type topic struct{ kind, id string }

func (t topic) String() string { return t.kind + ":" + t.id }

// event is one of a topic's. An older state of the same key is worth nothing.
type event struct {
	kind    string // "" = replaced by a newer one
	data    any
	awaited bool // published even if nobody watches yet
}

// topicEvents are the events of a topic that wait.
type topicEvents struct {
	topic   topic
	list    []event
	places  map[string]int // of states in the list, by their keys; nil = not coalescing
	bytes   int
	logs    int // lines among them
	dropped int // lines left out
	awaited bool
}

func newOutlet(p Publish, watched func(context.Context, []string) []bool, logger *slog.Logger) *outlet {
	return &outlet{publish: p, watched: watched, logger: logger, topics: map[topic]*topicEvents{}}
}

func (o *outlet) send(to topic, e event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.topics[to]
	if t == nil {
		t = &topicEvents{topic: to}
		o.topics[to] = t
		o.order = append(o.order, t)
	}
	size, bytes := len(t.list), t.bytes
	t.add(e)
	o.size, o.bytes = o.size+len(t.list)-size, o.bytes+t.bytes-bytes
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
	delete(o.topics, oldest.topic)
	o.size, o.bytes = o.size-len(oldest.list), o.bytes-oldest.bytes
	o.lost += len(oldest.list)
}

func (t *topicEvents) add(e event) {
	t.awaited = t.awaited || e.awaited
	if e.kind == EventLog {
		if t.logs == maxLogEvents {
			t.dropped++
			return
		}
		t.logs++
	}
	t.list = append(t.list, e)
	t.bytes += e.bytes()
	if t.places != nil || len(t.list) >= coalesceFrom {
		t.coalesce()
	}
}

// coalesce replaces older states by the newest one of their key.
func (t *topicEvents) coalesce() {
	if t.places == nil {
		t.places = make(map[string]int, len(t.list))
		for i := range t.list {
			t.replace(i)
		}
	} else {
		t.replace(len(t.list) - 1)
	}
	if len(t.places)+t.logs > len(t.list)/2 {
		return
	}
	kept := t.list[:0]
	for _, e := range t.list {
		if e.kind == "" {
			continue
		}
		if key := e.key(); key != "" {
			t.places[key] = len(kept)
		}
		kept = append(kept, e)
	}
	clear(t.list[len(kept):])
	t.list = kept
}

func (t *topicEvents) replace(i int) {
	key := t.list[i].key()
	if key == "" {
		return
	}
	if older, ok := t.places[key]; ok {
		t.bytes -= t.list[older].bytes()
		t.list[older] = event{}
	}
	t.places[key] = i
}

// bytes is about what the event takes while it waits.
func (e *event) bytes() int {
	texts := 0
	switch data := e.data.(type) {
	case LogEvent:
		texts = len(data.Message) + len(data.Attributes)
	case NodeEvent:
		texts = data.Error.bytes() + len(data.Output)
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
		o.order, o.topics, o.size, o.bytes, o.lost = nil, map[topic]*topicEvents{}, 0, 0, 0
		if len(batch) == 0 {
			close(o.drained)
			o.drained = nil
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		if lost > 0 {
			o.logger.Warn("workflow events: too many wait, those of the oldest topics are lost", "events", lost)
		}
		o.publishAll(batch)
		sleep(context.Background(), outletPause)
	}
}

func (o *outlet) publishAll(batch []*topicEvents) {
	wanted := o.wanted(batch)
	for i, t := range batch {
		if wanted[i] || t.awaited {
			t.each(func(e event) { o.publishOne(t.topic, e) })
		}
	}
}

// wanted says of each topic whether anybody may want its events.
func (o *outlet) wanted(batch []*topicEvents) (wanted []bool) {
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
	for i, t := range batch {
		topics[i] = t.topic.String()
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
func (t *topicEvents) each(publish func(event)) {
	for _, e := range t.list {
		if e.kind != "" {
			publish(e)
		}
	}
	if t.dropped > 0 {
		publish(event{kind: EventLog, data: LogEvent{RunID: t.topic.id, Dropped: t.dropped}})
	}
}

func (o *outlet) publishOne(to topic, e event) {
	defer func() {
		if r := recover(); r != nil {
			o.logger.Error("workflow events: panic in Publish", "panic", r)
		}
	}()
	o.publish(context.Background(), to.String(), e.kind, e.data)
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
