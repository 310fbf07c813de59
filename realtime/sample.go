package realtime

import (
	"context"
	"math/rand/v2"
	"time"
)

// sampleEvery is the least time between two samples of a topic.
const sampleEvery = time.Second

// sample makes the events of a room whose kind of topic is sampled, until the
// room closes. Of several processes one makes each of them: a process that has
// just heard one from another does not ask, and of those that ask at the same time
// one has the turn.
func (h *Hub) sample(r *room) {
	topic, err := ParseTopic(r.topic)
	sampler := h.cfg.Samples[topic.Kind]
	if err != nil || sampler == nil {
		return
	}
	ctx, cancel := context.WithCancel(h.ctx)
	r.sampling = cancel
	h.background.Go(func() {
		defer cancel()
		failing := false
		// A little more than the least time: the own last sample has to look old.
		for wait := time.Duration(0); pause(ctx, wait); wait = sampleEvery*11/10 + rand.N(sampleEvery/10) {
			if time.Since(time.Unix(0, r.heard.Load())) < sampleEvery {
				continue
			}
			err := h.safely(ctx, func() error { return h.takeTurn(ctx, topic, sampler) })
			if err != nil && !failing && ctx.Err() == nil {
				h.cfg.Logger.WarnContext(ctx, "realtime: make a sample", "topic", r.topic, "error", err)
			}
			failing = err != nil
		}
	})
}

// takeTurn makes a sample if it is this process's turn.
func (h *Hub) takeTurn(ctx context.Context, topic Topic, sampler func(context.Context, Topic) (Event, error)) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if turns, ok := h.cfg.Bus.(Turns); ok {
		mine, err := turns.Turn(ctx, topic.String(), sampleEvery)
		if err != nil || !mine {
			return err
		}
	}
	e, err := sampler(ctx, topic)
	if err != nil {
		return err
	}
	e.Topic = topic.String()
	return h.Emit(ctx, e)
}
