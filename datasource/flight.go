package datasource

import (
	"context"
	"sync"
)

// flights let callers who ask the same at the same time share one statement. It
// belongs to none of them: it ends early when all have left.
type flights[T any] struct {
	mu    sync.Mutex
	byKey map[callKey]*flight[T]
}

type flight[T any] struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when result and err are set
	result T
	err    error

	waiters int // guarded by flights.mu
}

func newFlights[T any]() *flights[T] { return &flights[T]{byKey: map[callKey]*flight[T]{}} }

// join waits for the statement of the key, which the first caller begins. When
// ctx ends, the caller leaves; the last one waits until the statement has ended.
func (f *flights[T]) join(ctx context.Context, key callKey, run func(context.Context) (T, error)) (result T, err error) {
	at := f.board(ctx, key, run)
	select {
	case <-at.done:
	case <-ctx.Done():
		if f.leave(ctx, key, at) {
			<-at.done
		}
		return result, caused(ctx, ctx.Err())
	}
	return at.result, at.err
}

func (f *flights[T]) board(ctx context.Context, key callKey, run func(context.Context) (T, error)) *flight[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.byKey[key]
	if at == nil {
		at = &flight[T]{done: make(chan struct{})}
		ctx, at.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
		f.byKey[key] = at
		go f.fly(ctx, key, at, run)
	}
	at.waiters++
	return at
}

func (f *flights[T]) fly(ctx context.Context, key callKey, at *flight[T], run func(context.Context) (T, error)) {
	at.err = guard(func() (err error) {
		at.result, err = run(ctx)
		return err
	})
	f.mu.Lock()
	f.forget(key, at)
	f.mu.Unlock()
	at.cancel(nil)
	close(at.done)
}

// leave reports whether the caller was the last one: then nobody else can board.
func (f *flights[T]) leave(ctx context.Context, key callKey, at *flight[T]) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.waiters--; at.waiters > 0 {
		return false
	}
	f.forget(key, at)
	at.cancel(context.Cause(ctx))
	return true
}

func (f *flights[T]) forget(key callKey, at *flight[T]) {
	if f.byKey[key] == at {
		delete(f.byKey, key)
	}
}
