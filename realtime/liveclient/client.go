package liveclient

import (
	"context"
	"iter"
	"sync"
	"time"
)

// stable is how long a connection has to last until its loss counts as the first.
const stable = 5 * time.Second

// Client is a subscriber of live events. It is safe for concurrent use; who calls
// Next from several goroutines shares the messages out among them.
type Client struct {
	options  Options
	address  string
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	done     chan struct{} // closed when nothing runs any more
	messages chan delivery
	changed  chan struct{} // there may be something to ask the server

	mu      sync.Mutex
	subs    []*subscription
	leaving map[string]bool // topics that the server is to be told are not wanted
	sends   []*sending      // in the order of their ids
	asked   int             // requests so far, which makes their ids
	err     error           // why the client has ended
}

// delivery is a message on its way to Next.
type delivery struct {
	Message
	of *subscription
}

// Dial connects to the endpoint of a server, e.g. "https://host/api/v1/ws", and
// proves the credential. ctx is that of connecting only. It tries once; what is
// lost later is mended in the background, until Close.
//
// Errors: Invalid for options that are none and an address that is another's;
// Unauthenticated and Forbidden; Unavailable.
func Dial(ctx context.Context, url string, options Options) (*Client, error) {
	if err := options.validate(url); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	c := &Client{
		options: options, address: url, done: make(chan struct{}),
		messages: make(chan delivery, options.Buffer), changed: make(chan struct{}, 1), leaving: map[string]bool{},
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	first, err := c.connect(ctx)
	if err != nil {
		c.cancel()
		return nil, explain(err)
	}
	go c.run(first)
	return c, nil
}

// Close ends the client and waits until nothing of it is left, at most some
// seconds for a server that does not answer. Next returns what has come before,
// then [ErrClosed].
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Next waits for a message. An error that is not that of ctx is the end of the
// client: Unauthenticated, Forbidden, TooLarge, Invalid, with the [CloseError] or
// [StatusError] as its cause; Unavailable, with [Options].Once; [ErrClosed].
func (c *Client) Next(ctx context.Context) (Message, error) {
	for {
		select {
		case d, ok := <-c.messages:
			if !ok {
				return Message{}, c.ended()
			}
			if !d.of.gone.Load() {
				return d.Message, nil
			}
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// All is Next again and again. The last pair has the error that Next would return.
func (c *Client) All(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Next(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// run keeps a connection until the client ends.
func (c *Client) run(l *link) {
	defer close(c.done)
	defer close(c.messages)
	defer c.cancel()
	for failures := 0; ; {
		var err error
		if l == nil {
			l, err = c.connect(c.ctx)
		}
		if err == nil {
			began := time.Now()
			err = c.serve(l)
			l = nil
			if time.Since(began) >= stable {
				failures = 0
			}
		}
		if !c.pause(err, failures) {
			return
		}
		failures++
	}
}

// pause waits before the next connection. false = there is to be none.
func (c *Client) pause(err error, failures int) bool {
	yes, later := again(err)
	switch {
	case c.ctx.Err() != nil:
		err = ErrClosed
	case !yes || c.options.Once:
		err = explain(err)
	default:
		wait := c.options.backoff(failures, later)
		c.options.Logger.Info("liveclient: the connection is lost and is begun again", "wait", wait, "error", err)
		if sleep(c.ctx, wait) {
			return true
		}
		err = ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	return false
}

// giveUp ends a subscription that the server has refused, or asks again later if
// it could not say. It reports whether the subscription has ended.
func (c *Client) giveUp(s *subscription, e *RefusedError) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.transient() && !c.options.Once {
		s.id, s.live = "", false
		s.notUntil = time.Now().Add(c.options.backoff(s.attempts, true))
		s.attempts++
		c.wake()
		return false
	}
	c.forget(s)
	return true
}
