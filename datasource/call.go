package datasource

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// call is one run of a query: what runs, for whom, and with which values.
type call struct {
	who    *auth.Principal
	plan   *plan
	values map[string]any
	sight  *sight // nil = all rows
	most   int64  // rows that the tenant may have of it; negative = all
}

// call is a call of a plan, within what the tenant may have.
func (s *Service) call(ctx context.Context, who *auth.Principal, p *plan, given map[string]any) (*call, error) {
	c, err := newCall(who, p, given)
	if err != nil {
		return nil, err
	}
	c.most, err = s.cfg.MaxRows(ctx, who.TenantID)
	return c, err
}

// newCall binds a query to the values that were given for its parameters.
func newCall(who *auth.Principal, p *plan, given map[string]any) (*call, error) {
	values, err := p.bind(who, given)
	if err != nil {
		return nil, err
	}
	sight, err := p.policy.see(who, values)
	return &call{who: who, plan: p, values: values, sight: sight}, err
}

func (c *call) timeout() time.Duration {
	return time.Duration(c.plan.query.TimeoutMS) * time.Millisecond
}

// within is how many rows of a result are given, of so many at most.
func (c *call) within(maxRows int) int {
	if c.most < 0 {
		return maxRows
	}
	return int(min(int64(maxRows), c.most))
}

// rowLimit is how many rows a result has at most that comes as a whole.
func (c *call) rowLimit() int { return c.within(c.plan.query.RowLimit) }

func (c *call) statement(maxRows int) Statement {
	return Statement{Operation: c.plan.op, Params: c.values, MaxRows: c.read(maxRows), MaxBytes: MaxResultBytes}
}

// read is how many rows are read to give at most so many: with row rules nobody
// knows how many of them will be hidden.
func (c *call) read(maxRows int) int {
	switch {
	case c.sight == nil:
		return maxRows
	case c.plan.query.Writes: // they are in memory
		return MaxRows
	}
	return MaxStreamRows
}

// callKey is what decides the answer of a read, and nothing else does: connectors
// see no principal, and row rules what is in the key. Callers with the same key can
// share an answer.
type callKey [sha256.Size]byte

func (c *call) key(epoch uint64) (callKey, error) {
	values, err := json.Marshal(c.values) // sorted by name; the rules give each name one type
	if err != nil {
		return callKey{}, err
	}
	ds, q := c.plan.ds, &c.plan.query
	head := fmt.Appendf(nil, "%s %s %d %s %d %d %d\n", ds.TenantID, q.ID, q.Version, ds.ID, ds.Version, epoch, c.rowLimit())
	head = append(append(head, values...), '\n')
	if c.sight != nil {
		head = append(head, c.sight.key...)
	}
	return sha256.Sum256(head), nil
}

// epochs count what this process writes to each datasource: whoever reads after a
// write must not be given what was read before it.
type epochs struct {
	mu    sync.Mutex
	count uint64
	floor uint64
	last  map[string]uint64 // by datasource: count at the last write
}

const maxEpochs = 10_000

func (e *epochs) of(id string) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n, ok := e.last[id]; ok {
		return n
	}
	return e.floor
}

func (e *epochs) advance(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	if e.last == nil || len(e.last) >= maxEpochs {
		e.floor, e.last = e.count, map[string]uint64{}
	}
	e.last[id] = e.count
}
