package datasource

import (
	"context"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
)

// SetBreakerPause says for how long a datasource that cannot be reached is left
// alone first.
func (s *Service) SetBreakerPause(d time.Duration) { s.breakers.pause = d }

// SetStreamsPerMinute says how many streams a tenant may begin.
func (s *Service) SetStreamsPerMinute(n int) {
	s.exports = s.cfg.perMinute("stream", n, "too_many_streams", "streams")
}

// Sharing is how many callers wait for a statement of another, or their own.
func (s *Service) Sharing() (n int) {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	for _, at := range s.flights.byKey {
		n += at.waiters
	}
	return n
}

// Waiting is how many statements of a tenant run or wait for their turn.
func (s *Service) Waiting(tenantID string) int {
	s.rooms.mu.Lock()
	defer s.rooms.mu.Unlock()
	if at := s.rooms.byID[tenantID]; at != nil {
		return at.users
	}
	return 0
}

// Kept is how many results are kept, and how large they are taken for.
func (s *Service) Kept() (n int, bytes int64) {
	s.results.mu.Lock()
	defer s.results.mu.Unlock()
	return len(s.results.entries), s.results.size
}

// CheckedScripts is how many scripts need not be checked again.
func (s *Service) CheckedScripts() int {
	s.scripts.mu.Lock()
	defer s.scripts.mu.Unlock()
	return len(s.scripts.entries)
}

// FillHistory stores executions of a tenant.
func (s *Service) FillHistory(t testing.TB, tenantID, datasourceID string, n int) {
	t.Helper()
	rows := make([]*executionRow, n)
	for i := range rows {
		now := time.Now()
		rows[i] = &executionRow{
			ID: id.New(), TenantID: tenantID, Kind: "run", DatasourceID: datasourceID, Actor: "user:x", Params: "{}", Status: "succeeded",
			StartedAt: now, EndsBy: now, FinishedAt: &now,
		}
	}
	if err := s.history.store(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// PruneHistory cuts the history of a tenant down to its last executions.
func (s *Service) PruneHistory(ctx context.Context, tenantID string, keep int) error {
	p := pruner{most: keep, since: map[string]int{tenantID: pruneTenants}}
	return p.prune(ctx, s.history, nil)
}

// KickHistory begins a round of the history, which the caller then races with.
func (s *Service) KickHistory() {
	select {
	case s.history.urgent <- struct{}{}:
	default:
	}
}
