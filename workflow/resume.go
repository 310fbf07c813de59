package workflow

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// past is a node of an earlier run whose result a new run may take over.
type past struct {
	node nodeRow
	port string // that it took
}

// resume plays the results that are kept through a graph, by the rules of
// advance, and says where every node stands then: what was kept and reached has
// its old status, what is ready has still to run. A node behind one that has
// still to run is as open as that, whatever it was before.
func (p *plan) resume(kept map[string]past) map[string]nodeState {
	states := map[string]nodeState{p.start: {Status: NodeSucceeded}}
	type ended struct{ key, port string }
	for queue := []ended{{p.start, PortSuccess}}; len(queue) > 0; queue = queue[1:] {
		for _, c := range p.advance(states, queue[0].key, queue[0].port) {
			before := states[c.key].Status
			if k, ok := kept[c.key]; ok && c.state.Status == NodeReady && (before == "" || before == NodePending) {
				c.state.Status = k.node.Status
				queue = append(queue, ended{c.key, k.port})
			}
			states[c.key] = c.state
		}
	}
	return states
}

// descendants are the nodes that can be reached from one, and itself.
func (p *plan) descendants(key string) map[string]bool {
	all := map[string]bool{key: true}
	for queue := []string{key}; len(queue) > 0; queue = queue[1:] {
		for _, e := range p.nodes[queue[0]].out {
			if !all[e.To] {
				all[e.To] = true
				queue = append(queue, e.To)
			}
		}
	}
	return all
}

// keeps reports whether the result of a node can stand in another run: the node
// is there, is what it was, and did not end a run, which has to be decided anew.
func (p *plan) keeps(was *plan, key string) bool {
	n, before := p.nodes[key], was.nodes[key]
	return n != nil && before != nil && key != p.start && n.def.Type == before.def.Type && n.def.Type != TypeEnd
}

// results reads what the nodes of a run came to, as far as the run could go on
// from there: those that failed it, or had not ended, are not among them.
func results(ctx context.Context, db bun.IDB, run *runRow) (map[string]past, error) {
	var nodes []nodeRow
	err := db.NewSelect().Model(&nodes).Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).
		Where("status IN (?)", bun.List([]NodeStatus{NodeSucceeded, NodeFailed})).Scan(ctx)
	if err != nil {
		return nil, err
	}
	var outputs []outputRow
	err = db.NewSelect().Model(&outputs).Column("node_id", "attempt", "port").
		Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Scan(ctx)
	if err != nil {
		return nil, err
	}
	type attempt struct {
		nodeID string
		number int
	}
	ports := make(map[attempt]string, len(outputs))
	for _, o := range outputs {
		ports[attempt{o.NodeID, o.Attempt}] = o.Port
	}
	kept := make(map[string]past, len(nodes))
	for _, n := range nodes {
		if port := ports[attempt{n.ID, n.Attempt}]; port != "" {
			kept[n.Key] = past{n, port}
		}
	}
	return kept, nil
}

// takeover is the copy of an output into a new run.
type takeover struct{ from, to *nodeRow }

// resume replaces the nodes of a run that is about to be stored: it begins where
// the results that are kept lead to.
func (b *beginning) resume(states map[string]nodeState, kept map[string]past, now time.Time) {
	b.nodes, b.ready, b.run.OpenNodes = b.nodes[:1], nil, 0 // the start node stays
	for _, def := range b.plan.graph.Nodes {
		state, ok := states[def.Key]
		if !ok || def.Key == b.plan.start {
			continue
		}
		n := &nodeRow{ID: id.New(), TenantID: b.run.TenantID, RunID: b.run.ID, Key: def.Key, Priority: b.run.Priority}
		n.enter(state, now)
		switch state.Status {
		case NodeReady:
			b.ready, b.run.OpenNodes = append(b.ready, n), b.run.OpenNodes+1
		case NodeSucceeded, NodeFailed:
			old := kept[def.Key].node
			n.Attempt, n.ReadyAt, n.StartedAt, n.FinishedAt = old.Attempt, old.ReadyAt, old.StartedAt, old.FinishedAt
			b.takeovers = append(b.takeovers, takeover{from: &old, to: n})
		}
		b.nodes = append(b.nodes, n)
	}
	b.run.Status, b.run.StartedAt, b.run.FinishedAt = RunQueued, nil, nil
	if b.run.OpenNodes == 0 {
		b.run.Status, b.run.StartedAt, b.run.FinishedAt = RunSucceeded, &now, &now
	}
}

// copyOutputs takes over the outputs of an earlier run without reading them.
func copyOutputs(ctx context.Context, tx bun.IDB, takeovers []takeover) error {
	for _, t := range takeovers {
		_, err := tx.NewRaw(`INSERT INTO ?schema.jet_run_output (id, tenant_id, run_id, node_id, key, attempt, status, port, output, error, started_at, finished_at)
			SELECT ?, tenant_id, ?, ?, key, attempt, status, port, output, error, started_at, finished_at FROM ?schema.jet_run_output
			WHERE tenant_id = ? AND node_id = ? AND attempt = ?`,
			id.New(), t.to.RunID, t.to.ID, t.from.TenantID, t.from.ID, t.from.Attempt).Exec(ctx)
		if err != nil {
			return err
		}
	}
	if len(takeovers) == 0 {
		return nil
	}
	t := takeovers[0]
	return copyPayloads(ctx, tx, t.from.TenantID, t.from.RunID, t.to.RunID)
}

func nodeMissing(key string) error {
	return problem.Newf(problem.Conflict, "node_missing", "the version has no node %s", key).
		Fix("rerun on the version that the run executed, or from another node")
}
