package workflow

import (
	"context"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// A tenant has a limit on its runs in flight. To count them for each start would cost
// more than the start: a process counts them about once a second, and takes its own
// starts off. So it lets in no more than there was room for, and several processes
// together at most what they start in a second beyond that.

const (
	// roomAge is for how long a count is good that leaves room, and fullAge one that
	// leaves none: by then, what was let in after the count before is stored.
	roomAge = time.Second
	fullAge = 200 * time.Millisecond

	// roomPause is how many times as long as a count took it is good at least: what they
	// cost is at most 2 % of the time, however many runs a tenant has.
	roomPause = 50

	// roomTenants is for how many tenants a process remembers a count.
	roomTenants = 10_000
)

// rooms know how many more runs each tenant may have in flight. The zero value is
// ready.
type rooms struct {
	mu       sync.Mutex
	byTenant map[string]*room
}

// room is what there is for the runs of a tenant.
type room struct {
	mu          sync.Mutex
	left, limit int64
	counted     time.Time
	took        time.Duration
}

// takeRoom is nil when one more run may begin in a tenant. Errors: RateLimited.
func (s *Service) takeRoom(ctx context.Context, db bun.IDB, tenantID string) error {
	at := s.rooms.of(tenantID)
	if db == bun.IDB(s.cfg.DB.DB) {
		at.mu.Lock()
	} else if !at.mu.TryLock() {
		// Who counts may wait for a connection while all of them are in transactions of
		// the host, such as this one: it counts for itself.
		at = &room{}
		at.mu.Lock()
	}
	defer at.mu.Unlock()
	if at.stale(time.Now()) {
		began := time.Now()
		left, limit, err := s.cfg.RoomForRuns(ctx, db, tenantID)
		if err != nil {
			return err
		}
		at.left, at.limit, at.counted, at.took = left, limit, time.Now(), time.Since(began)
	}
	if at.left <= 0 {
		return tooManyRuns(at.limit)
	}
	at.left--
	return nil
}

// stale reports whether the runs are to be counted again.
func (r *room) stale(now time.Time) bool {
	good := fullAge
	if r.left > 0 {
		good = roomAge
	}
	return now.Sub(r.counted) >= max(good, roomPause*r.took)
}

func (r *rooms) of(tenantID string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.byTenant[tenantID]
	if at == nil {
		if r.byTenant == nil || len(r.byTenant) >= roomTenants {
			r.byTenant = map[string]*room{}
		}
		at = &room{}
		r.byTenant[tenantID] = at
	}
	return at
}

func tooManyRuns(limit int64) error {
	e := problem.Newf(problem.RateLimited, "limit_runsInFlight", "a workspace has at most %d runs in flight", limit).
		Fix("wait until some have ended, cancel those that nobody needs, or ask whoever runs the server for more")
	e.RetryAfter = roomAge
	return e
}
