package workflow

import "sync"

// rota is the order in which a process serves the tenants that have nodes ready:
// one node of each, in turn. Who has a million of them delays another's first by
// one. It holds what the process believes, by tenant; the rows are the truth, and
// which node of a tenant is next is asked of them.
type rota struct {
	mu     sync.Mutex
	owed   map[string]*owed
	order  []string // the tenants in owed, the next one first
	total  int
	news   uint64        // counts what was heard
	filled chan struct{} // gets an item when the rota may not be empty
}

// owed is how many nodes a tenant is believed to have ready.
type owed struct {
	nodes int
	news  uint64 // when that was heard last
}

// turn is the right of a tenant to have a node run.
type turn struct {
	tenantID string
	news     uint64 // what was known when it was given
}

func newRota() rota {
	return rota{owed: make(map[string]*owed), filled: make(chan struct{}, 1)}
}

// add says that a tenant has more nodes ready.
func (r *rota) add(tenantID string, nodes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.owed[tenantID]; o != nil {
		nodes += o.nodes
	}
	r.set(tenantID, nodes)
}

// atLeast says that a tenant has some nodes ready, which may be known already.
func (r *rota) atLeast(tenantID string, nodes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.owed[tenantID]; o != nil {
		nodes = max(nodes, o.nodes)
	}
	r.set(tenantID, nodes)
}

func (r *rota) set(tenantID string, nodes int) {
	o := r.owed[tenantID]
	if o == nil {
		o = new(owed)
		r.owed[tenantID] = o
		r.order = append(r.order, tenantID)
	}
	r.news++
	r.total += nodes - o.nodes
	*o = owed{nodes, r.news}
	r.signal()
}

func (r *rota) signal() {
	select {
	case r.filled <- struct{}{}:
	default:
	}
}

// next gives the next tenant its turn; ok = false: nobody is owed one.
func (r *rota) next() (t turn, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 {
		tenantID := r.order[0]
		r.order = r.order[1:]
		o := r.owed[tenantID]
		if o.nodes > 1 {
			r.order = append(r.order, tenantID)
		} else {
			delete(r.owed, tenantID)
		}
		if o.nodes == 0 {
			continue // it was found dry
		}
		o.nodes--
		if r.total--; r.total > 0 {
			r.signal()
		}
		return turn{tenantID, r.news}, true
	}
	return turn{}, false
}

// dry says that a turn found no node: what was heard before it is void.
func (r *rota) dry(t turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.owed[t.tenantID]; o != nil && o.news <= t.news {
		r.total -= o.nodes
		o.nodes = 0
	}
}

// size is how many nodes are believed to be ready.
func (r *rota) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}
