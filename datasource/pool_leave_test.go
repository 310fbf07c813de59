package datasource

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"
)

// Whoever gives up waiting just when an opening fails leaves nothing open, which
// a close would wait for. The test holds the lock until both want it, and gives
// it away so late that they get it right after each other.
func TestGivingUpWhileAnOpeningFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	ps := newPools(1000, time.Minute)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(left)
			_, _ = ps.acquire(ctx, strconv.Itoa(i), 1, func(context.Context) (Conn, error) {
				close(entered)
				<-leave
				return nil, errors.New("refused")
			})
		}()
		<-entered
		ps.mu.Lock()
		close(leave)
		for began := time.Now(); time.Since(began) < time.Millisecond; {
			ps.mu.Unlock()
			ps.mu.Lock()
		}
		cancel()
		for began := time.Now(); time.Since(began) < time.Millisecond; {
			ps.mu.Unlock()
			ps.mu.Lock()
		}
		ps.mu.Unlock()
		<-left
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = ps.close()
	}()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("a pool was never closed")
	}
}
