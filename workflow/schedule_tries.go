package workflow

import (
	"sync"
	"time"
)

// scheduleTries knows since when this process has tried in vain to start the run
// of a planned time. How late that time is says nothing of it: after an outage all
// of them are.
type scheduleTries struct {
	mu    sync.Mutex
	since map[string]plannedTry // by the schedule, which waits for one time only
}

type plannedTry struct{ at, first time.Time }

// failed notes a try and returns how long ago the first one was.
func (s *scheduleTries) failed(scheduleID string, at time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	try, ok := s.since[scheduleID]
	if !ok || !try.at.Equal(at) {
		try = plannedTry{at, time.Now()}
	}
	if s.since == nil {
		s.since = make(map[string]plannedTry)
	}
	s.since[scheduleID] = try
	return time.Since(try.first)
}

// forget is for a schedule that has moved on.
func (s *scheduleTries) forget(scheduleID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, scheduleID)
}
