package workflow

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/jetadmin/jetadmin/internal/store"
)

// gather collects what many goroutines want done and does it together: while all
// lanes have a batch under way the next one fills. So a batch is as large as the
// load makes it, and nobody waits for others when there are none.
type gather[T any] struct {
	do    func(context.Context, []T)
	max   int // largest batch
	lanes int // batches under way at a time

	mu      sync.Mutex
	pending []T
	busy    int // lanes in use

	// While lanes are in use:
	ctx    context.Context
	cancel context.CancelFunc
	idle   chan struct{} // closed when none is any more
}

// add hands over an item; do is called with it soon, on another goroutine. That
// one lives only while there is something to do.
func (g *gather[T]) add(items ...T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(g.pending, items...)
	if g.busy == g.lanes || len(g.pending) == 0 {
		return
	}
	if g.busy == 0 {
		g.ctx, g.cancel = context.WithCancel(context.Background())
		g.idle = make(chan struct{})
	}
	g.busy++
	go g.drain(g.ctx)
}

func (g *gather[T]) drain(ctx context.Context) {
	for batch := g.next(); len(batch) > 0; batch = g.next() {
		g.do(ctx, batch)
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
	if n > 0 {
		return batch
	}
	if g.busy--; g.busy == 0 {
		g.cancel()
		close(g.idle)
	}
	return nil
}

// quiesce waits for what is under way, and ends it when ctx does. Nobody may add
// meanwhile.
func (g *gather[T]) quiesce(ctx context.Context) {
	g.mu.Lock()
	busy, idle, cancel := g.busy > 0, g.idle, g.cancel
	g.mu.Unlock()
	if busy && !closes(ctx, idle) {
		cancel()
		<-idle
	}
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

// lanes is how many groups of a kind are stored at a time. With a second one
// PostgreSQL works while this process prepares the next; a third makes the groups
// small. SQLite has one writer.
func (s *Service) lanes() int {
	if s.cfg.DB.Dialect == store.SQLite {
		return 1
	}
	return 2
}
