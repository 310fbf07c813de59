package workflow

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// Again says whether a node is tried again, and when.
func Again(r Retry, failure *problem.Error, attempt int, left time.Duration, draw func(int64) int64) (time.Duration, bool) {
	p := Policy{Retry: &r}
	return p.again(failure, attempt, left, draw)
}

// ForgetRuns deletes what is kept no longer, as the loop does once in an hour.
func (s *Service) ForgetRuns(ctx context.Context) error { return s.engine.forgetRuns(ctx) }

// Assume takes on a duty of one process of all.
func (s *Service) Assume(ctx context.Context, duty string, every time.Duration) (bool, error) {
	return s.cfg.DB.Assume(ctx, duty, every)
}
