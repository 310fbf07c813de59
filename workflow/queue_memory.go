package workflow

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxMemoryHints bounds the memory of a queue; the hints beyond it are left to
// the sweeper.
const maxMemoryHints = 100_000

// memoryReceivers is how many hints wait for room at a time. One is enough to
// keep order; a few hide the latency of claims.
const memoryReceivers = 4

var errQueueFull = errors.New("the queue in memory is full")

// NewMemoryQueue returns a queue inside the process: the one for an App that
// runs alone.
func NewMemoryQueue() Queue {
	q := &memoryQueue{}
	q.filled.L = &q.mu
	return q
}

type memoryQueue struct {
	mu     sync.Mutex
	filled sync.Cond
	hints  []Hint
	closed bool
}

func (q *memoryQueue) Dispatch(_ context.Context, hints []Hint) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := min(len(hints), maxMemoryHints-len(q.hints))
	q.hints = append(q.hints, hints[:room]...)
	q.filled.Broadcast()
	if room < len(hints) {
		return errQueueFull
	}
	return nil
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
	for len(q.hints) == 0 && !q.closed {
		q.filled.Wait()
	}
	if q.closed {
		return Hint{}, false
	}
	h := q.hints[0]
	if q.hints = q.hints[1:]; len(q.hints) == 0 {
		q.hints = nil // give back the array that slicing holds on to
	}
	return h, true
}

func (q *memoryQueue) setClosed(closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = closed
	q.filled.Broadcast()
}
