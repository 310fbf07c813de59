package datasource

import (
	"context"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// rooms bound how many statements run at once for each of many, and how many wait.
type rooms struct {
	size, queue int
	code, what  string // of the refusal

	mu   sync.Mutex
	byID map[string]*room
}

type room struct {
	slots chan struct{}
	users int // inside and waiting
}

func newRooms(size, queue int, code, what string) *rooms {
	return &rooms{size: size, queue: queue, code: code, what: what, byID: map[string]*room{}}
}

// enter waits for a place; the caller leaves it. RateLimited says that too many
// wait already.
func (r *rooms) enter(ctx context.Context, id string) (leave func(), err error) {
	at := r.take(id)
	if at == nil {
		e := problem.Newf(problem.RateLimited, r.code, "too many %s run at once", r.what).Fix("try again shortly, or ask less at a time")
		e.RetryAfter = time.Second
		return nil, e
	}
	select {
	case at.slots <- struct{}{}:
		return func() { <-at.slots; r.give(id, at) }, nil
	case <-ctx.Done():
		r.give(id, at)
		return nil, context.Cause(ctx)
	}
}

func (r *rooms) take(id string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.byID[id]
	if at == nil {
		at = &room{slots: make(chan struct{}, r.size)}
		r.byID[id] = at
	}
	if at.users >= r.size+r.queue {
		return nil
	}
	at.users++
	return at
}

func (r *rooms) give(id string, at *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(r.byID, id)
	}
}
