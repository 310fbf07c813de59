package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// RunStatus is where a run stands. The last four never change again.
type RunStatus string

// The statuses of a run.
const (
	RunQueued    RunStatus = "queued"  // no node has begun yet
	RunRunning   RunStatus = "running" // a node runs or is about to
	RunWaiting   RunStatus = "waiting" // every open node waits for a time, people, an event or other runs
	RunSucceeded RunStatus = "succeeded"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
	RunTimedOut  RunStatus = "timedOut"
)

var runStatuses = []RunStatus{RunQueued, RunRunning, RunWaiting, RunSucceeded, RunFailed, RunCancelled, RunTimedOut}

// Final reports whether the run has ended.
func (s RunStatus) Final() bool {
	return s == RunSucceeded || s == RunFailed || s == RunCancelled || s == RunTimedOut
}

// NodeStatus is where a node of a run stands.
type NodeStatus string

// The statuses of a node.
const (
	NodePending   NodeStatus = "pending" // incoming edges are undecided
	NodeReady     NodeStatus = "ready"   // a worker may take it, at once or after a back-off
	NodeRunning   NodeStatus = "running"
	NodeWaiting   NodeStatus = "waiting" // for a time, people, an event or other runs, holding no worker
	NodeSucceeded NodeStatus = "succeeded"
	NodeFailed    NodeStatus = "failed"
	NodeSkipped   NodeStatus = "skipped"   // on a path that was not taken
	NodeCancelled NodeStatus = "cancelled" // the run ended first
)

// Trigger is what started a run.
type Trigger string

// The triggers.
const (
	TriggerAPI      Trigger = "api"     // a person or key
	TriggerFailure  Trigger = "failure" // the failure of another run
	TriggerGo       Trigger = "go"      // a part of the host program
	TriggerRun      Trigger = "run"     // a node of another run
	TriggerSchedule Trigger = "schedule"
	TriggerWebhook  Trigger = "webhook"
)

// Run is one execution of a version of a workflow.
type Run struct {
	ID              string     `json:"id"`
	WorkflowID      string     `json:"workflowId" doc:"empty for a test run of a graph that is a draft of none"`
	WorkflowVersion int        `json:"workflowVersion" doc:"0 = a graph that is not published, of a test run"`
	Status          RunStatus  `json:"status" enum:"queued,running,waiting,succeeded,failed,cancelled,timedOut"`
	Trigger         Trigger    `json:"trigger" enum:"api,failure,go,run,schedule,webhook"`
	IdempotencyKey  string     `json:"idempotencyKey,omitempty"`
	Priority        Priority   `json:"priority" enum:"low,normal,high"`
	StartedBy       string     `json:"startedBy"`
	RerunOf         string     `json:"rerunOf,omitempty" doc:"the run that this one repeats, in whole or in part"`
	Held            bool       `json:"held,omitempty" doc:"it waits because as many runs are under way as its workflow allows"`
	Test            bool       `json:"test,omitempty" doc:"a test run"`
	ParentRunID     string     `json:"parentRunId,omitempty" doc:"the run whose node began this one"`
	ParentNode      string     `json:"parentNode,omitempty" doc:"key of that node"`
	Index           *int       `json:"index,omitempty" doc:"of the item that the run executes the body of a loop for"`
	CreatedAt       time.Time  `json:"createdAt"`
	StartedAt       *time.Time `json:"startedAt,omitempty"`
	DeadlineAt      *time.Time `json:"deadlineAt,omitempty" doc:"when it times out"`
	FinishedAt      *time.Time `json:"finishedAt,omitempty"`
}

// RunDetail is a run with what went in, what came out, and its nodes.
type RunDetail struct {
	Run
	Input  map[string]any `json:"input" doc:"of the run; of an item, the input of the run around it"`
	Item   any            `json:"item,omitempty" doc:"that the body of a loop is executed for"`
	Output any            `json:"output,omitempty" doc:"of the end node; by key when several were reached"`
	Error  *Failure       `json:"error,omitempty" doc:"of the node that failed the run"`
	Graph  Graph          `json:"graph" doc:"of the version that the run executes; of an item, the body of the loop"`
	Nodes  []RunNode      `json:"nodes" doc:"in the order of the graph, without those in the bodies of its loops"`
}

// RunNode is a node of a run.
type RunNode struct {
	Key        string     `json:"key"`
	Type       string     `json:"type"`
	Status     NodeStatus `json:"status" enum:"pending,ready,running,waiting,succeeded,failed,skipped,cancelled"`
	Attempt    int        `json:"attempt" doc:"0 = not tried yet"`
	ReadyAt    *time.Time `json:"readyAt,omitempty"`
	WakeAt     *time.Time `json:"wakeAt,omitempty"`
	StartedAt  *time.Time `json:"startedAt,omitempty"`
	FinishedAt *time.Time `json:"finishedAt,omitempty"`
	Items      *Items     `json:"items,omitempty" doc:"of a loop: how far it has come"`
}

// Items says how far a loop has come.
type Items struct {
	Total  int `json:"total"`
	Begun  int `json:"begun"`
	Ended  int `json:"ended" doc:"of those begun"`
	Failed int `json:"failed" doc:"of those ended"`
}

// RunNodeDetail is a node of a run with what each of its attempts came to.
type RunNodeDetail struct {
	RunNode
	Attempts []Attempt `json:"attempts"`
}

// Attempt is a finished try at a node.
type Attempt struct {
	Number     int        `json:"number"`
	Status     NodeStatus `json:"status" enum:"succeeded,failed"`
	Port       string     `json:"port,omitempty" doc:"the output port that was taken"`
	Output     any        `json:"output,omitempty"`
	Error      *Failure   `json:"error,omitempty"`
	StartedAt  time.Time  `json:"startedAt"`
	FinishedAt time.Time  `json:"finishedAt"`
}

// Failure is why a node or a run failed, in public words.
type Failure struct {
	Node    string          `json:"node,omitempty"`
	Kind    problem.Kind    `json:"kind"`
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy,omitempty"`
	Faults  []problem.Fault `json:"faults,omitempty"`
}

// RunFilter narrows a list of runs. Zero fields do not.
type RunFilter struct {
	WorkflowID string
	Status     RunStatus
	Test       bool   // the test runs, instead of the others
	Parent     string // id of a run: the runs that it has begun, which are not listed otherwise
	Node       string // with Parent: key of the node that has begun them
}

// runColumns hold the ids of a run and of its workflow; a test run is one of the
// workflow whose draft it tests.
func runColumns() []string { return []string{"id", "COALESCE(draft_of, workflow_id)"} }

// Runs lists the runs that the caller may see, newest first. Invalid for a status that
// there is not.
func (s *Service) Runs(ctx context.Context, f RunFilter, r page.Request) (page.Page[Run], error) {
	if f.Status != "" && !slices.Contains(runStatuses, f.Status) {
		return page.Page[Run]{}, problem.Newf(problem.Invalid, "status_unknown", "there is no status %q of a run", f.Status)
	}
	who, visible, err := s.cfg.Visible(ctx, auth.RunList, runColumns()...)
	if err != nil {
		return page.Page[Run]{}, err
	}
	return page.List[runRow, Run]{
		Key:   func(r Run) string { return r.ID },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(f.narrow).Apply(visible),
		Scope: []string{"runs", who.TenantID, f.WorkflowID, string(f.Status), strconv.FormatBool(f.Test), f.Parent, f.Node},
		View:  page.Plain((*runRow).run),
	}.Read(ctx, s.cfg.Pages, r)
}

func (f RunFilter) narrow(q *bun.SelectQuery) *bun.SelectQuery {
	switch {
	case f.WorkflowID == "":
	case f.Test:
		q = q.Where("draft_of = ?", f.WorkflowID)
	case f.Status.Final(): // as the index jet_run_end has it
		q = q.Where("CAST(workflow_id AS text) || status = ?", strings.ToLower(f.WorkflowID)+string(f.Status)).Where("finished_at IS NOT NULL")
	default:
		q = q.Where("workflow_id = ?", f.WorkflowID)
	}
	if f.Status != "" {
		q = q.Where("status = ?", f.Status)
	}
	switch {
	case f.Parent == "":
		q = q.Where("parent_run_id IS NULL").Where("test = ?", f.Test)
	case f.Node == "":
		q = q.Where("parent_run_id = ?", f.Parent)
	default:
		q = q.Where("parent_run_id = ?", f.Parent).Where("parent_key = ?", f.Node)
	}
	return q
}

// Run reads a run with its graph and nodes.
func (s *Service) Run(ctx context.Context, runID string) (RunDetail, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return RunDetail{}, err
	}
	row, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil)
	if err != nil {
		return RunDetail{}, err
	}
	p, err := s.planToShow(ctx, s.cfg.DB.DB, &row)
	if err != nil {
		return RunDetail{}, err
	}
	detail := RunDetail{Run: row.run(), Graph: p.graphOf(&row)}
	data, err := readRunData(ctx, s.cfg.DB.DB, who.TenantID, runID)
	if err == nil && row.Enclosing != nil {
		detail.Item, data.Input, err = readItem(ctx, s.cfg.DB.DB, &row, data.Input)
	}
	if err != nil {
		return RunDetail{}, err
	}
	if err := fetch(ctx, s.cfg.DB.DB, who.TenantID, runID, data.Output); err != nil {
		return RunDetail{}, err
	}
	if err := data.into(&detail); err != nil {
		return RunDetail{}, err
	}
	var nodes []nodeRow
	err = s.cfg.DB.NewSelect().Model(&nodes).Where("tenant_id = ?", who.TenantID).Where("run_id = ?", runID).Scan(ctx)
	if err != nil {
		return RunDetail{}, err
	}
	loops, err := readLoops(ctx, s.cfg.DB.DB, &row)
	if err != nil {
		return RunDetail{}, err
	}
	detail.Nodes = p.runNodes(&row, nodes, loops)
	return detail, nil
}

// RunNode reads a node of a run with its attempts.
func (s *Service) RunNode(ctx context.Context, runID, key string) (RunNodeDetail, error) {
	run, err := s.Run(ctx, runID)
	if err != nil {
		return RunNodeDetail{}, err
	}
	i := slices.IndexFunc(run.Nodes, func(n RunNode) bool { return n.Key == key })
	if i < 0 {
		return RunNodeDetail{}, problem.Missing("node")
	}
	who := auth.FromContext(ctx)
	var rows []outputRow
	err = s.cfg.DB.NewSelect().Model(&rows).Where("tenant_id = ?", who.TenantID).
		Where("run_id = ?", runID).Where("key = ?", key).OrderExpr("attempt").Scan(ctx)
	if err != nil {
		return RunNodeDetail{}, err
	}
	detail := RunNodeDetail{RunNode: run.Nodes[i], Attempts: make([]Attempt, len(rows))}
	for i := range rows {
		if err := fetch(ctx, s.cfg.DB.DB, who.TenantID, runID, rows[i].Output); err != nil {
			return RunNodeDetail{}, err
		}
		if detail.Attempts[i], err = rows[i].attempt(); err != nil {
			return RunNodeDetail{}, err
		}
	}
	return detail, nil
}

// runNodes puts the stored states beside the graph. A node without a row was not
// reached yet or, when the run has ended, not at all.
func (p *plan) runNodes(run *runRow, rows []nodeRow, loops []loopRow) []RunNode {
	byKey := make(map[string]*nodeRow, len(rows))
	for i := range rows {
		byKey[rows[i].Key] = &rows[i]
	}
	defs := p.flows[run.loop()].nodes
	nodes := make([]RunNode, len(defs))
	for i, def := range defs {
		n := RunNode{Key: def.Key, Type: def.Type, Status: NodePending}
		if row := byKey[def.Key]; row != nil {
			n.Status, n.Attempt, n.ReadyAt, n.WakeAt = row.Status, row.Attempt, row.ReadyAt, row.WakeAt
			n.StartedAt, n.FinishedAt = row.StartedAt, row.FinishedAt
			n.Items = row.items(loops)
		}
		if n.Status == NodePending && run.Status.Final() {
			n.Status = NodeCancelled
		}
		nodes[i] = n
	}
	return nodes
}

// graphOf is the graph that a run executes.
func (p *plan) graphOf(run *runRow) Graph {
	if loop := run.loop(); loop != "" {
		return p.body(loop)
	}
	return p.graph
}

// shownWorkflow is the workflow that the run is known to be of: of a test the one whose
// draft is tested, "" when that was never saved.
func (r *runRow) shownWorkflow() string {
	switch {
	case r.DraftOf != nil:
		return *r.DraftOf
	case r.Test: // its own workflow is nobody's
		return ""
	}
	return r.WorkflowID
}

func (r *runRow) run() Run {
	run := Run{
		ID: r.ID, WorkflowID: r.shownWorkflow(), WorkflowVersion: max(r.WorkflowVersion, 0), Status: r.Status, Trigger: r.Trigger,
		Priority: priorityOf(r.Priority), StartedBy: r.StartedBy, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt,
		Test: r.Test, Held: r.Held && !r.Status.Final(), DeadlineAt: r.DeadlineAt, FinishedAt: r.FinishedAt,
	}
	if r.RerunOf != nil {
		run.RerunOf = *r.RerunOf
	}
	if r.IdempotencyKey != nil {
		run.IdempotencyKey = *r.IdempotencyKey
	}
	if r.ParentRunID != nil {
		run.ParentRunID, run.ParentNode = *r.ParentRunID, r.ParentKey
	}
	if r.Enclosing != nil {
		run.Index = &r.ItemIndex
	}
	return run
}

func (d *runDataRow) into(detail *RunDetail) error {
	if err := decode(d.Input, &detail.Input); err != nil {
		return err
	}
	if d.Output != nil {
		if err := decode(*d.Output, &detail.Output); err != nil {
			return err
		}
	}
	if d.Error != nil {
		return json.Unmarshal([]byte(*d.Error), &detail.Error)
	}
	return nil
}

func (o *outputRow) attempt() (Attempt, error) {
	a := Attempt{Number: o.Attempt, Status: o.Status, Port: o.Port, StartedAt: o.StartedAt, FinishedAt: o.FinishedAt}
	if o.Output != nil {
		if err := decode(*o.Output, &a.Output); err != nil {
			return a, err
		}
	}
	if o.Error != nil {
		return a, json.Unmarshal([]byte(*o.Error), &a.Error)
	}
	return a, nil
}

func readRun(ctx context.Context, db bun.IDB, tenantID, runID string, lock locking) (runRow, error) {
	return find[runRow](ctx, db, tenantID, runID, "run", lock)
}

// WorkflowOf is the workflow of a run, or the one whose draft a test run tests, for
// whoever decides by it whether somebody may see the run; "" when there is no such
// run. It asks for no right.
func (s *Service) WorkflowOf(ctx context.Context, tenantID, runID string) (string, error) {
	var workflowID string
	err := s.cfg.DB.NewRaw("SELECT COALESCE(draft_of, workflow_id) FROM ?schema.jet_run WHERE tenant_id = ? AND id = ?", tenantID, runID).Scan(ctx, &workflowID)
	if store.IsMissing(err) {
		return "", nil
	}
	return workflowID, err
}

// TenantOf is the tenant of a run, for whoever has to find out where a run
// belongs before he can ask whether he may see it. It reveals nothing else.
func (s *Service) TenantOf(ctx context.Context, runID string) (string, error) {
	return s.tenants.Find(runID, func() (tenantID string, err error) {
		err = s.cfg.DB.NewRaw("SELECT tenant_id FROM ?schema.jet_run /* across tenants: find the tenant of a run */ WHERE id = ?", runID).
			Scan(ctx, &tenantID)
		if store.IsMissing(err) {
			err = problem.Missing("run")
		}
		return tenantID, err
	})
}

func readRunData(ctx context.Context, db bun.IDB, tenantID, runID string) (runDataRow, error) {
	var row runDataRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ?", tenantID).Where("run_id = ?", runID).Scan(ctx)
	return row, err
}
