package workflow

import (
	"sync"
	"sync/atomic"
)

// slots are the places of the nodes that may run at a time in this process. Some
// are spared for the first node of a run of a tenant that runs nothing here: it is
// claimed with the start then, however busy others keep the process.
type slots struct {
	common chan struct{}
	spared chan struct{}

	mu   sync.Mutex
	held map[string]int // by tenant
}

// sparedPart is which part of the slots is spared. Of few slots none is.
const sparedPart = 16

func newSlots(n int) slots {
	n = max(n, 0)
	return slots{common: make(chan struct{}, n-n/sparedPart), spared: make(chan struct{}, n/sparedPart), held: make(map[string]int)}
}

func (s *slots) size() int { return cap(s.common) + cap(s.spared) }

func (s *slots) free() int { return cap(s.common) - len(s.common) }

// hold counts a slot of a tenant.
func (s *slots) hold(tenantID string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[tenantID] += n; s.held[tenantID] == 0 {
		delete(s.held, tenantID)
	}
}

func (s *slots) holds(tenantID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[tenantID] > 0
}

// slot is one node's place in the process. It is given back when the worker has
// left it and no node that ignores its context is still in it.
type slot struct {
	holders atomic.Int32
	release func()
}

func (s *slot) enter() { s.holders.Add(1) }

func (s *slot) leave() {
	if s.holders.Add(-1) < 0 { // the worker itself is not counted as a holder
		s.release()
	}
}

// vacant takes a free slot for the first node of a run and joins the crew; nil =
// there is none.
func (e *engine) vacant(tenantID string) *slot {
	if !e.crew.accepts() {
		return nil
	}
	select {
	case e.slots.common <- struct{}{}:
		return e.enroll(tenantID, e.slots.common)
	default:
	}
	if e.slots.holds(tenantID) {
		return nil
	}
	select {
	case e.slots.spared <- struct{}{}:
		return e.enroll(tenantID, e.slots.spared)
	default:
		return nil
	}
}

// enroll joins the crew in a slot that is already taken; nil = the crew is
// dismissed, and the slot free again.
func (e *engine) enroll(tenantID string, from chan struct{}) *slot {
	if !e.crew.join() {
		<-from
		return nil
	}
	e.slots.hold(tenantID, 1)
	return &slot{release: func() {
		e.slots.hold(tenantID, -1)
		<-from
	}}
}
