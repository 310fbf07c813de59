package datasource

import (
	"time"
)

// DefaultCacheBytes is what [Config.CacheBytes] is when it is not set.
const DefaultCacheBytes = 64 << 20

// MaxCacheTTL is the longest time for which a query can have its results kept.
const MaxCacheTTL = time.Hour

// cached is a result with the time until which it may be given away.
type cached struct {
	result Result
	until  time.Time
	tenant string
	ds, id string // of the datasource and the query
}

// fromCache is the result of the same call, if it is kept and young enough.
func (s *Service) fromCache(key callKey) (Result, bool) {
	kept, ok := s.results.get(string(key[:]))
	if !ok || !time.Now().Before(kept.until) {
		return Result{}, false
	}
	return kept.result, true
}

// intoCache keeps a result for as long as its query allows, counted from when it
// was asked for.
func (s *Service) intoCache(key callKey, c *call, asked time.Time, r Result) {
	at := s.cfg.Clock.Now()
	r.CachedAt = &at
	kept := &cached{result: r, until: asked.Add(c.cacheTTL()), tenant: c.plan.ds.TenantID, ds: c.plan.ds.ID, id: c.plan.query.ID}
	s.results.put(string(key[:]), kept, r.size())
}

func (c *call) cacheTTL() time.Duration {
	return time.Duration(c.plan.query.CacheTTLMS) * time.Millisecond
}

// size is about what a result takes in memory.
func (r *Result) size() int64 {
	size := int64(64*len(r.Columns)) + 2*sizeOf(r.Output)
	for _, row := range r.Rows {
		size += 24
		for _, v := range row {
			size += 16 + sizeOf(v)
		}
	}
	return size
}
