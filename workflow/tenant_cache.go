package workflow

import (
	"sync"
	"time"
)

// tenantCache remembers the tenants of runs that somebody watches: their rights
// are checked again all the time, and the tenant of a run never changes. A run
// that was deleted is forgotten within tenantAge.
type tenantCache struct {
	mu    sync.Mutex
	byRun map[string]string
	since time.Time
}

const (
	tenantAge  = time.Minute
	maxTenants = 20_000
)

func (c *tenantCache) find(runID string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.since) > tenantAge {
		c.byRun = nil
	}
	tenantID, ok := c.byRun[runID]
	return tenantID, ok
}

func (c *tenantCache) remember(runID, tenantID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byRun == nil || len(c.byRun) >= maxTenants {
		c.byRun, c.since = map[string]string{}, time.Now()
	}
	c.byRun[runID] = tenantID
}
