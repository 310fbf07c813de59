package workflow

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// The bounds of a queue's memory. The hints beyond them are left to the sweeper.
// One tenant cannot take all of it.
const (
	maxMemoryHints       = 100_000
	maxMemoryTenantHints = 10_000
)

// memoryReceivers is how many hints wait for room at a time. As many can be
// claimed together.
const memoryReceivers = 16

var errQueueFull = errors.New("the queue in memory is full")

// NewMemoryQueue returns a queue inside the process: the one for an App that
// runs alone.
func NewMemoryQueue() Queue {
	q := &memoryQueue{hints: make(map[string][]Hint)}
	q.filled.L = &q.mu
	return q
}

// memoryQueue serves the tenants in turn, and each in its order: who has a
// hundred thousand nodes ready delays another's first by one.
type memoryQueue struct {
	mu      sync.Mutex
	filled  sync.Cond
	hints   map[string][]Hint // by tenant
	tenants []string          // those with hints, the next one first
	size    int
	closed  bool
}

func (q *memoryQueue) Dispatch(_ context.Context, hints []Hint) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	for _, h := range hints {
		waiting := q.hints[h.TenantID]
		if q.size >= maxMemoryHints || len(waiting) >= maxMemoryTenantHints {
			err = errQueueFull
			continue
		}
		if len(waiting) == 0 {
			q.tenants = append(q.tenants, h.TenantID)
		}
		q.hints[h.TenantID] = append(waiting, h)
		q.size++
	}
	q.filled.Broadcast()
	return err
}

func (q *memoryQueue) Serve(ctx context.Context, r Receiver) error {
	q.setClosed(false)
	stop := context.AfterFunc(ctx, func() { q.setClosed(true) })
	defer stop()
	var g errgroup.Group
	for range memoryReceivers {
		g.Go(func() error {
			for h, ok := q.next(); ok; h, ok = q.next() {
				r.Receive(ctx, h)
			}
			return nil
		})
	}
	return g.Wait()
}

func (q *memoryQueue) next() (Hint, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size == 0 && !q.closed {
		q.filled.Wait()
	}
	if q.closed {
		return Hint{}, false
	}
	tenant := q.tenants[0]
	q.tenants = q.tenants[1:]
	waiting := q.hints[tenant]
	if len(waiting) > 1 {
		q.hints[tenant] = waiting[1:]
		q.tenants = append(q.tenants, tenant)
	} else {
		delete(q.hints, tenant)
	}
	q.size--
	return waiting[0], true
}

func (q *memoryQueue) setClosed(closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = closed
	q.filled.Broadcast()
}
