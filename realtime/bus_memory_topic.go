package realtime

import (
	"container/list"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// memoryTopic is a topic of a [MemoryBus].
type memoryTopic struct {
	name  string
	kept  *atomic.Int64 // bytes of all topics
	place *list.Element // guarded by the bus
	used  time.Time     // guarded by the bus

	partial bool // see [History].Partial

	mu       sync.Mutex
	gone     bool // put away: whoever still holds it must ask the bus again
	base     int64
	last     int64
	log      []Message
	bytes    int
	watchers []*memoryWatcher
}

type memoryWatcher struct{ deliver func(Message) }

// append numbers, keeps and hands on a message; false = the topic is gone.
func (t *memoryTopic) append(m Message, limit Retention) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	t.last++
	m.Seq = t.last
	t.log = append(t.log, m)
	before := t.bytes
	t.bytes += len(m.Body)
	for len(t.log) > limit.Count || t.bytes > limit.Bytes {
		t.bytes -= len(t.log[0].Body)
		t.log[0] = Message{} // the array under the slice would keep the body
		t.log = t.log[1:]
	}
	t.kept.Add(int64(t.bytes - before))
	for _, w := range t.watchers {
		w.deliver(m)
	}
	return true
}

func (t *memoryTopic) watch(deliver func(Message)) (last int64, stop func(), ok bool) {
	w := &memoryWatcher{deliver}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return 0, nil, false
	}
	t.watchers = append(t.watchers, w)
	return t.last, func() { t.unwatch(w) }, true
}

func (t *memoryTopic) unwatch(w *memoryWatcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.watchers {
		if other == w {
			t.watchers = append(t.watchers[:i:i], t.watchers[i+1:]...)
			return
		}
	}
}

func (t *memoryTopic) read(after int64, limit int) (History, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := sort.Search(len(t.log), func(i int) bool { return t.log[i].Seq > after })
	to := min(from+limit, len(t.log))
	return History{Base: t.base, Last: t.last, Messages: append([]Message(nil), t.log[from:to]...), Partial: t.partial}, !t.gone
}

// putAway forgets the history. A topic that nobody watches is then gone.
func (t *memoryTopic) putAway() (last int64, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Add(-int64(t.bytes))
	t.log, t.bytes = nil, 0
	t.gone = len(t.watchers) == 0
	return t.last, t.gone
}
