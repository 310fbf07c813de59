package workflow

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

// fence is what must still hold of a node's row for a result to count.
type fence string

const (
	fenceToken fence = "token" // it is running under the claim's token
	fenceTimer fence = "timer" // it is waiting, and the time has come

	fenceAnswer fence = "answer" // it is waiting, and the time has not come
	fenceEvent  fence = "event"  // it is waiting
	fenceParent fence = "parent" // it is waiting for the runs that the claim has begun
)

// patience is how long the end of a wait, on its own, waits for a run that
// somebody else holds.
func (f fence) patience() time.Duration {
	if f == fenceAnswer {
		return answerPatience
	}
	return heldPatience
}

// transition is what the end of an attempt makes of a run: the node's status, its
// output, the decisions on edges, and what they mean for the run.
type transition struct {
	claim *claim
	fence fence
	steps []step // the first is the claimed node, the others were computed on from it

	closing *closing // the wait that ends with the node
	waits   *waitRow // what the node waits for now

	done chan error // gets the outcome of the transaction

	before, after runRow // the run as it was, and as it has become
	failure       *Failure
	lost          bool // somebody else owns the node, or the run has ended: nothing was changed
	held          bool // somebody else holds the run: nothing was changed, it is to be offered again
	stored        bool // what makes it lost is that the same outcome is there already
	applied       int  // how many of the steps count: another may have ended the run before the rest
	complete      bool // every statement has run, only the commit is missing
	changed       []rowChange
}

// step is a node with what an attempt at it came to.
type step struct {
	key     string
	outcome outcome
}

// rowChange is a row as a transition left it, with what the step said about it.
type rowChange struct {
	node    *nodeRow
	port    string
	failure *Failure
}

// settleBatch bounds a transaction: the rows that it locks, and its memory.
const settleBatch = 256

// batchTimeout bounds a transaction; the lease of its nodes is over by then.
const batchTimeout = 30 * time.Second

// submit stores a transition together with those of others, and offers it again
// for as long as patience lasts while somebody else holds the run (errRunHeld). It
// gives up waiting, not the transaction, when ctx ends.
func (e *engine) submit(ctx context.Context, t *transition, patience time.Duration) error {
	since := time.Now()
	for pause := heldPause; ; pause = min(pause*2, maxHeldPause) {
		t.done = make(chan error, 1)
		e.settlements.add(t)
		select {
		case err := <-t.done:
			if err != nil || !t.held {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(since) >= patience || !sleep(ctx, pause) {
			return errRunHeld
		}
	}
}

// settleAll stores a batch of transitions.
func (e *engine) settleAll(ctx context.Context, batch []*transition) {
	e.s.telemetry.batched("results", len(batch))
	all := func(batch []*transition) error {
		ctx, cancel := context.WithTimeout(ctx, batchTimeout)
		defer cancel()
		return e.storePatiently(ctx, batch, heldPatience)
	}
	halve(batch, all, func(done []*transition, err error) {
		for _, t := range done {
			t.done <- err
		}
	})
}

// storeAll is the one transaction in which results become true. It waits for runs
// that somebody else holds, or without patience leaves them out.
func (e *engine) storeAll(ctx context.Context, batch []*transition, patience time.Duration) error {
	return e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		s := &settlement{
			engine: e, tx: tx, now: e.s.cfg.Clock.Now(), batch: batch, patience: patience, runs: make(map[string]*progress), held: make(map[string]bool),
		}
		return s.store(ctx)
	})
}

// settlement is a transaction under way.
type settlement struct {
	*engine
	tx    bun.IDB
	now   time.Time
	batch []*transition

	patience time.Duration // for runs that somebody else holds; 0 = they are left out
	runs     map[string]*progress
	held     map[string]bool // the runs that were left out
}

func (s *settlement) store(ctx context.Context) error {
	for _, t := range s.batch {
		t.lost, t.stored, t.complete, t.applied, t.changed, t.waits = false, false, false, 0, nil, nil
	}
	for _, stage := range []func(context.Context) error{
		s.lockRuns, s.leaveNodes, s.findStored, s.closeWaits, s.saveWaits, s.readJoins, s.apply, s.mergeEnds, s.saveResponses,
		s.cancelOpen, s.insertOutputs, s.saveNodes, s.saveRuns, s.saveRunData,
	} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	for _, t := range s.batch {
		t.complete = !t.lost
	}
	return nil
}

// lockRuns reads the runs, and begins what the batch makes of them.
func (s *settlement) lockRuns(ctx context.Context) error {
	found, err := s.holdRuns(ctx, runsOf(s.batch))
	if err != nil {
		return err
	}
	for _, t := range s.batch {
		now := found[t.claim.node.RunID]
		t.held = now != nil && s.held[now.ID]
		if t.lost = t.held || now == nil || now.TenantID != t.claim.node.TenantID || now.Status.Final(); t.lost {
			continue
		}
		if s.runs[now.ID] == nil {
			run := t.claim.run // all but this never changes
			run.Status, run.OpenNodes, run.WaitingNodes, run.StartedAt = now.Status, now.OpenNodes, now.WaitingNodes, now.StartedAt
			s.runs[now.ID] = newProgress(t.claim.plan, run, s.now)
		}
	}
	return nil
}

// leave is the new status of a node, and the fence under which it counts.
type leave struct {
	ID         string     `json:"new_id"`
	TenantID   string     `json:"new_tenant_id"`
	Token      *string    `json:"new_token"`
	Fence      fence      `json:"new_fence"`
	Status     NodeStatus `json:"new_status"`
	Delay      *int64     `json:"new_delay"`
	FinishedAt *string    `json:"new_finished_at"`
}

// leaveNodes writes the new statuses of the nodes whose fences hold. The others
// are lost to this process.
func (s *settlement) leaveNodes(ctx context.Context) error {
	var list []leave
	for _, t := range s.batch {
		if t.lost {
			continue
		}
		n, o := &t.claim.node, t.steps[0].outcome
		l := leave{ID: n.ID, TenantID: n.TenantID, Token: n.Token, Fence: t.fence, Status: o.status}
		switch o.status {
		case NodeReady, NodeWaiting:
			l.Delay = new(o.delay.Milliseconds())
		default:
			l.FinishedAt = new(store.Column(s.now))
		}
		list = append(list, l)
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b leave) int { return cmp.Compare(a.ID, b.ID) })
	d := s.s.cfg.DB.Dialect
	var left []string
	err := store.Select(ctx, s.tx, &left, `UPDATE ?schema.jet_run_node AS n /* across tenants: results of one process */ SET status = d.new_status,
			wake_at = CASE WHEN d.new_delay IS NULL THEN n.wake_at ELSE `+d.AfterColumn("d.new_delay")+` END, finished_at = COALESCE(d.new_finished_at, n.finished_at)
		FROM `+d.Records("new_id uuid", "new_tenant_id uuid", "new_token uuid", "new_fence text", "new_status text", "new_delay bigint", "new_finished_at timestamptz")+`
		WHERE n.id = d.new_id AND n.tenant_id = d.new_tenant_id AND (d.new_fence = 'token' AND n.status = 'running' AND n.token = d.new_token
			OR d.new_fence = 'timer' AND n.status = 'waiting' AND n.wake_at <= `+d.Now()+`
			OR d.new_fence = 'answer' AND n.status = 'waiting' AND n.wake_at > `+d.Now()+` OR d.new_fence = 'event' AND n.status = 'waiting'
			OR d.new_fence = 'parent' AND n.status = 'waiting' AND n.token = d.new_token)
		RETURNING id`, encode(list))
	if err != nil {
		return err
	}
	fenced := make(map[string]bool, len(left))
	for _, id := range left {
		fenced[id] = true
	}
	for _, t := range s.batch {
		// A second result for the same node in one batch is as late as one in the next.
		t.lost = t.lost || !fenced[t.claim.node.ID]
		delete(fenced, t.claim.node.ID)
	}
	return nil
}

// findStored tells a commit whose answer was lost from a node that somebody else
// has taken: its token stays in the row.
func (s *settlement) findStored(ctx context.Context) error {
	tokens := make(map[string]*transition)
	for _, t := range s.batch {
		if t.lost && t.claim.node.Token != nil {
			tokens[*t.claim.node.Token] = t
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	var rows []nodeRow
	ids := make([]string, 0, len(tokens))
	for _, t := range tokens {
		ids = append(ids, t.claim.node.ID)
	}
	err := s.tx.NewSelect().Model(&rows).Column("token", "status").
		Where("id IN (?) /* across tenants: results of one process */", bun.List(ids)).Scan(ctx)
	for i := range rows {
		if rows[i].Token == nil {
			continue
		}
		if t := tokens[*rows[i].Token]; t != nil {
			t.stored = rows[i].Status == t.steps[0].outcome.status
		}
	}
	return err
}

// readJoins reads the states of the nodes that have several incoming edges. Any
// other node has no row before its only edge is decided.
func (s *settlement) readJoins(ctx context.Context) error {
	var runs, keys []string
	for id, p := range s.runs {
		if joins := p.flow().joins; len(joins) > 0 {
			runs, keys = append(runs, id), append(keys, joins...)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	slices.Sort(keys)
	var rows []nodeRow
	err := s.tx.NewSelect().Model(&rows).Column("id", "run_id", "key", "status", "edges_decided", "edges_taken").
		Where("run_id IN (?) /* across tenants: results of one process */", bun.List(runs)).Where("key IN (?)", bun.List(slices.Compact(keys))).Scan(ctx)
	for _, r := range rows {
		p := s.runs[r.RunID]
		p.states[r.Key] = nodeState{Status: r.Status, Decided: r.EdgesDecided, Taken: r.EdgesTaken}
		p.ids[r.Key] = r.ID
	}
	return err
}

// apply works out what follows.
func (s *settlement) apply(context.Context) error {
	for _, t := range s.batch {
		if !t.lost {
			p := s.runs[t.claim.node.RunID]
			t.before = p.run
			s.applyOne(t, p)
			t.after, t.failure = p.run, p.failure
		}
	}
	return nil
}

func (s *settlement) applyOne(t *transition, p *progress) {
	c := t.claim
	node := c.node // a copy: the transaction may have to be repeated
	var open []*nodeRow
	for i, st := range t.steps {
		n := &node
		if i > 0 {
			n = p.nodes[st.key]
			if n == nil || n.Status != NodeReady || p.ended() {
				break // another end has ended the run; what was computed is for nobody
			}
			n.Attempt, n.StartedAt = 1, n.ReadyAt
		}
		changed := p.apply(n, st.outcome)
		t.applied = i + 1
		if i == 0 {
			t.changed = append(t.changed, rowChange{n, st.outcome.port, st.outcome.failure})
		} else {
			t.mark(n, st)
		}
		for _, other := range changed[1:] {
			t.changed = append(t.changed, rowChange{node: other})
		}
		open = changed[1:]
	}
	if c.successor != "" && c.chains() && s.crew.accepts() && !p.ended() {
		p.take(open, c.successor, s.workerID)
	}
}

// mark notes what a step that was computed on came to.
func (t *transition) mark(n *nodeRow, st step) {
	for i := range t.changed {
		if t.changed[i].node == n {
			t.changed[i].port, t.changed[i].failure = st.outcome.port, st.outcome.failure
		}
	}
}

// cancelOpen cancels what is open of the runs that end.
func (s *settlement) cancelOpen(ctx context.Context) error {
	for _, t := range s.batch {
		p := s.runs[t.claim.node.RunID]
		if t.lost || !p.leftOpen || t.before.Status.Final() || !t.after.Status.Final() {
			continue
		}
		if err := s.cancelWaits(ctx, p); err != nil {
			return err
		}
		cancelled, err := cancelNodes(ctx, s.tx, &p.run, s.now)
		if err != nil {
			return err
		}
		for i := range cancelled {
			t.changed = append(t.changed, rowChange{node: &cancelled[i]})
		}
	}
	return nil
}

func (s *settlement) insertOutputs(ctx context.Context) error {
	var rows []*outputRow
	for _, p := range s.runs {
		for i := range p.outputs {
			rows = append(rows, &p.outputs[i])
		}
	}
	return insertAll(ctx, s.tx, rows)
}

// saveNodes writes the rows that edges have reached. What they become is known
// here: the run is locked, and a join that is pending can only be changed under
// that lock. A node with one incoming edge has no row before that is decided.
func (s *settlement) saveNodes(ctx context.Context) error {
	var rows, joins []*nodeRow
	for _, p := range s.runs {
		for _, n := range p.order {
			if p.plan.nodes[n.Key].in > 1 {
				joins = append(joins, n)
			} else {
				rows = append(rows, n)
			}
		}
	}
	if err := insertAll(ctx, s.tx, rows); err != nil || len(joins) == 0 {
		return err
	}
	slices.SortFunc(joins, func(a, b *nodeRow) int {
		return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Key, b.Key))
	})
	return upsertNodes(ctx, s.tx, joins)
}

func upsertNodes(ctx context.Context, tx bun.IDB, rows []*nodeRow) error {
	_, err := store.Exec(ctx, tx, store.InsertSQL[nodeRow](tx)+` ON CONFLICT (run_id, key) DO UPDATE SET
			status = CASE WHEN n.status = 'pending' THEN EXCLUDED.status ELSE n.status END,
			edges_decided = EXCLUDED.edges_decided, edges_taken = EXCLUDED.edges_taken,
			ready_at = COALESCE(n.ready_at, EXCLUDED.ready_at),
			finished_at = COALESCE(n.finished_at, EXCLUDED.finished_at),
			token = COALESCE(n.token, EXCLUDED.token), worker_id = COALESCE(n.worker_id, EXCLUDED.worker_id),
			attempt = CASE WHEN n.status = 'pending' THEN EXCLUDED.attempt ELSE n.attempt END,
			started_at = COALESCE(n.started_at, EXCLUDED.started_at)`, store.Records(tx, rows))
	return err
}

// runEnd is what a run has come to.
type runEnd struct {
	ID           string    `json:"id"`
	TenantID     string    `json:"tenant_id"`
	Status       RunStatus `json:"status"`
	OpenNodes    int       `json:"open_nodes"`
	WaitingNodes int       `json:"waiting_nodes"`
	StartedAt    *string   `json:"started_at"`
	FinishedAt   *string   `json:"finished_at"`
}

func (s *settlement) saveRuns(ctx context.Context) error {
	var list []runEnd
	var ids []string
	for _, p := range s.runs {
		if p.run == p.stored {
			continue
		}
		row := runEnd{ID: p.run.ID, TenantID: p.run.TenantID, Status: p.run.Status, OpenNodes: p.run.OpenNodes, WaitingNodes: p.run.WaitingNodes}
		if p.run.StartedAt != nil {
			row.StartedAt = new(store.Column(*p.run.StartedAt))
		}
		if p.run.FinishedAt != nil {
			row.FinishedAt = new(store.Column(*p.run.FinishedAt))
		}
		list, ids = append(list, row), append(ids, row.ID)
	}
	if len(list) == 0 {
		return nil
	}
	d := s.s.cfg.DB.Dialect
	among, few := d.Among("r.id", ids)
	_, err := store.Exec(ctx, s.tx, `UPDATE ?schema.jet_run AS r /* across tenants: results of one process */ SET status = d.status,
			open_nodes = d.open_nodes, waiting_nodes = d.waiting_nodes, started_at = d.started_at, finished_at = d.finished_at
		FROM `+d.Records("id uuid", "tenant_id uuid", "status text", "open_nodes integer", "waiting_nodes integer", "started_at timestamptz",
		"finished_at timestamptz")+`
		WHERE r.id = d.id AND r.tenant_id = d.tenant_id`+among, append([]any{encode(list)}, few...)...)
	return err
}

// saveRunData writes the outputs and errors of the runs that end.
func (s *settlement) saveRunData(ctx context.Context) error {
	type data struct {
		RunID    string  `json:"run_id"`
		TenantID string  `json:"tenant_id"`
		Output   *string `json:"output"`
		Error    *string `json:"error"`
	}
	var list []data
	for _, p := range s.runs {
		if !p.ended() {
			continue
		}
		d := data{RunID: p.run.ID, TenantID: p.run.TenantID, Output: p.output, Error: p.failure.column()}
		if d.Output != nil || d.Error != nil {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return nil
	}
	_, err := store.Exec(ctx, s.tx, `UPDATE ?schema.jet_run_data AS r /* across tenants: results of one process */ SET output = d.output, error = d.error
		FROM `+s.s.cfg.DB.Dialect.Records("run_id uuid", "tenant_id uuid", "output text", "error text")+`
		WHERE r.run_id = d.run_id AND r.tenant_id = d.tenant_id`, encode(list))
	return err
}
