package datasource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

const openTimeout = 30 * time.Second

// pools are the open datasources of this process: opened at their first use,
// closed when idle, when the datasource changes, and at the end.
type pools struct {
	max  int
	idle time.Duration

	ctx    context.Context // ends at close
	cancel context.CancelCauseFunc
	live   sync.WaitGroup // pools that are not closed yet

	mu      sync.Mutex
	byID    map[string]*pool
	owners  map[string]string // by id: the tenant of what is open, or about to be
	dropped map[string]int    // the versions that are not opened any more: up to this one
	closed  bool
}

const maxDropped = 10_000

var (
	errOpening = errors.New("the datasource was still being opened")
	errDropped = errors.New("the version of the datasource is not opened any more")
)

// pool is one open datasource in one version of its settings.
type pool struct {
	id      string
	version int
	ready   chan struct{} // closed when conn and err are set
	conn    Conn
	err     error

	// guarded by pools.mu
	users   int
	unused  time.Time // since when
	timer   *time.Timer
	retired bool
}

func newPools(maxOpen int, idle time.Duration) *pools {
	p := &pools{max: maxOpen, idle: idle, byID: map[string]*pool{}, owners: map[string]string{}, dropped: map[string]int{}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

func closing() *problem.Error {
	return problem.New(problem.Unavailable, "closing", "the server is shutting down")
}

// belongs notes whose datasource is about to be opened.
func (ps *pools) belongs(id, tenantID string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.owners[id] = tenantID
}

// of are the datasources of a tenant that are open.
func (ps *pools) of(tenantID string) (ids []string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for id, owner := range ps.owners {
		if owner == tenantID {
			ids = append(ids, id)
		}
	}
	return ids
}

// acquire gives the datasource's connection, opened when need be; the caller
// releases the pool. A version that is newer than the open one replaces it; one
// that was dropped is errDropped.
func (ps *pools) acquire(ctx context.Context, id string, version int, open func(context.Context) (Conn, error)) (*pool, error) {
	p, old, err := ps.take(id, version, open)
	old.closeConn(ps)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.ready:
		err = p.err
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", errOpening, context.Cause(ctx))
	}
	if err != nil {
		ps.release(p)
		return nil, err
	}
	return p, nil
}

func (ps *pools) take(id string, version int, open func(context.Context) (Conn, error)) (p, old *pool, err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return nil, nil, closing()
	}
	if version <= ps.dropped[id] {
		return nil, nil, errDropped
	}
	p = ps.byID[id]
	if p != nil && p.version < version {
		old, p = ps.retire(p), nil
	}
	if p == nil {
		if len(ps.byID) >= ps.max {
			longest := ps.longestUnused()
			if longest == nil {
				return nil, old, problem.New(problem.Unavailable, "too_many_datasources", "too many datasources are in use at once").Fix("try again shortly")
			}
			old = ps.retire(longest)
		}
		p = &pool{id: id, version: version, ready: make(chan struct{})}
		ps.byID[id] = p
		ps.live.Add(1)
		go ps.open(p, open)
	}
	p.users++
	if p.timer != nil {
		p.timer.Stop()
	}
	return p, old, nil
}

// open runs apart from the caller, who may leave while others wait for it.
func (ps *pools) open(p *pool, open func(context.Context) (Conn, error)) {
	ctx, cancel := context.WithTimeout(ps.ctx, openTimeout)
	defer cancel()
	p.err = guard(func() (err error) {
		p.conn, err = open(ctx)
		return err
	})
	ps.mu.Lock()
	if p.err != nil && !p.retired {
		ps.retire(p)
	}
	unused := p.retired && p.users == 0
	close(p.ready) // with the lock held: whoever leaves from here on is the one who closes
	ps.mu.Unlock()
	if unused {
		p.closeConn(ps)
	}
}

func (ps *pools) release(p *pool) {
	ps.mu.Lock()
	p.users--
	last := p.users == 0
	if last && !p.retired {
		p.unused = time.Now()
		p.timer = time.AfterFunc(ps.idle, func() { ps.expire(p) })
	}
	gone := last && p.retired && p.opened()
	ps.mu.Unlock()
	if gone {
		p.closeConn(ps)
	}
}

// expire closes a pool that was not used since its timer was set.
func (ps *pools) expire(p *pool) {
	ps.mu.Lock()
	var idle *pool
	if p.users == 0 && !p.retired {
		idle = ps.retire(p)
	}
	ps.mu.Unlock()
	idle.closeConn(ps)
}

// drop forgets a datasource that was changed or deleted: who still waits with a
// version up to this one does not open it again.
func (ps *pools) drop(id string, version int) {
	ps.mu.Lock()
	if len(ps.dropped) >= maxDropped {
		clear(ps.dropped)
	}
	ps.dropped[id] = max(ps.dropped[id], version)
	var old *pool
	if p := ps.byID[id]; p != nil {
		old = ps.retire(p)
	}
	ps.mu.Unlock()
	old.closeConn(ps)
}

func (ps *pools) close() error {
	ps.cancel(closing())
	ps.mu.Lock()
	ps.closed = true
	var unused []*pool
	for _, p := range ps.byID {
		unused = append(unused, ps.retire(p))
	}
	ps.mu.Unlock()
	for _, p := range unused {
		p.closeConn(ps)
	}
	ps.live.Wait()
	return nil
}

// retire takes p out of use. It returns p when nobody uses it, so that the
// caller closes it after unlocking; otherwise its last user does, or its opener.
func (ps *pools) retire(p *pool) *pool {
	p.retired = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if ps.byID[p.id] == p {
		delete(ps.byID, p.id)
		delete(ps.owners, p.id)
	}
	if p.users == 0 && p.opened() {
		return p
	}
	return nil
}

func (ps *pools) longestUnused() *pool {
	var found *pool
	for _, p := range ps.byID {
		if p.users == 0 && p.opened() && (found == nil || p.unused.Before(found.unused)) {
			found = p
		}
	}
	return found
}

func (p *pool) opened() bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// closeConn ends a retired pool; nil is none. It runs once for each pool.
func (p *pool) closeConn(ps *pools) {
	if p == nil {
		return
	}
	if p.conn != nil {
		_ = guard(p.conn.Close)
	}
	ps.live.Done()
}

// guard keeps a panic of a connector from ending the process.
func guard(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return fn()
}
