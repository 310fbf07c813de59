package tenantid

import (
	"sync"
	"time"
)

// Cache remembers the tenants of objects that somebody watches, by their ids: the
// watchers' rights are checked again all the time, and the tenant of an object never
// changes. One that was deleted is forgotten within a minute. The zero value is ready;
// it is safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	byID  map[string]string
	since time.Time
}

const (
	maxAge = time.Minute
	most   = 20_000
)

// Find is the tenant of an object, if it is remembered; otherwise what find says, which
// is remembered unless it is an error.
func (c *Cache) Find(id string, find func() (string, error)) (string, error) {
	if tenantID, ok := c.get(id); ok {
		return tenantID, nil
	}
	tenantID, err := find()
	if err == nil {
		c.put(id, tenantID)
	}
	return tenantID, err
}

func (c *Cache) get(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.since) > maxAge {
		c.byID = nil
	}
	tenantID, ok := c.byID[id]
	return tenantID, ok
}

func (c *Cache) put(id, tenantID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) >= most {
		c.byID, c.since = map[string]string{}, time.Now()
	}
	c.byID[id] = tenantID
}
