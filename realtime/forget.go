package realtime

import "context"

// Forgetful is what a [Bus] has that can drop what it keeps of topics at once. Whoever
// watches such a topic goes on: its next message begins it anew.
type Forgetful interface {
	Forget(ctx context.Context, topics []string) error
}

// Forget drops the history of topics, for things that are no more. A bus that cannot
// drops it in its own time, see [Retention]. The error is Unavailable.
func (h *Hub) Forget(ctx context.Context, topics []string) error {
	if bus, ok := h.cfg.Bus.(Forgetful); ok && len(topics) > 0 {
		return bus.Forget(ctx, topics)
	}
	return nil
}

// Forget implements [Forgetful], in one round trip.
func (b *RedisBus) Forget(ctx context.Context, topics []string) error {
	pipe := b.rdb.Pipeline()
	for _, topic := range topics {
		pipe.Del(ctx, b.keys(topic)...) // the keys of two topics may be on two servers
		pipe.Del(ctx, b.turnKey(topic))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// Forget implements [Forgetful]. It never fails.
func (b *MemoryBus) Forget(_ context.Context, topics []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, topic := range topics {
		delete(b.turns, topic)
		if t, ok := b.topics[topic]; ok {
			b.putAway(t)
		}
	}
	return nil
}
