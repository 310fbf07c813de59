package realtime

import (
	"slices"
	"sync"
)

// unknown is the position of a topic before its first read.
const unknown = int64(-1)

// redisTopic is a topic that this process watches on Redis.
//
// Messages arrive from pub/sub as long as each follows the one before. When one
// does not, or the connection was lost, the topic catches up: it reads the log
// and only remembers what pub/sub announces meanwhile.
type redisTopic struct {
	name      string
	ready     chan struct{} // closed when the position is known
	abandoned chan struct{} // closed when nobody watches any more
	users     int           // guarded by the listener

	mu        sync.Mutex
	last      int64 // position: all up to it was delivered
	announced int64 // highest number seen while catching up
	catching  bool
	again     bool // one more read is needed
	watchers  []*redisWatcher
}

type redisWatcher struct{ deliver func(Message) }

func newRedisTopic(name string) *redisTopic {
	return &redisTopic{name: name, ready: make(chan struct{}), abandoned: make(chan struct{}), last: unknown}
}

func (t *redisTopic) join(w *redisWatcher) (last int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers = append(t.watchers, w)
	return t.last
}

func (t *redisTopic) leave(w *redisWatcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers = slices.DeleteFunc(t.watchers, func(other *redisWatcher) bool { return other == w })
}

// position is up to where messages were delivered, and a number that the topic
// has reached, whatever Redis remembers.
func (t *redisTopic) position() (last, floor int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, max(t.last, t.announced)
}

// begin reports whether the caller has to catch up; otherwise somebody does already.
func (t *redisTopic) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.catching {
		t.again = true
		return false
	}
	t.catching = true
	return true
}

// receive takes a message from pub/sub and reports whether the caller has to
// catch up.
func (t *redisTopic) receive(m Message) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.catching || t.last == unknown:
		t.announced = max(t.announced, m.Seq)
		return false
	case m.Seq == t.last+1:
		t.deliver(m)
		return false
	case m.Seq <= t.last:
		return false
	}
	t.announced, t.catching = m.Seq, true
	return true
}

// fill takes what was read after the position; complete says that it reaches to
// the end of the log. It reports whether the topic has caught up.
func (t *redisTopic) fill(h History, complete bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == unknown {
		t.last, complete = h.Last, true
		close(t.ready)
	}
	for _, m := range h.Messages {
		if m.Seq > t.last {
			t.deliver(m)
		}
	}
	if complete && h.Last > t.last {
		t.deliver(Message{Seq: h.Last})
	}
	if !complete || t.again || t.announced > t.last {
		t.again = false
		return false
	}
	t.catching = false
	return true
}

func (t *redisTopic) deliver(m Message) {
	t.last = m.Seq
	for _, w := range t.watchers {
		w.deliver(m)
	}
}
