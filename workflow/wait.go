package workflow

import (
	"context"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// waiters are the callers that wait for the end of a run in this process.
type waiters struct {
	mu    sync.Mutex
	byRun map[string][]chan struct{}
}

func (w *waiters) add(runID string) (told <-chan struct{}, done func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byRun == nil {
		w.byRun = make(map[string][]chan struct{})
	}
	w.byRun[runID] = append(w.byRun[runID], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		list := w.byRun[runID]
		for i := range list {
			if list[i] == c {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if w.byRun[runID] = list; len(list) == 0 {
			delete(w.byRun, runID)
		}
	}
}

func (w *waiters) tell(runID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.byRun[runID] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// The pauses between looks at a run that another process may end.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// Wait returns a run when it has ended, or as it is when ctx ends, together with
// the context's error. A run that ends in this process is returned at once, one
// that ends in another within a second.
func (s *Service) Wait(ctx context.Context, runID string) (RunDetail, error) {
	told, done := s.engine.waiters.add(runID)
	defer done()
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return RunDetail{}, err
	}
	for pause := firstLook; ; pause = min(pause*2, lastLook) {
		row, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil)
		if err != nil && ctx.Err() == nil {
			return RunDetail{}, err
		}
		if row.Status.Final() {
			return s.Run(ctx, runID)
		}
		timer := time.NewTimer(pause)
		select {
		case <-told:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			run, readErr := s.Run(context.WithoutCancel(ctx), runID)
			if readErr != nil {
				return RunDetail{}, readErr
			}
			return run, err
		}
	}
}
