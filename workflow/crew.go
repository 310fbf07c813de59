package workflow

import "sync"

// crew counts the workers of a process. Unlike a sync.WaitGroup it may be joined
// while somebody waits for its end.
type crew struct {
	mu   sync.Mutex
	open bool
	size int
	idle chan struct{} // closed when the crew is dismissed and nobody is left
}

// muster lets workers join.
func (c *crew) muster() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.idle = true, make(chan struct{})
}

// join reports whether there is work for another; whoever joined must leave.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		c.size++
	}
	return c.open
}

func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size--
	c.endIfIdle()
}

// dismiss lets nobody join any more. The channel is closed when all have left.
func (c *crew) dismiss() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil { // it was never mustered
		c.open, c.idle = true, make(chan struct{})
	}
	if c.open {
		c.open = false
		c.endIfIdle()
	}
	return c.idle
}

func (c *crew) endIfIdle() {
	if !c.open && c.size == 0 {
		close(c.idle)
	}
}

func (c *crew) accepts() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}
