package workflow

import (
	"cmp"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// progress is what the ends of nodes make of a run, before any of it is stored.
// It touches no database, so the rules can be tested without one. Several ends in
// one transaction are applied one after the other.
type progress struct {
	plan *plan
	now  time.Time

	stored runRow // the run as the database has it
	run    runRow // and as it becomes

	states  map[string]nodeState // of the nodes that have a row, stored or new
	ids     map[string]string    // of the nodes whose row is stored
	nodes   map[string]*nodeRow  // rows to insert, or to update when they are there
	order   []*nodeRow           // the same, as they came up
	decided []*nodeRow           // of these, the ones whose status was decided here
	outputs []outputRow

	failure  *Failure // why the run failed
	output   *string  // of the run, once it has succeeded
	leftOpen bool     // the run has ended, and nodes of it are open in the database
}

func newProgress(p *plan, run runRow, now time.Time) *progress {
	return &progress{
		plan: p, now: now, stored: run, run: run,
		states: make(map[string]nodeState), ids: make(map[string]string), nodes: make(map[string]*nodeRow),
	}
}

// flow is the part of the graph that the run executes.
func (p *progress) flow() *flow { return p.plan.flows[p.run.loop()] }

// ended reports whether the run ends with what was applied so far.
func (p *progress) ended() bool { return p.run.Status.Final() }

// apply gives a node that was running, or waiting, what its attempt came to, and
// returns the rows that changed for it, the node's own first. When an end that was
// applied before has ended the run, nothing follows from this one.
func (p *progress) apply(n *nodeRow, o outcome) (changed []*nodeRow) {
	waited := n.Status == NodeWaiting
	n.Status = o.status
	changed = []*nodeRow{n}
	switch o.status {
	case NodeReady:
		p.record(n, o, NodeFailed)
		if waited && !p.ended() {
			p.run.WaitingNodes--
			p.setOpen()
		}
		return changed
	case NodeWaiting:
		p.run.WaitingNodes++
		p.setOpen()
		return changed
	}
	n.FinishedAt = &p.now
	p.record(n, o, o.status)
	if p.ended() {
		return changed
	}
	p.run.OpenNodes--
	if waited {
		p.run.WaitingNodes--
	}
	switch end := o.end; {
	case o.status == NodeFailed && o.port == "":
		return p.end(RunFailed, o.failure, changed)
	case end != nil && end.Failed:
		return p.end(RunFailed, &Failure{Node: n.Key, Kind: problem.Conflict, Code: "run_failed", Message: end.Message}, changed)
	case end != nil && end.Terminate:
		return p.end(RunSucceeded, nil, changed)
	}
	changed = append(changed, p.decideEdges(n.Key, o.port)...)
	if p.run.OpenNodes == 0 {
		return p.end(RunSucceeded, nil, changed)
	}
	p.setOpen()
	return changed
}

// setOpen says whether a run that goes on runs or waits.
func (p *progress) setOpen() {
	if p.ended() {
		return
	}
	if p.run.Status = RunRunning; p.run.StartedAt == nil {
		p.run.StartedAt = &p.now
	}
	if p.run.WaitingNodes == p.run.OpenNodes {
		p.run.Status = RunWaiting
	}
}

func (p *progress) record(n *nodeRow, o outcome, status NodeStatus) {
	row := outputRow{
		ID: id.New(), TenantID: n.TenantID, RunID: n.RunID, NodeID: n.ID, Key: n.Key, Attempt: n.Attempt,
		Status: status, Port: o.port, Error: o.failure.column(), StartedAt: p.now, FinishedAt: p.now,
	}
	if n.StartedAt != nil {
		row.StartedAt = *n.StartedAt
	}
	if o.output != nil {
		s := string(o.output)
		row.Output = &s
	}
	p.outputs = append(p.outputs, row)
}

// decideEdges returns the rows of the nodes that became ready, skipped or, at
// first sight, pending.
func (p *progress) decideEdges(key, port string) (changed []*nodeRow) {
	for _, c := range p.plan.advance(p.states, key, port) {
		before := p.states[c.key]
		n := p.row(c.key)
		n.EdgesDecided, n.EdgesTaken = c.state.Decided, c.state.Taken
		if before.Status != "" && before.Status != NodePending {
			n.Status = before.Status // decided before: only the counters move
		} else {
			n.enter(c.state, p.now)
			changed, p.decided = append(changed, n), append(p.decided, n)
			if n.Status == NodeReady {
				p.run.OpenNodes++
			}
		}
		p.states[c.key] = nodeState{Status: n.Status, Decided: n.EdgesDecided, Taken: n.EdgesTaken}
	}
	return changed
}

func (p *progress) row(key string) *nodeRow {
	n := p.nodes[key]
	if n == nil {
		n = &nodeRow{ID: cmp.Or(p.ids[key], id.New()), TenantID: p.run.TenantID, RunID: p.run.ID, Key: key, Priority: p.run.Priority}
		p.nodes[key] = n
		p.order = append(p.order, n)
	}
	return n
}

// end gives the run its last status. What was about to become open never does;
// what is open in the database is cancelled by whoever stores this, see
// [progress.leftOpen].
func (p *progress) end(status RunStatus, f *Failure, changed []*nodeRow) []*nodeRow {
	for _, n := range p.decided {
		switch n.Status {
		case NodeReady, NodeRunning:
			p.run.OpenNodes--
			fallthrough
		case NodePending:
			n.Status, n.FinishedAt, n.Token, n.WorkerID = NodeCancelled, &p.now, nil, nil
		}
	}
	p.leftOpen = p.run.OpenNodes > 0
	p.run.Status, p.run.FinishedAt, p.run.OpenNodes, p.run.WaitingNodes, p.failure = status, &p.now, 0, 0, f
	return changed
}

// take claims the only row among those that is ready.
func (p *progress) take(rows []*nodeRow, token, workerID string) *nodeRow {
	var only *nodeRow
	for _, n := range rows {
		if n.Status != NodeReady || p.nodes[n.Key] != n { // it waits for another attempt
			continue
		}
		if only != nil {
			return nil
		}
		only = n
	}
	if only != nil {
		only.Status, only.Token, only.WorkerID, only.Attempt, only.StartedAt = NodeRunning, &token, &workerID, 1, only.ReadyAt
		p.states[only.Key] = nodeState{Status: NodeRunning, Decided: only.EdgesDecided, Taken: only.EdgesTaken}
	}
	return only
}

// enter gives a node the state that its edges decided.
func (n *nodeRow) enter(s nodeState, now time.Time) {
	n.Status, n.EdgesDecided, n.EdgesTaken = s.Status, s.Decided, s.Taken
	switch s.Status {
	case NodeReady:
		n.ReadyAt = &now
	case NodeSkipped:
		n.FinishedAt = &now
	}
}
