//go:build unix

package chaostest

import (
	"time"
)

// slack is how far from a harm its consequences may begin: the node and the
// storing of its result before, the time until the lease is renewed after.
const slack = lease + nodeTakes + time.Second

// judge checks what is left after everything has ended.
func (s *scene) judge() {
	s.t.Helper()
	for what, query := range map[string]string{
		"runs that did not succeed": `SELECT count(*) FROM ?schema.jet_run WHERE status <> 'succeeded'`,
		"runs with open nodes":      `SELECT count(*) FROM ?schema.jet_run WHERE open_nodes <> 0 OR waiting_nodes <> 0`,
		"nodes that did not end":    `SELECT count(*) FROM ?schema.jet_run_node WHERE status NOT IN ('succeeded', 'skipped')`,
		"nodes that ended without exactly one record": `SELECT count(*) FROM ?schema.jet_run_node n WHERE status = 'succeeded'
			AND 1 <> (SELECT count(*) FROM ?schema.jet_run_output o WHERE o.node_id = n.id)`,
		"records that are not of a success": `SELECT count(*) FROM ?schema.jet_run_output o WHERE o.status <> 'succeeded'
			OR NOT EXISTS (SELECT 1 FROM ?schema.jet_run_node n WHERE n.id = o.node_id AND n.status = 'succeeded')`,
		"nodes of a run with the same key":              `SELECT count(*) FROM (SELECT 1 FROM ?schema.jet_run_output GROUP BY run_id, key HAVING count(*) <> 1) x`,
		"attempts that were counted for a lost process": `SELECT count(*) FROM ?schema.jet_run_node WHERE attempt > 1`,
		"nodes of the graph without an outcome": `SELECT count(*) FROM ?schema.jet_run r JOIN ?schema.jet_workflow_version v USING (tenant_id, workflow_id)
			WHERE json_array_length(v.graph::json->'nodes') <> (SELECT count(*) FROM ?schema.jet_run_node n WHERE n.run_id = r.id)`,
		"nodes that succeeded without an entry": `SELECT count(*) FROM ?schema.jet_run_node n WHERE status = 'succeeded' AND length(key) = 1
			AND NOT EXISTS (SELECT 1 FROM ?schema.ledger l WHERE l.run_id = n.run_id::text AND l.key = n.key)`,
		"entries of nodes that were skipped": `SELECT count(*) FROM ?schema.ledger l JOIN ?schema.jet_run_node n ON l.run_id = n.run_id::text AND l.key = n.key
			WHERE n.status <> 'succeeded'`,
		"entries with another idempotency key":   `SELECT count(*) FROM ?schema.ledger WHERE idempotency_key <> run_id || '/' || key || '/0'`,
		"entries of an attempt beyond the first": `SELECT count(*) FROM ?schema.ledger WHERE attempt <> 1`,
		"nodes that were repeated without a lost process": `SELECT count(*) FROM ?schema.jet_run_node n WHERE losses + 1 <
			(SELECT count(*) FROM ?schema.ledger l WHERE l.run_id = n.run_id::text AND l.key = n.key)`,
	} {
		if n := s.count("/* across tenants: the verdict */ " + query); n != 0 {
			s.t.Errorf("%d %s", n, what)
		}
	}
	s.judgeRepetitions()
}

type entry struct {
	RunID   string
	Key     string
	Worker  string
	BeganAt time.Time
}

// judgeRepetitions checks that of all the times a node began, at most one was in
// a process to which nothing had happened.
func (s *scene) judgeRepetitions() {
	s.t.Helper()
	var entries []entry
	err := s.db.NewRaw(`SELECT run_id, key, worker, began_at FROM ?schema.ledger l
		WHERE 1 < (SELECT count(*) FROM ?schema.ledger m WHERE m.run_id = l.run_id AND m.key = l.key) ORDER BY seq`).Scan(s.t.Context(), &entries)
	if err != nil {
		s.t.Fatal(err)
	}
	type node struct{ runID, key string }
	unharmed := map[node]int{}
	nodes := map[node]int{}
	for _, e := range entries {
		n := node{e.RunID, e.Key}
		nodes[n]++
		if !s.fleet.harmed(e) {
			unharmed[n]++
		}
	}
	s.t.Logf("%d nodes ran %d times; %d losses were noted", len(nodes), len(entries),
		s.count("SELECT coalesce(sum(losses), 0) FROM ?schema.jet_run_node /* across tenants: the verdict */"))
	for n, times := range unharmed {
		if times > 1 {
			s.t.Errorf("node %s of run %s ran %d times, %d of them in a process that was neither killed nor paused", n.key, n.runID, nodes[n], times)
		}
	}
}

// harmed reports whether something happened to the process while it was at the
// node.
func (f *fleet) harmed(e entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.harms {
		if h.worker == e.Worker && e.BeganAt.After(h.from.Add(-slack)) && e.BeganAt.Before(h.to.Add(slack)) {
			return true
		}
	}
	return false
}
