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
	protocol protocol
	conn     *conn
	out      *outbox
	messages *rate.Limiter
	ctx      context.Context // ends with the connection
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
	replays  chan struct{}   // one at a time: they share the room in out
	shown    *auth.Principal // who the upgrade said it is, until the handshake is over; the reader's
	pinging  atomic.Bool
	alive    chan struct{} // a sign of life has come
	ended    atomic.Bool
	checked  atomic.Int64 // when it was asked what it may do, in nanoseconds
	from     netip.Addr
	party    party // as whose it is counted; the reader's once it runs

	mu     sync.Mutex
	who    *auth.Principal // nil until authenticated
	topics map[string]*subscription
	code   CloseCode // 0 = there is nobody to tell
	reason string
	cutOff *time.Timer // set when the connection ends
}

// newClient makes a client that the upgrade has shown to be who, nil = nobody.
func newClient(h *Hub, p protocol, who *auth.Principal, from netip.Addr) *client {
	c := &client{
		hub: h, protocol: p,
		out:      newOutbox(h.cfg.QueueSize, h.cfg.QueueBytes),
		messages: rate.NewLimiter(rate.Limit(h.cfg.MaxMessages), max(2*h.cfg.MaxTopics, h.cfg.MaxMessages)),
		replays:  make(chan struct{}, 1),
		alive:    make(chan struct{}, 1),
		topics:   map[string]*subscription{},
		from:     from,
	}
	c.checked.Store(time.Now().UnixNano())
	c.ctx, c.cancel = context.WithCancel(auth.WithAddress(h.ctx, from))
	if hello := p.hello(); hello != nil {
		c.shown = who
		c.out.push(&outgoing{frame: hello})
	} else {
		c.who = who
	}
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
	var streaming <-chan time.Time
	if c.protocol.ping() != nil {
		streaming = ping.C // the client ends a connection without pings, however much else comes
	}
	for {
		for o := c.out.pop(); o != nil; o = c.out.pop() {
			if !c.writeOne(o) {
				return
			}
			select {
			case <-streaming:
				c.ping()
			default:
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
	if code == 0 {
		return
	}
	if bye := c.protocol.bye(code); bye != nil {
		_ = c.conn.write(bye) // for a frame that is too large, the close frame is out already
	}
	c.conn.close(code, reason)
}

func (c *client) writeOne(o *outgoing) bool {
	if o.sub != nil && o.sub.ended.Load() {
		return true
	}
	frame := o.frame
	if o.late != nil {
		frame = o.late()
	}
	if frame != nil && c.conn.write(frame) != nil {
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
	wait := c.conn.ping
	if ask := c.protocol.ping(); ask != nil {
		select {
		case <-c.alive: // that was before
		default:
		}
		if c.conn.write(ask) != nil {
			c.conn.drop()
			return
		}
		wait = c.awaitLife
	}
	c.tasks.Go(func() {
		defer c.pinging.Store(false)
		if wait() != nil {
			c.conn.drop()
		}
	})
}

// awaitLife waits for the answer to a ping of the protocol.
func (c *client) awaitLife() error {
	timer := time.NewTimer(c.hub.cfg.WriteTimeout)
	defer timer.Stop()
	select {
	case <-c.alive:
		return nil
	case <-timer.C:
		return errSilent
	case <-c.ctx.Done():
		return nil // it ends in its own way
	}
}

var errSilent = errors.New("no answer to a ping")

// read takes the client's messages one after the other.
func (c *client) read() {
	defer c.end(0, "")
	for !c.ended.Load() {
		message, err := c.conn.read()
		switch {
		case c.broken(err):
		case err != nil:
			return
		case c.allowMessage():
			c.handle(message)
		}
	}
}

// broken ends who does not keep to the rules of messages.
func (c *client) broken(err error) bool {
	switch {
	case errors.Is(err, errBinary):
		c.finish(CloseBinary, "frames are text")
	case errors.Is(err, errTooLarge):
		c.finish(CloseTooLarge, "the frame is too large")
	case errors.Is(err, errUnfinished):
		c.finish(CloseUnfinished, "the message was not finished in time")
	case errors.Is(err, errProtocol):
		c.finish(CloseProtocol, "the protocol is broken")
	default:
		return false
	}
	return true
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
	r, err := c.protocol.request(message)
	switch {
	case c.broken(err) || c.upkeep(r.control):
	case c.principal() == nil && !errors.Is(err, errNamespace):
		c.authenticate(r, err)
	case err != nil:
		c.refuse(r, "", err)
	default:
		c.serve(r)
	}
}

// upkeep does what the protocol asks for itself.
func (c *client) upkeep(what control) bool {
	switch what {
	case signOfLife:
		select {
		case c.alive <- struct{}{}:
		default:
		}
	case farewell:
		c.finish(closeFarewell, "")
	}
	return what != serve
}

func (c *client) serve(r request) {
	switch r.Op {
	case opSubscribe:
		c.subscribe(r)
	case opUnsubscribe:
		c.unsubscribe(r)
	case opSend:
		c.send(r)
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
	case r.Op == opAuth && r.Token == "" && c.shown != nil:
		who, err = c.hub.revalidate(c.ctx, c.shown)
	case r.Op != opAuth || r.Token == "":
		err = problem.New(problem.Unauthenticated, "auth_expected", "the first message has to be the one with the token")
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
	c.shown = nil
	if !c.countAs(who) {
		c.end(CloseFull, tooMany)
		return
	}
	c.conn.limit(c.hub.cfg.MaxFrame)
	c.checked.Store(time.Now().UnixNano())
	c.become(who)
	c.reply(reply{ID: r.ID, Op: opOK})
}

// countAs makes the connection one of who's, nil = of the network it comes from,
// unless he has enough.
func (c *client) countAs(who *auth.Principal) bool {
	p, most := partyOf(who, c.from), c.hub.cfg.MaxPerAddress
	if who != nil {
		most = c.hub.cfg.MaxPerCredential
	}
	if !c.hub.quota.take(p, most) {
		return false
	}
	c.hub.quota.give(c.party)
	c.party = p
	return true
}

// refuse replies that a request has failed.
func (c *client) refuse(r request, topic string, err error) {
	refused := refusal(r.ID, topic, err)
	refused.note = r.note
	c.reply(refused)
}

// reply queues a frame other than an event.
func (c *client) reply(r reply) {
	frame := c.protocol.reply(r)
	if frame != nil && !c.out.push(&outgoing{frame: frame}) {
		c.end(CloseSlow, "replies are not read")
	}
}
