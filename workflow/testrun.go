package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// TestParams is what [Service.Test] runs.
type TestParams struct {
	// WorkflowID is the workflow that the graph is a draft of; "" = of none.
	WorkflowID string

	Graph Graph
	Input map[string]any

	// Pins are results of nodes by their keys. Such a node is not run: it succeeds
	// with the pinned output.
	Pins map[string]Pin
}

// Pin is the result of a node in a test run.
type Pin struct {
	Output any    `json:"output,omitempty" doc:"default null"`
	Port   string `json:"port,omitempty" doc:"that the node takes; default success"`
}

// Test begins a run of a graph that is not published, and need not be saved. It
// is marked, is not listed among the other runs, starts no failure handler, and
// any process may execute it.
//
// It acts with rights of the caller, as if the caller had published the graph:
// who lacks one is told so. It needs workflow.test on the workflow. Errors:
// Invalid with every fault of the graph, the pins or the input; NotFound.
func (s *Service) Test(ctx context.Context, in TestParams) (Run, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowTest, in.WorkflowID)
	if err != nil {
		return Run{}, err
	}
	p, err := s.testPlan(ctx, in)
	if err != nil {
		return Run{}, err
	}
	params := StartParams{WorkflowID: in.WorkflowID, Input: in.Input}
	input, err := p.input(params)
	if err != nil {
		return Run{}, err
	}
	if err := s.takeRoom(ctx, s.cfg.DB.DB, who.TenantID); err != nil {
		return Run{}, err
	}
	if before := s.cfg.Hooks.BeforeStart; before != nil {
		if err := before(ctx, params); err != nil {
			return Run{}, err
		}
	}
	var b *beginning
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		version, err := s.insertTest(ctx, tx, who, in, p)
		if err != nil {
			return err
		}
		b = newBeginning(p, workflowRow{ID: version.WorkflowID, PublishedVersion: version.Number}, who, params, input, version.PublishedAt)
		b.mark(true)
		if in.WorkflowID != "" {
			b.run.DraftOf = &in.WorkflowID
		}
		defer s.telemetry.begin(ctx, &b.run)()
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, audit.Entry{
			TenantID: who.TenantID, Action: "workflow.test", ObjectType: "run", ObjectID: b.run.ID,
			Detail: map[string]any{"workflowId": in.WorkflowID, "grants": p.granted},
		})
	})
	if err != nil {
		return Run{}, err
	}
	s.engine.begun(ctx, b)
	return b.run.run(), nil
}

// testPlan is the graph with the pins and the rights of the caller.
func (s *Service) testPlan(ctx context.Context, in TestParams) (*plan, error) {
	p, err := s.check(ctx, in.Graph)
	if err != nil {
		return nil, err
	}
	var faults problem.Faults
	for _, key := range slices.Sorted(maps.Keys(in.Pins)) {
		pin := in.Pins[key]
		path := "pins." + key
		n := p.nodes[key]
		if n == nil || key == p.start {
			faults.Add(path, "is not the key of a node that can be pinned")
			continue
		}
		faults.Check(pin.Port == "" || slices.Contains(n.ports, pin.Port), path+".port", "is not an output port of the node")
		output, err := json.Marshal(pin.Output)
		faults.Check(err == nil && len(output) <= MaxOutput, path+".output", fmt.Sprintf("must be JSON of at most %d bytes", MaxOutput))
	}
	p.granted, p.pins = p.grants(), in.Pins
	return p, faults.Err("test_invalid", "the test run cannot be started")
}

// insertTest stores the graph of a test run where every process finds those of
// published versions: as the only version of a workflow that nobody sees, for it
// is deleted from the beginning. Its number is below zero, to tell it apart.
func (s *Service) insertTest(ctx context.Context, tx bun.IDB, who *auth.Principal, in TestParams, p *plan) (versionRow, error) {
	now := s.cfg.Clock.Now()
	row := versionRow{
		TenantID: who.TenantID, WorkflowID: id.New(), Number: -1, Graph: encode(in.Graph), Grants: encode(p.granted),
		PublishedBy: who.Actor(), PublishedAt: now,
	}
	if len(in.Pins) > 0 {
		pins := encode(in.Pins)
		row.Pins = &pins
	}
	if in.WorkflowID != "" {
		if _, err := readWorkflow(ctx, tx, who.TenantID, in.WorkflowID, nil); err != nil {
			return row, err
		}
	}
	hidden := workflowRow{
		ID: row.WorkflowID, TenantID: who.TenantID, Name: "test " + row.WorkflowID, Draft: "{}",
		CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, DeletedAt: &now, Version: 1,
	}
	if _, err := tx.NewInsert().Model(&hidden).Exec(ctx); err != nil {
		return row, err
	}
	_, err := tx.NewInsert().Model(&row).Exec(ctx)
	return row, err
}

// testAgain lets a rerun execute the graph of a test run, if the caller holds
// what its nodes need: nobody has published it.
func (s *Service) testAgain(ctx context.Context, r *rerun, version RerunVersion) error {
	if version == VersionLatest {
		return problem.New(problem.Conflict, "test_not_published", "a test run can be repeated on its own graph only").
			Fix("start the workflow, or test the graph again")
	}
	draftOf := ""
	if r.source.DraftOf != nil {
		draftOf = *r.source.DraftOf
	}
	if _, err := s.cfg.Authorize(ctx, auth.WorkflowTest, draftOf); err != nil {
		return err
	}
	r.plan = r.was
	return s.checkDraft(ctx, r.was.graph)
}

// mark makes a run that is about to be stored a test run: it has no failure
// handler, and takes nobody's place.
func (b *beginning) mark(test bool) {
	if test {
		b.run.Test, b.run.OnFailure, b.run.SlotKey = true, nil, nil
	}
}

// pinned is the result that a test run gives instead of running a node.
func (p *plan) pinned(key string) (Result, bool) {
	pin, ok := p.pins[key]
	return Result{Output: pin.Output, Port: pin.Port}, ok
}
