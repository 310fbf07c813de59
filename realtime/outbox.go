package realtime

import "sync"

// outgoing is a frame that waits for a connection. The frame itself may be
// shared with other connections.
type outgoing struct {
	frame []byte
	late  func() []byte // makes the frame when its turn comes, nil = there is none after all; nil = frame is it
	cost  int           // bytes of a late frame, roughly
	seq   int64         // position that the client has reached with it; 0 = none
	sub   *subscription // whose event it is; nil for replies
	key   string        // see [Event].Key

	prev, next *outgoing
}

func (o *outgoing) size() int {
	if o.late != nil {
		return o.cost
	}
	return len(o.frame)
}

type stateKey struct {
	sub *subscription
	key string
}

// outbox is the bounded queue of a connection. Anybody may push, one goroutine
// pops, one may wait for room.
type outbox struct {
	maxSize, maxBytes int
	ready             chan struct{} // something was pushed, or the outbox was closed
	room              chan struct{} // there is room again, or the outbox was closed

	mu          sync.Mutex
	first, last *outgoing
	size, bytes int
	states      map[stateKey]*outgoing // the waiting event of each key
	closed      bool
}

func newOutbox(maxSize, maxBytes int) *outbox {
	return &outbox{
		maxSize: maxSize, maxBytes: maxBytes,
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1),
		states: map[stateKey]*outgoing{},
	}
}

// push adds a frame and reports whether there was room. What is pushed after
// close is dropped.
//
// Once the outbox is half full, a state event replaces a waiting one of its key:
// the client is behind, and will see the newest state sooner.
func (b *outbox) push(o *outgoing) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return true
	}
	state := stateKey{o.sub, o.key}
	if o.key != "" && !b.relaxed() {
		if older := b.states[state]; older != nil {
			b.remove(older)
		}
	}
	// One frame always fits, so that a large one is not too slow by itself.
	if b.size > 0 && (b.size >= b.maxSize || b.bytes+o.size() > b.maxBytes) {
		return false
	}
	if o.key != "" {
		b.states[state] = o
	}
	b.add(o)
	signal(b.ready)
	return true
}

// pop takes the oldest frame; nil when there is none.
func (b *outbox) pop() *outgoing {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.first
	if o == nil {
		return nil
	}
	b.remove(o)
	if b.relaxed() {
		signal(b.room)
	}
	return o
}

// hasRoom reports whether the outbox is less than half full.
func (b *outbox) hasRoom() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.relaxed()
}

// close refuses further frames. Those that wait are dropped unless keep is set.
func (b *outbox) close(keep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if !keep {
		b.first, b.last, b.size, b.bytes = nil, nil, 0, 0
		clear(b.states)
	}
	signal(b.ready)
	signal(b.room)
}

func (b *outbox) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *outbox) relaxed() bool { return b.size < (b.maxSize+1)/2 && b.bytes < (b.maxBytes+1)/2 }

func (b *outbox) add(o *outgoing) {
	if b.last == nil {
		b.first = o
	} else {
		b.last.next, o.prev = o, b.last
	}
	b.last = o
	b.size++
	b.bytes += o.size()
}

func (b *outbox) remove(o *outgoing) {
	if o.prev == nil {
		b.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		b.last = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.prev, o.next = nil, nil
	b.size--
	b.bytes -= o.size()
	if state := (stateKey{o.sub, o.key}); b.states[state] == o {
		delete(b.states, state)
	}
}
