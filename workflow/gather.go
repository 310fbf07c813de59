package workflow

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/jetadmin/jetadmin/internal/store"
)

// gather collects what many goroutines want done and does it together: while one
// batch is under way the next one fills. So a batch is as large as the load makes
// it, and nobody waits for others when there are none.
type gather[T any] struct {
	do  func([]T)
	max int // largest batch

	mu      sync.Mutex
	pending []T
	busy    bool
}

// add hands over an item; do is called with it soon, on another goroutine. That
// one lives only while there is something to do.
func (g *gather[T]) add(items ...T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(g.pending, items...)
	if !g.busy && len(g.pending) > 0 {
		g.busy = true
		go g.drain()
	}
}

func (g *gather[T]) drain() {
	for batch := g.next(); len(batch) > 0; batch = g.next() {
		g.do(batch)
	}
}

func (g *gather[T]) next() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.pending), g.max)
	batch := g.pending[:n:n]
	if g.pending = g.pending[n:]; len(g.pending) == 0 {
		g.pending = nil
	}
	g.busy = n > 0
	return batch
}

// halve runs do on a batch and, when it fails for anything but an outage of the
// database, on its halves: one bad item fails alone.
func halve[T any](batch []T, do func([]T) error, done func([]T, error)) {
	err := contained(batch, do)
	if err == nil || len(batch) == 1 || store.IsOutage(err) {
		done(batch, err)
		return
	}
	halve(batch[:len(batch)/2], do, done)
	halve(batch[len(batch)/2:], do, done)
}

// contained turns a panic into an error: somebody waits for the batch.
func contained[T any](batch []T, do func([]T) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return do(batch)
}
