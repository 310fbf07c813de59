package realtime

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// recheckers is how many credentials are checked at once, so that the checks
// leave the database to others; recheckTimeout is how long one may take.
const (
	recheckers     = 8
	recheckTimeout = 2 * time.Second
)

// topicsOfOne is how many topics a credential may watch over all its connections,
// in those that one connection may: each is asked about at every look.
const topicsOfOne = 2

// round is how long credentials wait for the next look at all of them; whose turn
// did not come is among the first of the next. uncheckedFor is how long a
// connection lives that could not be checked.
const (
	round        = time.Second
	uncheckedFor = 5 * time.Second
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
	clients := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	all := byCredential(clients, topicsOfOne*h.cfg.MaxTopics)
	slices.SortFunc(all, byTurn)
	began := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(recheckers, len(all)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)) && time.Since(began) < round; i = next.Add(1) - 1 {
				h.recheck(all[i])
			}
		})
	}
	workers.Wait()
	endUnchecked(clients)
	return len(clients)
}

// endUnchecked ends those whose rights nobody could ask about for too long: they
// may have none any more.
func endUnchecked(clients []*client) {
	oldest := time.Now().Add(-uncheckedFor).UnixNano()
	for _, c := range clients {
		if c.principal() != nil && c.checked.Load() < oldest {
			c.end(CloseTryLater, "rights cannot be checked")
		}
	}
}

// recheck ends what the holders of a credential have no right to any more. A
// callback that does not come back in time ends them, and keeps nobody else waiting.
func (h *Hub) recheck(g *holders) {
	ctx, cancel := context.WithTimeout(h.ctx, recheckTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.safely(ctx, func() error { return h.check(ctx, g) }); err != nil {
			g.failClosed(ctx, err)
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, c := range g.clients {
			c.end(CloseTryLater, "rights cannot be checked")
		}
	}
}

// check asks once about the credential and once about each topic, however many
// connections there are.
func (h *Hub) check(ctx context.Context, g *holders) error {
	began := time.Now()
	who, err := h.revalidate(ctx, g.who)
	if lostRight(err) {
		for _, c := range g.clients {
			c.end(CloseUnauthenticated, "the credential is no longer valid")
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range g.clients {
		c.become(who)
	}
	for topic, watching := range g.topics {
		err := h.authorize(ctx, who, topic)
		for _, s := range watching {
			switch {
			case lostRight(err):
				s.client.leave(s)
				s.client.reply(refusal("", topic.String(), problem.New(problem.Forbidden, "subscription_ended", "the right to the topic has ended")))
			case err != nil:
				s.client.failClosed(ctx, err)
			}
		}
	}
	for _, c := range g.clients {
		c.checked.Store(began.UnixNano())
	}
	return nil
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
	_, err := h.enter(ctx, who, topic)
	return err
}

// enter is authorize for who needs the principal as he is in the topic's tenant.
func (h *Hub) enter(ctx context.Context, who *auth.Principal, topic Topic) (*auth.Principal, error) {
	return h.ask(ctx, func() (*auth.Principal, error) { return h.cfg.Authorize(ctx, who, topic) })
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
