package datasource

import (
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
}

// newCall binds a query to the values that were given for its parameters.
func newCall(who *auth.Principal, p *plan, given map[string]any) (*call, error) {
	values, err := p.bind(who, given)
	return &call{who: who, plan: p, values: values}, err
}

func (c *call) timeout() time.Duration {
	return time.Duration(c.plan.query.TimeoutMS) * time.Millisecond
}

func (c *call) statement(maxRows int) Statement {
	return Statement{Operation: c.plan.op, Params: c.values, MaxRows: maxRows, MaxBytes: MaxResultBytes}
}

// callKey is what decides the answer of a read, and nothing else does: connectors
// see no principal. Callers with the same key can share an answer.
type callKey [sha256.Size]byte

func (c *call) key(epoch uint64) (callKey, error) {
	values, err := json.Marshal(c.values) // sorted by name; the rules give each name one type
	if err != nil {
		return callKey{}, err
	}
	ds, q := c.plan.ds, &c.plan.query
	head := fmt.Appendf(nil, "%s %s %d %s %d %d\n", ds.TenantID, q.ID, q.Version, ds.ID, ds.Version, epoch)
	return sha256.Sum256(append(head, values...)), nil
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
