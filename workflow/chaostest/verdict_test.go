//go:build unix

package chaostest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// slack is how far from a harm its consequences may begin or end: the claim of a
// node before it begins, the storing of its result after it is done, the time
// until a lease is renewed.
const slack = lease + time.Second

// maxRetryStore is the longest pause between two attempts of the engine to store a result.
const maxRetryStore = 2 * time.Second

// storePatience is for how long a result may wait at most while the database is there:
// for a transaction of a paused process, or for a processor.
const storePatience = 10 * time.Second

// verdict is what was found in the ledger.
type verdict struct {
	executions int
	nodes      int
	repeated   int // nodes that ran more than once
	losses     int // that the engine noted
	recovery   time.Duration
	givenUp    int           // runs of which a node lost its process three times
	waited     time.Duration // the longest that a node was ready before it was taken for the last time
}

func (v verdict) String() string {
	return fmt.Sprintf("%d nodes ran %d times, %d of them repeatedly; %d losses, %d runs given up for three of them; slowest recovery of a node %s, longest wait of a ready node %s",
		v.nodes, v.executions, v.repeated, v.losses, v.givenUp, v.recovery.Round(time.Millisecond), v.waited.Round(time.Millisecond))
}

// judge checks what is left after every run has ended well.
func (s *scene) judge() verdict {
	s.t.Helper()
	givenUp := s.setAside()
	for what, query := range map[string]string{
		"starts without a run, or runs that nobody started": `SELECT abs(?0 - count(*)) FROM ?schema.jet_run WHERE enclosing IS NULL`,
		"items without exactly one run": `SELECT count(*) FROM ?schema.jet_run_loop l WHERE (SELECT array_agg(item_index ORDER BY item_index) FROM ?schema.jet_run r WHERE r.parent_node_id = l.node_id) <> ARRAY[0, 1, 2]
			OR EXISTS (SELECT 1 FROM ?schema.jet_run_item i WHERE i.node_id = l.node_id)`,
		"loops that did not come to their end": `SELECT count(*) FROM ?schema.jet_run_loop WHERE ended <> 3 OR begun <> 3 OR items <> 3 OR failed <> 0`,
		"runs that did not succeed":            `SELECT count(*) FROM ?schema.jet_run WHERE status <> 'succeeded'`,
		"runs with open nodes":                 `SELECT count(*) FROM ?schema.jet_run WHERE open_nodes <> 0 OR waiting_nodes <> 0`,
		"nodes that did not end":               `SELECT count(*) FROM ?schema.jet_run_node WHERE status NOT IN ('succeeded', 'skipped')`,
		"nodes that ended without exactly one record": `SELECT count(*) FROM ?schema.jet_run_node n WHERE status = 'succeeded'
			AND 1 <> (SELECT count(*) FROM ?schema.jet_run_output o WHERE o.node_id = n.id)`,
		"records that are not of a success": `SELECT count(*) FROM ?schema.jet_run_output o WHERE o.status <> 'succeeded'
			OR NOT EXISTS (SELECT 1 FROM ?schema.jet_run_node n WHERE n.id = o.node_id AND n.status = 'succeeded')`,
		"nodes of a run with the same key":              `SELECT count(*) FROM (SELECT 1 FROM ?schema.jet_run_output GROUP BY run_id, key HAVING count(*) <> 1) x`,
		"attempts that were counted for a lost process": `SELECT count(*) FROM ?schema.jet_run_node WHERE attempt > 1`,
		"nodes of the graph without an outcome": `SELECT count(*) FROM ?schema.jet_run r JOIN ?schema.jet_workflow_version v USING (tenant_id, workflow_id)
			WHERE (SELECT count(*) FROM json_array_elements(v.graph::json->'nodes') AS g WHERE coalesce(g->>'parent', '') = CASE WHEN r.enclosing IS NULL THEN '' ELSE r.parent_key END)
				<> (SELECT count(*) FROM ?schema.jet_run_node n WHERE n.run_id = r.id)`,
	} {
		if n := s.must("/* across tenants: the verdict */ "+query, s.count); n != 0 {
			s.t.Errorf("%d %s", n, what)
		}
	}
	s.tellFailures()
	v := s.judgeLedger(givenUp)
	v.givenUp = len(givenUp)
	return v
}

// tellFailures says why runs have failed.
func (s *scene) tellFailures() {
	s.t.Helper()
	var failures []struct{ ID, Story string }
	err := s.db.NewRaw(`SELECT r.id, concat(r.status, ' ', r.id, ': ', coalesce(d.error, ''), ' ', coalesce(
			(SELECT string_agg(concat(n.key, ' ', n.status, ' attempt ', n.attempt, ' losses ', n.losses, ' ', o.error), '; ') FROM ?schema.jet_run_node n
				LEFT JOIN ?schema.jet_run_output o ON o.node_id = n.id WHERE n.run_id = r.id AND n.status NOT IN ('succeeded', 'skipped')), '')) AS story
		FROM ?schema.jet_run r /* across tenants: the verdict */ JOIN ?schema.jet_run_data d ON d.run_id = r.id WHERE r.status <> 'succeeded' LIMIT 20`).Scan(s.t.Context(), &failures)
	if err != nil {
		s.t.Error(err)
	}
	for _, f := range failures {
		s.t.Errorf("%s\n%s", f.Story, strings.Join(s.fleet.said(f.ID), "\n"))
	}
}

// setAside removes the runs that failed because three processes in a row were
// taken from the same node, as chance has it in a long test: that is the rule for
// a node which kills its process.
func (s *scene) setAside() map[string]bool {
	s.t.Helper()
	var gone []struct {
		ID   string
		Item bool
	}
	err := s.db.NewRaw(`DELETE FROM ?schema.jet_run r /* across tenants: the verdict */ WHERE `+root+` IN (
			SELECT `+root+` FROM ?schema.jet_run r, ?schema.jet_run_data d, ?schema.jet_run_node n
			WHERE d.run_id = r.id AND n.run_id = r.id AND r.status = 'failed' AND d.error LIKE '%node_crash_loop%' AND n.status = 'failed' AND n.losses >= 3)
		RETURNING id, enclosing IS NOT NULL AS item`).Scan(s.t.Context(), &gone)
	if err != nil {
		s.t.Fatal(err)
	}
	set := make(map[string]bool, len(gone))
	for _, r := range gone {
		set[r.ID] = true
		if !r.Item {
			s.count--
		}
	}
	return set
}

// root is the run that was started, of a run r.
const root = `coalesce(split_part(r.enclosing, ',', 1)::uuid, r.id)`

// nodeRecord is what the database says of a node.
type nodeRecord struct {
	RunID  string
	Root   string // the run that was started
	Item   string // which of its items, "0" = none
	Key    string
	Status string
	Losses int
	Output *string
}

type nodeName struct{ runID, key string }

// storing is what a worker has stored.
type storing struct {
	node   nodeName
	worker string
}

// judgeLedger holds what the database says against what the nodes wrote.
func (s *scene) judgeLedger(givenUp map[string]bool) verdict {
	s.t.Helper()
	v := verdict{
		losses: s.must("SELECT coalesce(sum(losses), 0) FROM ?schema.jet_run_node /* across tenants: the verdict */"),
		waited: time.Duration(s.must(`SELECT coalesce(max(1000 * extract(epoch FROM started_at - ready_at)), 0)::bigint
			FROM ?schema.jet_run_node /* across tenants: the verdict */`)) * time.Millisecond,
	}
	executed := map[nodeName][]entry{} // beginnings
	done := map[string]entry{}         // by their marks
	stored := map[storing]time.Time{}
	for _, e := range readLedger(s.t, s.dir) {
		if givenUp[e.RunID] {
			continue
		}
		if e.Stored {
			stored[storing{nodeName{e.RunID, e.Key}, e.Worker}] = e.At
			continue
		}
		if e.Done {
			done[e.Mark] = e
			continue
		}
		n := nodeName{e.RunID, e.Key}
		executed[n] = append(executed[n], e)
		v.executions++
	}
	v.nodes = len(executed)
	if 2*len(stored) < v.nodes { // they are told after the fact, so a killed process owes some
		s.t.Errorf("the workers told that they stored %d results of %d nodes", len(stored), v.nodes)
	}
	marks := map[nodeName]string{} // that the database has
	roots := map[string]string{}
	for _, r := range s.nodeRecords() {
		n := nodeName{r.RunID, r.Key}
		roots[r.RunID] = r.Root
		s.judgeNode(n, r, executed[n], done, marks)
	}
	for n, list := range executed {
		if marks[n] == "" {
			s.t.Errorf("node %s of run %s ran and has no result", n.key, n.runID)
		}
		for _, e := range list {
			s.judgeSeen(n, e, roots[n.runID], marks)
		}
		if len(list) > 1 {
			v.repeated++
			v.recovery = max(v.recovery, s.judgeRepetition(n, list, done, stored))
		}
	}
	return v
}

func (s *scene) nodeRecords() (rows []nodeRecord) {
	s.t.Helper()
	err := s.db.NewRaw(`SELECT n.run_id, `+root+` AS root, coalesce(nullif(r.iteration, ''), '0') AS item, n.key, n.status, n.losses, o.output
		FROM ?schema.jet_run_node n /* across tenants: the verdict */ JOIN ?schema.jet_run r ON r.id = n.run_id LEFT JOIN ?schema.jet_run_output o ON o.node_id = n.id WHERE length(n.key) = 1`).Scan(s.t.Context(), &rows)
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// judgeNode checks that the result of a node is that of one of its executions.
func (s *scene) judgeNode(n nodeName, r nodeRecord, list []entry, done map[string]entry, marks map[nodeName]string) {
	s.t.Helper()
	if r.Status != "succeeded" || r.Output == nil {
		if len(list) > 0 {
			s.t.Errorf("node %s of run %s ran and is %s", n.key, n.runID, r.Status)
		}
		return
	}
	var mark string
	if err := json.Unmarshal([]byte(*r.Output), &mark); err != nil {
		s.t.Errorf("node %s of run %s has the output %s", n.key, n.runID, *r.Output)
		return
	}
	marks[n] = mark
	if e, ok := done[mark]; !ok || e.RunID != n.runID || e.Key != n.key {
		s.t.Errorf("node %s of run %s succeeded with %s, which it never came to", n.key, n.runID, mark)
	}
	if len(list) > r.Losses+1 {
		s.t.Errorf("node %s of run %s ran %d times after %d losses", n.key, n.runID, len(list), r.Losses)
	}
	for _, e := range list {
		if e.IdempotencyKey != r.Root+"/"+n.key+"/"+r.Item || e.Attempt != 1 {
			s.t.Errorf("node %s of run %s ran with the idempotency key %s and attempt %d", n.key, n.runID, e.IdempotencyKey, e.Attempt)
		}
	}
}

// judgeSeen checks that the outputs which a node read are those that the database
// has at the end: a result never changes.
func (s *scene) judgeSeen(n nodeName, e entry, root string, marks map[nodeName]string) {
	s.t.Helper()
	for from, saw := range e.Saw {
		want, ok := marks[nodeName{n.runID, from}]
		if !ok { // it is outside of the body
			want = marks[nodeName{root, from}]
		}
		if !reflect.DeepEqual(saw, any(want)) {
			s.t.Errorf("node %s of run %s read %v of node %s, whose result is %s", n.key, n.runID, saw, from, want)
		}
	}
}

// judgeRepetition checks that of all the times a node began, at most one was in a
// process to which nothing had happened. It returns the longest time between a
// harm and the next beginning.
func (s *scene) judgeRepetition(n nodeName, list []entry, done map[string]entry, stored map[storing]time.Time) (recovery time.Duration) {
	s.t.Helper()
	slices.SortFunc(list, func(a, b entry) int { return a.At.Compare(b.At) })
	var unharmed []string
	for i, e := range list {
		h, ok := s.fleet.harmed(e, done, stored)
		if !ok {
			unharmed = append(unharmed, e.Worker)
		} else if i+1 < len(list) {
			since := h.from
			if e.At.After(since) {
				since = e.At
			}
			recovery = max(recovery, list[i+1].At.Sub(since))
		}
	}
	if len(unharmed) > 1 {
		s.t.Errorf("node %s of run %s ran %d times, also in %v, which were neither killed nor paused: %+v\n%s\n%s", n.key, n.runID, len(list), unharmed, list,
			s.fleet.story(list, done, stored), strings.Join(s.fleet.said(n.runID), "\n"))
	}
	return recovery
}

// harmed finds what happened to the process while it was at the node: until it had
// stored the result, or should have.
func (f *fleet) harmed(e entry, done map[string]entry, stored map[storing]time.Time) (harm, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until := time.Now() // it never got to the end
	if d, ok := done[e.Mark]; ok {
		if until, ok = stored[storing{nodeName{e.RunID, e.Key}, e.Worker}]; !ok {
			until = f.storedBy(e.Worker, d.At).Add(storePatience)
		}
	}
	for _, h := range f.harms {
		if h.worker == e.Worker && h.to.Add(slack).After(e.At) && h.from.Add(-slack).Before(until) {
			return h, true
		}
	}
	return harm{}, false
}

// storedBy is when a process surely had stored what a node came to at a time: while
// the database is away, or its connections were cut, it keeps the result, tries again
// at least every maxRetryStore, and is at the node still. f.mu is held.
func (f *fleet) storedBy(worker string, at time.Time) time.Time {
	slices.SortFunc(f.outages, func(a, b outage) int { return a.from.Compare(b.from) })
	for _, o := range f.outages {
		if (o.worker == "" || o.worker == worker) && o.from.Add(-slack).Before(at) && o.to.After(at) {
			at = o.to.Add(maxRetryStore)
		}
	}
	return at
}

// story is what happened, from the first to the last time that a node began, to the
// processes in which it did.
func (f *fleet) story(list []entry, done map[string]entry, stored map[storing]time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	from, to := list[0].At.Add(-slack), list[len(list)-1].At.Add(slack)
	for _, e := range list {
		fmt.Fprintf(&b, "%s began at %s, ended at %s, stored at %s\n", e.Worker, e.At.Format(time.StampMilli), done[e.Mark].At.Format(time.StampMilli),
			stored[storing{nodeName{e.RunID, e.Key}, e.Worker}].Format(time.StampMilli))
		for _, h := range f.harms {
			if h.worker == e.Worker {
				fmt.Fprintf(&b, "%s was harmed from %s to %s\n", h.worker, h.from.UTC().Format(time.StampMilli), h.to.UTC().Format(time.StampMilli))
			}
		}
	}
	for _, o := range f.outages {
		if o.to.After(from) && o.from.Before(to) {
			fmt.Fprintf(&b, "%q could not store from %s to %s\n", o.worker, o.from.UTC().Format(time.StampMilli), o.to.UTC().Format(time.StampMilli))
		}
	}
	return b.String()
}
