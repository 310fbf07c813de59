package realtime

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// room is a topic that somebody in this process is subscribed to.
type room struct {
	topic string
	users int           // guarded by the hub
	ready chan struct{} // closed when what follows is set
	err   error         // the bus does not watch; stop is nil
	stop  func()

	mu   sync.Mutex
	last int64 // number of the newest message that came in
	live map[*subscription]struct{}

	heard    atomic.Int64       // when the newest message came in, in nanoseconds
	sampling context.CancelFunc // ends the samples of the topic; nil = it has none
}

// join returns the room of a topic. Every join needs a part.
func (h *Hub) join(ctx context.Context, topic string) (*room, error) {
	h.mu.Lock()
	r, ok := h.rooms[topic]
	if !ok {
		r = &room{topic: topic, ready: make(chan struct{}), live: map[*subscription]struct{}{}}
		h.rooms[topic] = r
	}
	r.users++
	h.mu.Unlock()
	if !ok {
		h.open(r)
	}
	select {
	case <-r.ready:
		if r.err == nil {
			return r, nil
		}
		h.part(r)
		return nil, r.err
	case <-ctx.Done():
		h.part(r)
		return nil, unavailable(ctx.Err())
	}
}

// part gives up a room; the last one closes it.
func (h *Hub) part(r *room) {
	h.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
		h.remove(r)
	}
	h.mu.Unlock()
	if !last {
		return
	}
	<-r.ready
	if r.sampling != nil {
		r.sampling()
	}
	if r.err == nil {
		r.stop()
	}
}

// remove takes a room out of the map, unless another has its place; h.mu is held.
func (h *Hub) remove(r *room) {
	if h.rooms[r.topic] == r {
		delete(h.rooms, r.topic)
	}
}

// open has a time limit of its own: others wait for the room too, when the
// client that came first has gone.
func (h *Hub) open(r *room) {
	ctx, cancel := context.WithTimeout(h.ctx, askTimeout)
	defer cancel()
	defer close(r.ready)
	r.err = errNotOpen // holds if the bus panics
	last, stop, err := h.cfg.Bus.Watch(ctx, r.topic, r.deliver)
	r.stop, r.err = stop, err
	if err != nil {
		h.mu.Lock()
		h.remove(r)
		h.mu.Unlock()
		return
	}
	r.mu.Lock()
	r.last = max(r.last, last)
	r.mu.Unlock()
	h.sample(r)
}

var errNotOpen = unavailable(errors.New("the bus did not open the topic"))

// deliver hands a message to all who are live. It encodes once for each protocol
// and never waits.
func (r *room) deliver(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = m.Seq
	r.heard.Store(time.Now().UnixNano())
	n := news{Message: m, topic: r.topic}
	for s := range r.live {
		s.queue(&n)
	}
}

// enter makes a subscription live from now on.
func (r *room) enter(s *subscription, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.position = r.last
	s.sent.Store(r.last)
	s.client.reply(reply{ID: id, Op: opOK, Topic: s.topic.String(), Seq: r.last})
	r.add(s)
}

// enterAt makes a subscription live if it has all that came in.
func (r *room) enterAt(s *subscription) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.position < r.last {
		return false
	}
	r.add(s)
	return true
}

func (r *room) add(s *subscription) {
	// One that ends after this look waits in exit for the lock.
	if !s.ended.Load() {
		r.live[s] = struct{}{}
	}
}

func (r *room) exit(s *subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, s)
}
