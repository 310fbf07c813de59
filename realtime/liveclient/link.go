package liveclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	handshakeTimeout = 10 * time.Second
	writeTimeout     = 10 * time.Second
	pingEvery        = 20 * time.Second
	pingTimeout      = 10 * time.Second
	farewell         = time.Second

	// maxFrame is the size of a server's frame in bytes. The data of an event has up to
	// 256 KB, the answer to a send may have more than a megabyte.
	maxFrame = 4 << 20
)

// link is one connection.
type link struct {
	ws      *websocket.Conn
	stalled atomic.Bool // what was read waits for the caller
}

// connect makes a connection that the server has accepted the credential of.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	ws, response, err := websocket.Dial(ctx, c.address, &websocket.DialOptions{
		HTTPClient: c.options.HTTPClient, HTTPHeader: c.options.Header.Clone(),
	})
	switch {
	case err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols && response.Body != nil:
		return nil, refusal(response)
	case err != nil:
		return nil, err
	}
	ws.SetReadLimit(maxFrame)
	if err := c.greet(ctx, ws); err != nil {
		_ = ws.CloseNow() // the reason is known
		return nil, err
	}
	return &link{ws: ws}, nil
}

// greet waits until the server knows who is there. A server that has the
// credential from the header answers a ping; one that has none ends the connection.
func (c *Client) greet(ctx context.Context, ws *websocket.Conn) error {
	hello := request{ID: "hello", Op: "ping"}
	if c.options.Token != "" {
		hello = request{ID: "hello", Op: "auth", Token: c.options.Token}
	}
	// Who cannot write may still read why.
	written := ws.Write(ctx, websocket.MessageText, hello.encode())
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			return errors.Join(ending(err), written)
		}
		f, err := decode(text)
		if err != nil {
			return err
		}
		// The credential of the header was there before the token: it counts.
		if f.Op == "ok" || f.Op == "pong" || f.Op == "error" && f.Code == "already_authenticated" {
			return nil
		}
	}
}

// serve receives until the connection ends, and says why it has.
func (c *Client) serve(l *link) error {
	c.startOver()
	reading, drop := context.WithCancel(context.Background())
	gone := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() { c.keep(l, drop, gone) })
	defer keeper.Wait()
	defer close(gone)
	defer func() { _ = l.ws.CloseNow() }() // it has ended
	defer drop()
	for {
		_, text, err := l.ws.Read(reading)
		if err != nil {
			return ending(err)
		}
		f, err := decode(text)
		if err != nil {
			return err
		}
		if err := c.take(l, f); err != nil {
			return err
		}
	}
}

// keep asks for what the caller wants, and looks whether the server lives.
func (c *Client) keep(l *link, drop func(), gone <-chan struct{}) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		wait, err := c.ask(l)
		if err != nil {
			return // the reader learns why
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-c.changed:
		case <-due:
		case <-ping.C:
			if !c.alive(l) {
				drop()
			}
		case <-gone:
			return
		case <-c.ctx.Done():
			timer := time.AfterFunc(farewell, drop)
			defer timer.Stop()
			_ = l.ws.Close(websocket.StatusNormalClosure, "") // the server may be gone
			return
		}
	}
}

func (c *Client) ask(l *link) (wait time.Duration, err error) {
	requests, wait := c.open(time.Now())
	for _, r := range requests {
		if err := c.send(l, r); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

func (c *Client) send(l *link, r request) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return l.ws.Write(ctx, websocket.MessageText, r.encode())
}

// alive waits for the answer to a ping. A caller who takes no messages keeps it from
// being read, which says nothing about the server.
func (c *Client) alive(l *link) bool {
	if l.stalled.Load() {
		return true
	}
	ctx, cancel := context.WithTimeout(c.ctx, pingTimeout)
	defer cancel()
	return l.ws.Ping(ctx) == nil || l.stalled.Load() || c.ctx.Err() != nil
}

// take handles a frame. An error ends the connection.
func (c *Client) take(l *link, f frame) error {
	c.mu.Lock()
	if (f.Op == "ok" || f.Op == "error") && c.answered(f) {
		c.mu.Unlock()
		return nil
	}
	s := c.byTopic(f.Topic)
	if f.Op == "ok" || f.Op == "error" && f.ID != "" {
		s = c.byID(f.ID)
	}
	if s == nil || !s.live && (f.Op == "event" || f.Op == "gap") {
		c.mu.Unlock()
		return nil // of a subscription that is not wanted any more
	}
	since := s.since
	if f.Op == "ok" {
		s.live, s.attempts = true, 0
	}
	c.mu.Unlock()
	m := Message{Topic: s.topic, Seq: f.Seq}
	switch f.Op {
	case "ok":
		m.Kind = Subscribed
	case "event":
		if f.Seq <= since {
			return nil
		}
		m.Kind, m.Type, m.Data, m.Time = Event, f.Type, f.Data, f.Time
	case "gap":
		m.Kind, m.From, m.Seq = Gap, f.From, f.To
	case "error":
		e := &RefusedError{f.Code, f.Detail, f.Remedy}
		if !c.giveUp(s, e) {
			return nil
		}
		m.Kind, m.Err = Ended, e
	default:
		return nil
	}
	return c.deliver(l, s, m)
}

// deliver waits until the caller has room for a message. From then on the
// subscription goes on after it.
func (c *Client) deliver(l *link, s *subscription, m Message) error {
	select {
	case c.messages <- delivery{m, s}:
	default:
		l.stalled.Store(true)
		defer l.stalled.Store(false)
		select {
		case c.messages <- delivery{m, s}:
		case <-c.ctx.Done():
			return fmt.Errorf("deliver a message: %w", ErrClosed)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m.Kind {
	case Subscribed:
		s.since = m.Seq // also when it is lower: the topic has begun another life
	case Event, Gap:
		s.since = max(s.since, m.Seq)
	}
	return nil
}
