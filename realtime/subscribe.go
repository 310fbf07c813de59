package realtime

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// askTimeout is how long the callbacks and the bus may take for a subscribe.
const askTimeout = 5 * time.Second

// replayChunk is how many messages of history are read at a time.
const replayChunk = 64

// subscription is a client in a room, or on its way into it.
type subscription struct {
	client *client
	topic  Topic
	room   *room
	ended  atomic.Bool
	end    chan struct{}   // closed when it has ended
	who    *auth.Principal // as he was when it began
	view   *View           // what it shows; nil = the topic itself
	sent   atomic.Int64    // position that the client has surely reached

	position int64 // up to where events were queued; the room guards it once live
}

func (c *client) subscribe(r request) {
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	s, err := c.open(ctx, r.Topic)
	switch {
	case errors.Is(err, errTopics):
		c.finish(CloseTopics, "too many topics")
	case err != nil:
		c.reply(refusal(r.ID, r.Topic, err))
		if errors.Is(err, errNoLonger) {
			c.end(CloseUnauthenticated, "the credential is no longer valid")
		}
	case r.Since == nil:
		s.room.enter(s, r.ID)
	default:
		// Not here: who reads has to answer pings while the client takes its time.
		c.tasks.Go(func() { c.contain(func() { s.replay(r.ID, *r.Since) }) })
	}
}

// The refusals that clients of rooms do not mind.
const (
	codeSubscribed    = "already_subscribed"
	codeNotSubscribed = "not_subscribed"
)

var (
	errTopics   = errors.New("too many topics")
	errNoLonger = problem.New(problem.Unauthenticated, "unauthenticated", "the credential is no longer valid")
)

// open checks the right to a topic and joins its room.
func (c *client) open(ctx context.Context, name string) (*subscription, error) {
	topic, err := ParseTopic(name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	known, count := c.topics[name] != nil, len(c.topics)
	c.mu.Unlock()
	if known {
		return nil, problem.New(problem.Conflict, codeSubscribed, "there is a subscription to the topic already")
	}
	if count >= c.hub.cfg.MaxTopics {
		return nil, errTopics
	}
	who, err := c.hub.revalidate(ctx, c.principal())
	if lostRight(err) {
		return nil, errNoLonger
	}
	var inTenant *auth.Principal
	if err == nil {
		inTenant, err = c.hub.enter(ctx, who, topic)
	}
	if err != nil {
		return nil, err
	}
	s := &subscription{client: c, topic: topic, end: make(chan struct{}), who: who}
	if s.view, err = c.hub.view(ctx, inTenant, topic); err != nil {
		return nil, err
	}
	if s.room, err = c.hub.join(ctx, s.source().String()); err != nil {
		return nil, err
	}
	c.hub.begun(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics[name] = s
	return s, nil
}

// source is the topic whose events the subscription gets.
func (s *subscription) source() Topic {
	if s.view != nil {
		return s.view.Of
	}
	return s.topic
}

func (c *client) unsubscribe(r request) {
	c.mu.Lock()
	s := c.topics[r.Topic]
	c.mu.Unlock()
	if s == nil {
		c.reply(refusal(r.ID, "", problem.New(problem.NotFound, codeNotSubscribed, "there is no subscription to the topic")))
		return
	}
	c.leave(s)
	c.reply(reply{ID: r.ID, Op: opOK, Topic: r.Topic})
}

// leave ends a subscription: nothing that waits for it is sent any more.
func (c *client) leave(s *subscription) {
	if s.ended.Swap(true) {
		return
	}
	close(s.end)
	c.mu.Lock()
	delete(c.topics, s.topic.String())
	c.mu.Unlock()
	s.room.exit(s)
	c.hub.part(s.room)
	c.hub.over(s)
}

func (c *client) leaveAll() {
	for _, s := range c.subscriptions() {
		c.leave(s)
	}
}

func (c *client) subscriptions() []*subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*subscription, 0, len(c.topics))
	for _, s := range c.topics {
		all = append(all, s)
	}
	return all
}

// replay sends what history holds after a position, at the pace of the client,
// until the subscription has caught up with the room and goes live.
func (s *subscription) replay(id string, since int64) {
	c := s.client
	select {
	case c.replays <- struct{}{}:
		defer func() { <-c.replays }()
	case <-s.end:
		return
	case <-c.ctx.Done():
		return
	}
	h, err := s.read(since)
	if err != nil {
		c.leave(s)
		c.reply(refusal(id, s.topic.String(), err))
		return
	}
	position, missed := h.resume(since, slices.Contains(c.hub.cfg.OnDemand, s.source().Kind))
	s.position = position
	s.sent.Store(s.position)
	c.reply(reply{ID: id, Op: opOK, Topic: s.topic.String(), Seq: s.position})
	if missed != nil {
		s.pushGap(missed.from, missed.to)
	}
	for s.take(h) && !s.room.enterAt(s) {
		if h, err = s.read(s.position); err != nil {
			c.leave(s)
			c.reply(refusal("", s.topic.String(), err))
			return
		}
	}
}

func (s *subscription) read(after int64) (History, error) {
	ctx, cancel := context.WithTimeout(s.client.ctx, askTimeout)
	defer cancel()
	return s.client.hub.cfg.Bus.Read(ctx, s.source().String(), after, replayChunk)
}

// take queues a piece of history; false = the subscription has ended.
func (s *subscription) take(h History) bool {
	for _, m := range h.Messages {
		if !s.awaitRoom() {
			return false
		}
		s.queue(&news{Message: m, topic: s.topic.String()})
	}
	if len(h.Messages) < replayChunk && s.position < h.Last {
		s.queue(&news{Message: Message{Seq: h.Last}})
	}
	return !s.ended.Load()
}

func (s *subscription) awaitRoom() bool {
	for !s.client.out.hasRoom() {
		select {
		case <-s.client.out.room:
		case <-s.end:
			return false
		case <-s.client.ctx.Done():
		}
		if s.client.ended.Load() {
			return false
		}
	}
	return !s.ended.Load()
}

// queue sends a message that is news to the subscription, after a gap for what
// is missing before it.
func (s *subscription) queue(n *news) {
	if n.Seq <= s.position {
		return
	}
	if n.Body != nil && s.view.leavesOut(n.Message) {
		s.skip(n.Seq)
		return
	}
	var o *outgoing
	if n.Body != nil {
		o = s.outgoing(n)
	}
	missing := n.Seq - 1
	if o == nil {
		missing = n.Seq
	}
	if missing > s.position {
		s.pushGap(s.position+1, missing)
	}
	if o != nil {
		o.seq, o.sub, o.key = n.Seq, s, n.Key
		s.push(o)
	}
	s.position = n.Seq
}

// skip passes over an event that a view leaves out.
func (s *subscription) skip(seq int64) {
	if seq-1 > s.position {
		s.pushGap(s.position+1, seq-1)
	}
	s.position = seq
}

// outgoing is a message as the client gets it; nil = it cannot be told. A view makes it
// when it is written: that is for one connection, and others wait for the room.
func (s *subscription) outgoing(n *news) *outgoing {
	if s.view != nil {
		topic, m := s.topic.String(), n.Message
		return &outgoing{cost: len(m.Body) + len(topic) + viewCost, late: func() []byte { return s.view.frame(s.client.protocol, topic, m) }}
	}
	if frame := n.frame(s.client.protocol); frame != nil {
		return &outgoing{frame: frame}
	}
	return nil
}

func (s *subscription) pushGap(from, to int64) {
	gap := reply{Op: opGap, Topic: s.topic.String(), From: from, To: to}
	s.push(&outgoing{frame: s.client.protocol.reply(gap), seq: to, sub: s})
}

func (s *subscription) push(o *outgoing) {
	if !s.client.out.push(o) {
		s.client.end(CloseSlow, s.topic.String()+" "+strconv.FormatInt(s.sent.Load(), 10))
	}
}
