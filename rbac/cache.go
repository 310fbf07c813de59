package rbac

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// cache keeps the policies of the tenants that were used last, and keeps them
// current. It is safe for concurrent use: a hit takes a read lock that one
// shard's tenants share, and reads of the database are per tenant.
type cache struct {
	age     time.Duration // how long a policy is used before its version is read again
	load    func(ctx context.Context, tenantID string) (*policy, error)
	seed    maphash.Seed
	shards  []shard
	started time.Time
	version func(ctx context.Context, tenantID string) (int64, error)
}

type shard struct {
	limit int
	mu    sync.RWMutex
	slots map[string]*slot
}

// slot is the place of one tenant. Times are since the cache started, by the
// monotonic clock: a frozen or jumping time of day must not keep an old policy.
type slot struct {
	policy  atomic.Pointer[policy]
	checked atomic.Int64  // when the last successful look at the database began
	changed atomic.Int64  // when this process last changed the policy
	used    atomic.Int64  // when it was last asked for, to within usedStep
	gate    chan struct{} // held by who looks at the database
}

const (
	policyAge = 500 * time.Millisecond
	usedStep  = int64(time.Second)
	maxShards = 64
)

func newCache(limit int, version func(context.Context, string) (int64, error), load func(context.Context, string) (*policy, error)) *cache {
	c := &cache{
		age:     policyAge,
		load:    load,
		seed:    maphash.MakeSeed(),
		shards:  make([]shard, max(1, min(maxShards, limit/maxShards))),
		started: time.Now(),
		version: version,
	}
	for i := range c.shards {
		c.shards[i].limit = limit / len(c.shards)
		c.shards[i].slots = map[string]*slot{}
	}
	return c
}

// get returns the policy of a tenant, no older than age. Of several callers that
// find it too old, one looks at the database and the others wait for him.
func (c *cache) get(ctx context.Context, tenantID string) (*policy, error) {
	s := c.slot(tenantID)
	if p := c.fresh(s); p != nil {
		return p, nil
	}
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p := c.fresh(s); p != nil {
		return p, nil
	}
	return c.refresh(ctx, s, tenantID)
}

// invalidate makes the next get look at the database. Call it when a change is
// committed: a look that began before does not count any more.
func (c *cache) invalidate(tenantID string) {
	sh := c.shard(tenantID)
	sh.mu.RLock()
	s := sh.slots[tenantID]
	sh.mu.RUnlock()
	if s != nil {
		s.changed.Store(c.now())
	}
}

func (c *cache) now() int64 { return int64(time.Since(c.started)) }

func (c *cache) fresh(s *slot) *policy {
	now := c.now()
	if now-s.used.Load() >= usedStep {
		s.used.Store(now)
	}
	checked := s.checked.Load()
	if checked <= s.changed.Load() || now-checked >= int64(c.age) {
		return nil
	}
	return s.policy.Load()
}

func (c *cache) refresh(ctx context.Context, s *slot, tenantID string) (*policy, error) {
	began := c.now()
	p := s.policy.Load()
	if p != nil {
		version, err := c.version(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		if version == p.version {
			s.checked.Store(began)
			return p, nil
		}
	}
	p, err := c.load(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	s.policy.Store(p)
	s.checked.Store(began)
	return p, nil
}

func (c *cache) shard(tenantID string) *shard {
	return &c.shards[maphash.String(c.seed, tenantID)%uint64(len(c.shards))]
}

func (c *cache) slot(tenantID string) *slot {
	sh := c.shard(tenantID)
	sh.mu.RLock()
	s := sh.slots[tenantID]
	sh.mu.RUnlock()
	if s != nil {
		return s
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.slots[tenantID]; s != nil {
		return s
	}
	if len(sh.slots) >= sh.limit {
		sh.dropOldest()
	}
	s = &slot{gate: make(chan struct{}, 1)}
	s.used.Store(c.now())
	sh.slots[tenantID] = s
	return s
}

// dropOldest looks at every slot, which is cheaper than keeping them in order at
// every hit: a shard holds a few hundred.
func (sh *shard) dropOldest() {
	oldest := ""
	for tenantID, s := range sh.slots {
		if oldest == "" || s.used.Load() < sh.slots[oldest].used.Load() {
			oldest = tenantID
		}
	}
	delete(sh.slots, oldest)
}
