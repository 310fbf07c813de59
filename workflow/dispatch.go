package workflow

import (
	"context"
	"time"
)

// A node that is ready is a row, and nothing else. Whoever made it so gives its
// tenant a turn here, and tells other processes when there is no room here. Any
// process finds the row by itself within a second.

const (
	dispatchTimeout = 2 * time.Second

	// tellPause is the least time between two messages to other processes. What
	// comes up meanwhile is told together.
	tellPause = 5 * time.Millisecond
	tellBatch = 4096

	// holdHint is for how long a process without room keeps a hint to itself.
	holdHint = time.Second
)

// dispatch gives a tenant turns for nodes that have become ready.
func (e *engine) dispatch(h Hint) {
	if h.Nodes == 0 {
		return
	}
	if e.crew.accepts() {
		e.rota.add(h.TenantID, h.Nodes)
		if e.rota.size() <= e.slots.free() {
			return
		}
	}
	if !e.queueDown.Load() {
		e.hints.add(h)
	}
}

// tell hands hints to other processes, one for each tenant.
func (e *engine) tell(ctx context.Context, batch []Hint) {
	nodes := make(map[string]int)
	for _, h := range batch {
		nodes[h.TenantID] += h.Nodes
	}
	hints := make([]Hint, 0, len(nodes))
	for tenantID, n := range nodes {
		hints = append(hints, Hint{tenantID, n})
	}
	ctx, cancel := context.WithTimeout(ctx, dispatchTimeout)
	defer cancel()
	if err := e.s.cfg.Queue.Dispatch(ctx, hints); err != nil {
		e.s.cfg.Logger.Warn("workflow queue: dispatch", "error", err, "hints", len(hints))
	}
	sleep(ctx, tellPause)
}

// Receive implements [Receiver].
func (e *engine) Receive(ctx context.Context, h Hint) {
	e.rota.atLeast(h.TenantID, 1)
	patience := time.NewTimer(holdHint)
	defer patience.Stop()
	select {
	case e.slots.common <- struct{}{}:
		<-e.slots.common
	case <-patience.C:
	case <-ctx.Done():
	}
}

// Down implements [Receiver].
func (e *engine) Down(down bool) {
	if e.queueDown.Swap(down) != down {
		e.s.cfg.Logger.Warn("workflow queue", "down", down)
		e.nudge()
	}
}

func (e *engine) serveQueue(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.s.cfg.Queue.Serve(ctx, e); err != nil {
			e.s.cfg.Logger.Warn("workflow queue", "error", err)
			e.Down(true)
			sleep(ctx, panicPause)
		}
	}
}

// takeTurns runs nodes for as long as there is room, of each tenant in turn.
func (e *engine) takeTurns(ctx context.Context) {
	for {
		select {
		case <-e.rota.filled:
		case <-ctx.Done():
			return
		}
		select {
		case e.slots.common <- struct{}{}:
		case <-ctx.Done():
			return
		}
		t, ok := e.rota.next()
		if !ok {
			<-e.slots.common
			continue
		}
		if slot := e.enroll(t.tenantID, e.slots.common); slot != nil {
			go e.crewed(slot, "of tenant "+t.tenantID, func() { e.work(slot, t) })
		}
	}
}

// work claims a node of a tenant and runs it, and then whatever of its run it may
// go on with.
func (e *engine) work(slot *slot, t turn) {
	c, err := e.claim(e.ctx, t)
	if err != nil {
		e.s.cfg.Logger.Warn("workflow engine: claim a node", "tenant", t.tenantID, "error", err)
		return
	}
	e.workOn(slot, c)
}

// lookAround is how many tenants one statement finds.
const lookAround = 1000

// noTenant comes before every tenant.
const noTenant = "00000000-0000-0000-0000-000000000000"

// lookForReady gives a turn to every tenant that has nodes ready: those of
// processes that died, or that nobody was told of.
func (e *engine) lookForReady(ctx context.Context) error {
	found := []string{noTenant}
	for full := true; full && e.crew.accepts(); full = len(found) == lookAround {
		var err error
		if found, err = e.tenantsReady(ctx, found[len(found)-1]); err != nil {
			return err
		}
		for _, tenantID := range found {
			e.rota.atLeast(tenantID, 1)
		}
	}
	return nil
}

// tenantsReady goes from tenant to tenant, so that it costs the same however many
// nodes each has.
func (e *engine) tenantsReady(ctx context.Context, after string) (tenants []string, err error) {
	next := func(after string) string {
		return `(SELECT n.tenant_id FROM ?schema.jet_run_node AS n WHERE n.status = 'ready' AND n.wake_at IS NULL AND n.tenant_id > ` + after + `
			ORDER BY n.tenant_id LIMIT 1)`
	}
	err = e.s.cfg.DB.NewRaw(`WITH RECURSIVE t (id) AS (SELECT `+next("?")+` /* across tenants: those with nodes that are ready */
			UNION ALL SELECT `+next("t.id")+` FROM t WHERE t.id IS NOT NULL)
		SELECT id FROM t WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ?schema.jet_tenant AS s WHERE s.id = t.id AND s.suspended_at IS NOT NULL) LIMIT ?`, after, lookAround).Scan(ctx, &tenants)
	return tenants, err
}
