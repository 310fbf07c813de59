package datasource

import (
	"container/list"
	"sync"
)

// lru keeps values by key as long as the sum of their sizes allows; the one that
// was used longest ago goes first. It is safe for concurrent use.
type lru[V any] struct {
	most int64

	mu      sync.Mutex
	size    int64
	entries map[string]*list.Element // of *entry[V]
	order   *list.List               // the last used first
}

type entry[V any] struct {
	key   string
	value V
	size  int64
}

func newLRU[V any](most int64) *lru[V] {
	return &lru[V]{most: most, entries: map[string]*list.Element{}, order: list.New()}
}

func (c *lru[V]) get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(at)
	return at.Value.(*entry[V]).value, true
}

// put keeps a value in the place of the one before. One that would take more than
// a quarter of all is not kept.
func (c *lru[V]) put(key string, value V, size int64) {
	size += int64(len(key)) + entryCost
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.entries[key])
	if size > c.most/4 {
		return
	}
	c.entries[key] = c.order.PushFront(&entry[V]{key, value, size})
	c.size += size
	for c.size > c.most {
		c.remove(c.order.Back())
	}
}

// entryCost is about what an entry takes beside its key and value, in bytes.
const entryCost = 200

// drop forgets what matches.
func (c *lru[V]) drop(match func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Front(); at != nil; {
		next := at.Next()
		if match(at.Value.(*entry[V]).value) {
			c.remove(at)
		}
		at = next
	}
}

func (c *lru[V]) remove(at *list.Element) {
	if at == nil {
		return
	}
	e := c.order.Remove(at).(*entry[V])
	delete(c.entries, e.key)
	c.size -= e.size
}
