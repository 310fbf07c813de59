package realtime

import (
	"context"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// recheckers is how many connections are checked at once, so that the checks
// leave the database to others; recheckTimeout is how long one may take.
const (
	recheckers     = 8
	recheckTimeout = 2 * time.Second
)

// recheckAll checks the rights of all connections until the hub stops.
func (h *Hub) recheckAll() {
	ticker := time.NewTicker(h.cfg.Recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
		began := time.Now()
		checked := h.recheckOnce()
		if took := time.Since(began); took > time.Second {
			h.cfg.Logger.Warn("realtime: checking rights takes too long", "took", took, "connections", checked)
		}
	}
}

func (h *Hub) recheckOnce() (checked int) {
	h.mu.Lock()
	clients := make(chan *client, len(h.clients))
	for c := range h.clients {
		clients <- c
	}
	h.mu.Unlock()
	close(clients)
	checked = len(clients)
	var workers sync.WaitGroup
	for range min(recheckers, checked) {
		workers.Go(func() {
			for c := range clients {
				h.recheck(c)
			}
		})
	}
	workers.Wait()
	return checked
}

// recheck ends what a client has no right to any more. A callback that does not
// come back in time ends the client, and keeps nobody else waiting.
func (h *Hub) recheck(c *client) {
	who := c.principal()
	if who == nil || c.ended.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, recheckTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.contain(func() { c.recheck(ctx, who) })
	}()
	select {
	case <-done:
	case <-ctx.Done():
		c.end(CloseTryLater, "rights cannot be checked")
	}
}

func (c *client) recheck(ctx context.Context, who *auth.Principal) {
	who, err := c.hub.revalidate(ctx, who)
	switch {
	case lostRight(err):
		c.end(CloseUnauthenticated, "the credential is no longer valid")
		return
	case err != nil:
		c.failClosed(ctx, err)
		return
	}
	c.become(who)
	for _, s := range c.subscriptions() {
		err := c.hub.authorize(ctx, who, s.topic)
		switch {
		case lostRight(err):
			c.leave(s)
			c.reply(refusal("", s.topic.String(), problem.New(problem.Forbidden, "subscription_ended", "the right to the topic has ended")))
		case err != nil:
			c.failClosed(ctx, err)
			return
		}
	}
}

func (c *client) failClosed(ctx context.Context, err error) {
	if c.ended.Load() {
		return // the connection ended first, and its context with it
	}
	c.hub.cfg.Logger.ErrorContext(ctx, "realtime: cannot check the credential or rights, the connection ends", "error", err)
	c.end(CloseTryLater, "the credential or rights cannot be checked")
}

// lostRight tells a refusal from a check that failed.
func lostRight(err error) bool {
	return problem.Is(err, problem.Unauthenticated) || problem.Is(err, problem.Forbidden) || problem.Is(err, problem.NotFound)
}

var errNobody = problem.New(problem.Unauthenticated, "unauthenticated", "the credential is not valid")

// whoHolds is the principal of a token, never nil without an error.
func (h *Hub) whoHolds(ctx context.Context, token string) (*auth.Principal, error) {
	return h.ask(ctx, func() (*auth.Principal, error) { return h.cfg.AuthenticateToken(ctx, token) })
}

func (h *Hub) revalidate(ctx context.Context, who *auth.Principal) (*auth.Principal, error) {
	return h.ask(ctx, func() (*auth.Principal, error) { return h.cfg.Revalidate(ctx, who) })
}

func (h *Hub) authorize(ctx context.Context, who *auth.Principal, topic Topic) error {
	_, err := h.ask(ctx, func() (*auth.Principal, error) { return h.cfg.Authorize(ctx, who, topic) })
	return err
}

func (h *Hub) ask(ctx context.Context, question func() (*auth.Principal, error)) (who *auth.Principal, err error) {
	err = h.safely(ctx, func() error {
		who, err = question()
		return err
	})
	if err == nil && who == nil {
		err = errNobody
	}
	return who, err
}
