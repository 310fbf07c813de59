package rbac

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// policies keeps the policies of the tenants that were used last, and keeps them
// current. It is safe for concurrent use.
type policies struct {
	age     time.Duration // how long a policy is used before its version is read again
	limit   int
	load    func(ctx context.Context, tenantID string) (*policy, error)
	started time.Time
	version func(ctx context.Context, tenantID string) (int64, error)

	mu    sync.Mutex
	slots map[string]*list.Element // of *slot, by tenant
	order *list.List               // the last used first
}

// slot is the place of one tenant.
type slot struct {
	tenantID string
	policy   atomic.Pointer[policy]
	changed  atomic.Int64  // when this process last changed the policy
	dropped  atomic.Bool   // the slot is not in its place any more
	gate     chan struct{} // held by who looks at the database
}

// lease says for how long decisions by a policy stand. Times are since the
// policies started, by the monotonic clock: a time of day that stands still or
// jumps must not keep an old policy.
type lease struct {
	renewed atomic.Int64 // when the last look at the database that found the policy current began
	ended   atomic.Bool  // for good: the policy was changed, or cannot be reached any more to end it
}

const policyAge = 500 * time.Millisecond

func newPolicies(limit int, version func(context.Context, string) (int64, error), load func(context.Context, string) (*policy, error)) *policies {
	return &policies{
		age:     policyAge,
		limit:   limit,
		load:    load,
		started: time.Now(),
		version: version,
		slots:   map[string]*list.Element{},
		order:   list.New(),
	}
}

func (ps *policies) now() int64 { return int64(time.Since(ps.started)) }

// stands reports whether decisions by the policy of a lease can be used now.
func (ps *policies) stands(l *lease) bool {
	return !l.ended.Load() && ps.now()-l.renewed.Load() < int64(ps.age)
}

// get returns the policy of a tenant, no older than age. Of several callers that
// find it too old, one looks at the database and the others wait for him.
func (ps *policies) get(ctx context.Context, tenantID string) (*policy, error) {
	s := ps.slot(tenantID)
	if p := s.policy.Load(); p != nil && ps.stands(&p.ground.lease) {
		return p, nil
	}
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p := s.policy.Load()
	if p != nil && ps.stands(&p.ground.lease) {
		return p, nil
	}
	if p != nil && !p.ground.lease.ended.Load() {
		renewed, err := ps.renew(ctx, s, p)
		if err != nil {
			return nil, err
		}
		if renewed {
			return p, nil
		}
	}
	return ps.replace(ctx, s)
}

// renew reports whether the policy is still that of the tenant.
func (ps *policies) renew(ctx context.Context, s *slot, p *policy) (bool, error) {
	began := ps.now()
	version, err := ps.version(ctx, s.tenantID)
	if err != nil || version != p.version {
		return false, err
	}
	p.ground.lease.renewed.Store(began)
	return true, nil
}

// replace loads the policy. A change or a drop that came meanwhile ends it before
// anybody else uses it: each of the two sides writes first and looks then.
func (ps *policies) replace(ctx context.Context, s *slot) (*policy, error) {
	began := ps.now()
	p, err := ps.load(ctx, s.tenantID)
	if err != nil {
		return nil, err
	}
	p.ground.lease.renewed.Store(began)
	if old := s.policy.Swap(p); old != nil {
		old.ground.lease.ended.Store(true)
	}
	if s.changed.Load() >= began || s.dropped.Load() {
		p.ground.lease.ended.Store(true)
	}
	return p, nil
}

// kept is the policy of a tenant in memory if it is of a version and was not ended.
func (ps *policies) kept(tenantID string, version int64) *policy {
	ps.mu.Lock()
	e := ps.slots[tenantID]
	ps.mu.Unlock()
	if e == nil {
		return nil
	}
	p := e.Value.(*slot).policy.Load()
	if p == nil || p.version != version || p.ground.lease.ended.Load() {
		return nil
	}
	return p
}

// invalidate ends the policy of a tenant. Call it when a change is committed.
func (ps *policies) invalidate(tenantID string) {
	ps.mu.Lock()
	e := ps.slots[tenantID]
	ps.mu.Unlock()
	if e == nil {
		return
	}
	s := e.Value.(*slot)
	s.changed.Store(ps.now())
	s.end()
}

func (s *slot) end() {
	if p := s.policy.Load(); p != nil {
		p.ground.lease.ended.Store(true)
	}
}

func (ps *policies) slot(tenantID string) *slot {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if e := ps.slots[tenantID]; e != nil {
		ps.order.MoveToFront(e)
		return e.Value.(*slot)
	}
	if len(ps.slots) >= ps.limit {
		ps.dropLast()
	}
	s := &slot{tenantID: tenantID, gate: make(chan struct{}, 1)}
	ps.slots[tenantID] = ps.order.PushFront(s)
	return s
}

func (ps *policies) dropLast() {
	s := ps.order.Remove(ps.order.Back()).(*slot)
	delete(ps.slots, s.tenantID)
	s.dropped.Store(true)
	s.end()
}
