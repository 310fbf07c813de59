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
// together at most what they start in a second beyond that. Nobody is refused by what
// was let in since the count: those may have ended.

const (
	// roomAge is for how long a count is good that leaves room, and fullAge one that
	// leaves none.
	roomAge = time.Second
	fullAge = 200 * time.Millisecond

	// settled is how long after a start it is stored, and counted.
	settled = 100 * time.Millisecond

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

// room is what there is for the runs of a tenant. Who holds the gate has it.
type room struct {
	gate        chan struct{}
	left, limit int64
	counted     time.Time
	took        time.Duration
	let         time.Time // when somebody was let in, the last time
}

// takeRoom is nil when one more run may begin in a tenant. Errors: RateLimited.
func (s *Service) takeRoom(ctx context.Context, db bun.IDB, tenantID string) error {
	at := s.rooms.of(tenantID)
	for ofHost := db != bun.IDB(s.cfg.DB.DB); ; {
		if !at.enter(ctx, ofHost) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// Who counts may wait for a connection while all of them are in transactions of
			// the host, such as this one: it counts for itself.
			at = newRoom()
			continue
		}
		wait, err := s.tryRoom(ctx, db, tenantID, at)
		<-at.gate
		if err != nil || wait == 0 {
			return err
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// roomFor is takeRoom for a start: one that was made before with the same key finds its
// run, and needs no room.
func (s *Service) roomFor(ctx context.Context, db bun.IDB, tenantID string, in StartParams) error {
	full := s.takeRoom(ctx, db, tenantID)
	if in.IdempotencyKey == "" || !problem.Is(full, problem.RateLimited) {
		return full
	}
	var before int
	err := db.NewRaw("SELECT count(*) FROM ?schema.jet_run WHERE tenant_id = ? AND workflow_id = ? AND idempotency_key = ?",
		tenantID, in.WorkflowID, in.IdempotencyKey).Scan(ctx, &before)
	if err != nil || before > 0 {
		return err
	}
	return full
}

// enter reports whether the caller has the gate. Within a transaction of the host it
// waits for nobody.
func (r *room) enter(ctx context.Context, ofHost bool) bool {
	if ofHost {
		select {
		case r.gate <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case r.gate <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// tryRoom lets one more run in (0, nil), or says how long to wait until that can be
// told.
func (s *Service) tryRoom(ctx context.Context, db bun.IDB, tenantID string, at *room) (wait time.Duration, err error) {
	if at.stale(time.Now()) {
		began := time.Now()
		left, limit, err := s.cfg.RoomForRuns(ctx, db, tenantID)
		if err != nil {
			return 0, err
		}
		at.left, at.limit, at.counted, at.took = left, limit, time.Now(), time.Since(began)
	}
	switch {
	case at.left > 0:
		at.left--
		at.let = time.Now()
		return 0, nil
	case at.let.After(at.counted):
		return max(time.Until(at.let.Add(settled)), time.Millisecond), nil
	}
	return 0, tooManyRuns(at.limit)
}

// stale reports whether the runs are to be counted again.
func (r *room) stale(now time.Time) bool {
	age := now.Sub(r.counted)
	switch {
	case r.left > 0:
		return age >= max(roomAge, roomPause*r.took)
	case r.let.After(r.counted):
		return now.Sub(r.let) >= settled
	}
	return age >= max(fullAge, roomPause*r.took)
}

func newRoom() *room { return &room{gate: make(chan struct{}, 1)} }

func (r *rooms) of(tenantID string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.byTenant[tenantID]
	if at == nil {
		if r.byTenant == nil || len(r.byTenant) >= roomTenants {
			r.byTenant = map[string]*room{}
		}
		at = newRoom()
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
