package realtime

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// authFrame is the size of a message in bytes before the connection has a
// principal: strangers get no memory.
const authFrame = 8 << 10

// client is one connection and what it may do. Its run reads, a second goroutine
// writes; anybody may end it.
type client struct {
	hub      *Hub
	conn     *conn
	out      *outbox
	messages *rate.Limiter
	ctx      context.Context // ends with the connection
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
	replays  chan struct{} // one at a time: they share the room in out
	pinging  atomic.Bool
	ended    atomic.Bool

	mu     sync.Mutex
	who    *auth.Principal // nil until authenticated
	topics map[string]*subscription
	code   CloseCode // 0 = there is nobody to tell
	reason string
	cutOff *time.Timer // set when the connection ends
}

func newClient(h *Hub, who *auth.Principal, from netip.Addr) *client {
	c := &client{
		hub: h, who: who,
		out:      newOutbox(h.cfg.QueueSize, h.cfg.QueueBytes),
		messages: rate.NewLimiter(rate.Limit(h.cfg.MaxMessages), max(2*h.cfg.MaxTopics, h.cfg.MaxMessages)),
		replays:  make(chan struct{}, 1),
		topics:   map[string]*subscription{},
	}
	c.ctx, c.cancel = context.WithCancel(auth.WithAddress(h.ctx, from))
	return c
}

// run serves the connection until it ends.
func (c *client) run() {
	defer c.hub.forget(c)
	timer := time.AfterFunc(c.hub.cfg.AuthTimeout, c.expireAuth)
	defer timer.Stop()
	c.conn.limit(authFrame)
	if c.principal() != nil {
		c.conn.limit(c.hub.cfg.MaxFrame)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.contain(c.write)
		c.conn.drop()
	}()
	c.contain(c.read)
	<-written
	c.tasks.Wait()
	c.leaveAll()
	c.conn.release()
	c.cutOff.Stop()
}

// contain keeps a panic from the host program; the connection ends.
func (c *client) contain(run func()) {
	defer func() {
		if fault := recover(); fault != nil {
			c.hub.cfg.Logger.Error("realtime: panic in a connection", "panic", fault, "stack", string(debug.Stack()))
			c.end(0, "")
			c.conn.drop()
		}
	}()
	run()
}

func (c *client) expireAuth() {
	if c.principal() == nil {
		c.finish(CloseUnauthenticated, "no credential in time")
	}
}

func (c *client) principal() *auth.Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who
}

// become sets who the client is, unless the connection has ended.
func (c *client) become(who *auth.Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended.Load() {
		c.who = who
	}
}

// end closes the connection without sending what waits. Only the first reason
// counts.
func (c *client) end(code CloseCode, reason string) { c.shut(code, reason, false) }

// finish closes the connection after sending what waits.
func (c *client) finish(code CloseCode, reason string) { c.shut(code, reason, true) }

func (c *client) shut(code CloseCode, reason string, keep bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Swap(true) {
		return
	}
	c.code, c.reason = code, reason
	c.cutOff = time.AfterFunc(c.hub.cfg.WriteTimeout+closeTimeout, c.conn.drop)
	c.cancel()
	c.out.close(keep)
}

// write sends what waits, and the reason in the end.
func (c *client) write() {
	defer c.end(0, "")
	ping := time.NewTicker(c.hub.cfg.PingInterval)
	defer ping.Stop()
	for {
		for o := c.out.pop(); o != nil; o = c.out.pop() {
			if !c.writeOne(o) {
				return
			}
		}
		if c.out.isClosed() {
			break
		}
		select {
		case <-c.out.ready:
		case <-ping.C:
			c.ping()
		}
	}
	c.mu.Lock()
	code, reason := c.code, c.reason
	c.mu.Unlock()
	if code != 0 {
		c.conn.close(code, reason)
	}
}

func (c *client) writeOne(o *outgoing) bool {
	if o.sub != nil && o.sub.ended.Load() {
		return true
	}
	if err := c.conn.write(o.frame); err != nil {
		return false
	}
	if o.sub != nil {
		o.sub.sent.Store(o.seq)
	}
	return true
}

// ping drops a connection whose other end has gone away without a word.
func (c *client) ping() {
	if c.pinging.Swap(true) {
		return
	}
	c.tasks.Go(func() {
		defer c.pinging.Store(false)
		if c.conn.ping() != nil {
			c.conn.drop()
		}
	})
}

// read takes the client's messages one after the other.
func (c *client) read() {
	defer c.end(0, "")
	for !c.ended.Load() {
		message, err := c.conn.read()
		switch {
		case errors.Is(err, errBinary):
			c.finish(CloseBinary, "frames are text")
		case errors.Is(err, errTooLarge):
			c.finish(CloseTooLarge, "the frame is too large")
		case errors.Is(err, errUnfinished):
			c.finish(CloseUnfinished, "the message was not finished in time")
		case err != nil:
			return
		case c.allowMessage():
			c.handle(message)
		}
	}
}

// allowMessage counts a message or ping, and ends who sends too many.
func (c *client) allowMessage() bool {
	if c.messages.Allow() {
		return true
	}
	c.finish(CloseRate, "too many messages")
	return false
}

func (c *client) handle(message []byte) {
	r, err := decodeRequest(message)
	if c.principal() == nil {
		c.authenticate(r, err)
		return
	}
	if err != nil {
		c.reply(refusal("", "", err))
		return
	}
	switch r.Op {
	case opSubscribe:
		c.subscribe(r)
	case opUnsubscribe:
		c.unsubscribe(r)
	case opPing:
		c.reply(reply{ID: r.ID, Op: opPong})
	case opAuth:
		c.reply(refusal(r.ID, "", problem.New(problem.Conflict, "already_authenticated", "the connection has a principal already")))
	default:
		c.reply(refusal(r.ID, "", problem.New(problem.Invalid, "op_unknown", "there is no such operation")))
	}
}

// authenticate takes the first message of a connection without a principal.
func (c *client) authenticate(r request, err error) {
	var who *auth.Principal
	switch {
	case err != nil:
	case r.Op != opAuth || r.Token == "":
		err = problem.New(problem.Unauthenticated, "auth_expected", "the first message has to be an auth frame with a token")
	default:
		who, err = c.hub.whoHolds(c.ctx, r.Token)
	}
	switch {
	case lostRight(err) || problem.Is(err, problem.Invalid):
		c.reply(refusal(r.ID, "", err))
		c.finish(CloseUnauthenticated, "not authenticated")
		return
	case err != nil:
		c.failClosed(c.ctx, err)
		return
	}
	c.conn.limit(c.hub.cfg.MaxFrame)
	c.become(who)
	c.reply(reply{ID: r.ID, Op: opOK})
}

// reply queues a frame other than an event.
func (c *client) reply(r reply) {
	if !c.out.push(&outgoing{frame: r.encode()}) {
		c.end(CloseSlow, "replies are not read")
	}
}
