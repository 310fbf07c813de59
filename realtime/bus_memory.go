package realtime

import (
	"container/list"
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// topicCost is what a topic costs beside its messages, in bytes, roughly.
const topicCost = 512

// evictions is how many topics a publish may put away, so that its cost stays
// bounded.
const evictions = 8

// MemoryBus is a [Bus] within one process. It needs no [Background]: what it no
// longer keeps, it drops while others publish.
type MemoryBus struct {
	// Retention limits a topic. It must not be changed once the bus is used.
	Retention Retention

	// Total limits the bytes kept for all topics together. Default 64 MB.
	Total int

	kept   atomic.Int64
	mu     sync.Mutex // guards what follows; taken before a topic's own
	topics map[string]*memoryTopic
	turns  map[string]time.Time // when the turn of a topic is free again
	recent *list.List           // of *memoryTopic, the last used first
	floor  int64                // no topic may begin below: a name that comes back goes on rising
}

// NewMemoryBus makes an empty bus.
func NewMemoryBus() *MemoryBus {
	return &MemoryBus{topics: map[string]*memoryTopic{}, turns: map[string]time.Time{}, recent: list.New()}
}

// Publish implements [Bus]. It calls the watchers before it returns, and never fails.
func (b *MemoryBus) Publish(_ context.Context, topic string, m Message) error {
	for !b.use(topic, false).append(m, b.Retention.withDefaults()) {
		// Put away between the two calls: use makes it anew.
	}
	return nil
}

// Watch implements [Bus]. It never fails.
func (b *MemoryBus) Watch(_ context.Context, topic string, deliver func(Message)) (int64, func(), error) {
	for {
		t := b.use(topic, true)
		if last, stop, ok := t.watch(deliver); ok {
			return last, stop, nil
		}
	}
}

// Read implements [Bus]. It never fails.
func (b *MemoryBus) Read(_ context.Context, topic string, after int64, limit int) (History, error) {
	for {
		if h, ok := b.use(topic, true).read(after, limit); ok {
			return h, nil
		}
	}
}

// Wanted implements [Selective]. It never fails.
func (b *MemoryBus) Wanted(_ context.Context, topics []string) ([]bool, error) {
	wanted := make([]bool, len(topics))
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, topic := range topics {
		_, wanted[i] = b.topics[topic]
	}
	return wanted, nil
}

// Turn implements [Turns]. It never fails.
func (b *MemoryBus) Turn(_ context.Context, topic string, every time.Duration) (bool, error) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.turns[topic]) {
		return false, nil
	}
	maps.DeleteFunc(b.turns, func(_ string, free time.Time) bool { return now.After(free) })
	b.turns[topic] = now.Add(every)
	return true, nil
}

// use finds or begins a topic and puts away what was not used for long.
func (b *MemoryBus) use(topic string, reader bool) *memoryTopic {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.topics[topic]
	if !ok {
		base := max(now.UnixMicro(), b.floor)
		t = &memoryTopic{name: topic, kept: &b.kept, base: base, last: base, partial: reader}
		t.place = b.recent.PushFront(t)
		b.topics[topic] = t
		b.kept.Add(topicCost)
	} else {
		b.recent.MoveToFront(t.place)
	}
	t.used = now
	b.evict(now.Add(-b.Retention.withDefaults().Age), t)
	return t
}

// evict puts away topics that were last used before a time, and the least
// recently used ones while there are too many bytes.
func (b *MemoryBus) evict(before time.Time, except *memoryTopic) {
	total := int64(b.Total)
	if total <= 0 {
		total = 64 << 20
	}
	for range evictions {
		t := b.recent.Back().Value.(*memoryTopic)
		if t == except || t.used.After(before) && b.kept.Load() <= total {
			return
		}
		if !b.putAway(t) {
			t.used = except.used
			b.recent.MoveToFront(t.place)
		}
	}
}

// putAway forgets the history of a topic, and the topic itself unless somebody
// watches it; b.mu is held.
func (b *MemoryBus) putAway(t *memoryTopic) bool {
	last, gone := t.putAway()
	if gone {
		b.floor = max(b.floor, last)
		b.recent.Remove(t.place)
		delete(b.topics, t.name)
		b.kept.Add(-topicCost)
	}
	return gone
}
