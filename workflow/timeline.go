package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// Timeline is when a run did what, from what is stored. What the rows do not say
// is not there, and named under unavailable.
type Timeline struct {
	RunID      string         `json:"runId"`
	Status     RunStatus      `json:"status"`
	CreatedAt  time.Time      `json:"createdAt"`
	StartedAt  *time.Time     `json:"startedAt,omitempty" doc:"when its first node was taken up"`
	FinishedAt *time.Time     `json:"finishedAt,omitempty"`
	QueuedMS   *float64       `json:"queuedMs,omitempty" doc:"from its creation to its first node, in milliseconds"`
	RanMS      *float64       `json:"ranMs,omitempty" doc:"from its first node to its end, in milliseconds"`
	Nodes      []TimelineNode `json:"nodes" doc:"in the order of the graph"`
}

// TimelineNode is a node of a [Timeline].
type TimelineNode struct {
	Key        string            `json:"key"`
	Type       string            `json:"type"`
	Status     NodeStatus        `json:"status"`
	ReadyAt    *time.Time        `json:"readyAt,omitempty" doc:"when it could first be taken up"`
	FinishedAt *time.Time        `json:"finishedAt,omitempty" doc:"when its end was stored"`
	WorkerID   string            `json:"workerId,omitempty" doc:"the process that took it up last"`
	Losses     int               `json:"losses,omitempty" doc:"how often its process died; such tries are no attempts"`
	Attempts   []TimelineAttempt `json:"attempts" doc:"oldest first; the last may be under way"`
}

// TimelineAttempt is a try at a node: it is ready, then started, then finished.
// A time that has not come yet is not there; one that has, and is not stored, is
// named in Unavailable.
type TimelineAttempt struct {
	Number      int        `json:"number"`
	Status      NodeStatus `json:"status" doc:"ready = queued"`
	ReadyAt     *time.Time `json:"readyAt,omitempty" doc:"from when a process might take it up; in the future during a back-off"`
	StartedAt   *time.Time `json:"startedAt,omitempty" doc:"when a process took it up"`
	WakeAt      *time.Time `json:"wakeAt,omitempty" doc:"until when it waits, holding no process"`
	FinishedAt  *time.Time `json:"finishedAt,omitempty" doc:"when its result was stored"`
	QueuedMS    *float64   `json:"queuedMs,omitempty" doc:"from ready to started, in milliseconds"`
	RanMS       *float64   `json:"ranMs,omitempty" doc:"from started to finished, waiting included, in milliseconds"`
	Port        string     `json:"port,omitempty"`
	Error       *Failure   `json:"error,omitempty"`
	Unavailable []string   `json:"unavailable,omitempty" doc:"the names of times that passed and were not kept"`
}

// Timeline reads when a run, its nodes and their attempts were queued, started
// and finished. Its error is NotFound for a run that is not there.
func (s *Service) Timeline(ctx context.Context, runID string) (Timeline, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return Timeline{}, err
	}
	run, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil)
	if err != nil {
		return Timeline{}, err
	}
	p, err := s.planToShow(ctx, s.cfg.DB.DB, &run)
	if err != nil {
		return Timeline{}, err
	}
	var nodes []nodeRow
	err = s.cfg.DB.NewSelect().Model(&nodes).Where("tenant_id = ?", who.TenantID).Where("run_id = ?", runID).Scan(ctx)
	if err != nil {
		return Timeline{}, err
	}
	var outputs []outputRow
	err = s.cfg.DB.NewSelect().Model(&outputs).
		Column("key", "attempt", "status", "port", "error", "started_at", "finished_at").
		Where("tenant_id = ?", who.TenantID).Where("run_id = ?", runID).OrderExpr("key, attempt").Scan(ctx)
	if err != nil {
		return Timeline{}, err
	}
	t := Timeline{RunID: run.ID, Status: run.Status, CreatedAt: run.CreatedAt, StartedAt: run.StartedAt, FinishedAt: run.FinishedAt}
	t.QueuedMS, t.RanMS = milliseconds(&run.CreatedAt, run.StartedAt), milliseconds(run.StartedAt, run.FinishedAt)
	t.Nodes = p.timeline(&run, nodes, outputs)
	return t, nil
}

func (p *plan) timeline(run *runRow, rows []nodeRow, outputs []outputRow) []TimelineNode {
	nodes := []TimelineNode{}
	for _, n := range p.runNodes(run, rows, nil) {
		node := TimelineNode{
			Key: n.Key, Type: n.Type, Status: n.Status, ReadyAt: n.ReadyAt, FinishedAt: n.FinishedAt, Attempts: []TimelineAttempt{},
		}
		var finished []outputRow
		for _, o := range outputs {
			if o.Key == n.Key {
				finished = append(finished, o)
			}
		}
		if i := slices.IndexFunc(rows, func(r nodeRow) bool { return r.Key == n.Key }); i >= 0 {
			node.Attempts, node.Losses = rows[i].attempts(finished), rows[i].Losses
			if rows[i].WorkerID != nil {
				node.WorkerID = *rows[i].WorkerID
			}
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// attempts are those that have finished, and the one that is under way or was cut
// short by the end of the run.
func (n *nodeRow) attempts(finished []outputRow) []TimelineAttempt {
	list := make([]TimelineAttempt, 0, len(finished)+1)
	for i := range finished {
		list = append(list, n.finishedAttempt(&finished[i]))
	}
	current := TimelineAttempt{Number: n.Attempt, Status: n.Status}
	switch {
	case n.Status == NodeReady:
		current.Number++
		current.ReadyAt = n.WakeAt // the end of a back-off
		if n.Attempt == 0 && n.WakeAt == nil {
			current.ReadyAt = n.ReadyAt
		}
		current.missing("readyAt", current.ReadyAt)
	case len(list) > 0 && list[len(list)-1].Number == n.Attempt, n.Attempt == 0:
		return list
	default:
		n.began(&current, n.StartedAt)
		if n.Status == NodeWaiting {
			current.WakeAt = n.WakeAt
		}
		if n.FinishedAt != nil {
			current.FinishedAt, current.RanMS = n.FinishedAt, milliseconds(n.StartedAt, n.FinishedAt)
		}
	}
	return append(list, current)
}

func (n *nodeRow) finishedAttempt(o *outputRow) TimelineAttempt {
	a := TimelineAttempt{Number: o.Attempt, Status: o.Status, FinishedAt: &o.FinishedAt, Port: o.Port}
	n.began(&a, &o.StartedAt)
	a.RanMS = milliseconds(&o.StartedAt, &o.FinishedAt)
	if o.Error != nil {
		// We wrote it. Should it not be readable, the times are still worth showing.
		_ = json.Unmarshal([]byte(*o.Error), &a.Error)
	}
	return a
}

// began fills in the beginning of an attempt. Of the row's time of being ready
// only the first attempt is sure; when a back-off ended is not kept.
func (n *nodeRow) began(a *TimelineAttempt, startedAt *time.Time) {
	if a.StartedAt = startedAt; a.Number == 1 && n.Losses == 0 {
		a.ReadyAt = n.ReadyAt
	}
	a.missing("readyAt", a.ReadyAt)
	a.missing("startedAt", a.StartedAt)
	a.QueuedMS = milliseconds(a.ReadyAt, a.StartedAt)
}

func (a *TimelineAttempt) missing(name string, at *time.Time) {
	if at == nil {
		a.Unavailable = append(a.Unavailable, name)
	}
}

func milliseconds(from, to *time.Time) *float64 {
	if from == nil || to == nil {
		return nil
	}
	ms := float64(to.Sub(*from).Microseconds()) / 1000
	return &ms
}
