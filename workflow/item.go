package workflow

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// The run of an item executes the body of a loop for it. It is the child of the
// run with the loop, see children.go, of the same version. What its nodes call
// input, and the outputs of nodes outside of the body, are read from the runs
// around it.

// loop is the key of the loop whose body the run executes; "" = it executes the
// graph.
func (r *runRow) loop() string {
	if r.Enclosing == nil {
		return ""
	}
	return r.ParentKey
}

// around are the ids of the runs around that of an item, outermost first.
func (r *runRow) around() []string {
	if r.Enclosing == nil {
		return nil
	}
	return strings.Split(*r.Enclosing, ",")
}

// root is the id of the run that has the input.
func (r *runRow) root() string {
	if around := r.around(); len(around) > 0 {
		return around[0]
	}
	return r.ID
}

// runOf is the id of the run that has the node, for one that a node of the run can
// read.
func (c *claim) runOf(key string) string {
	runs := append(c.run.around(), c.run.ID)
	return runs[min(len(c.plan.around(key)), len(runs)-1)]
}

// effectKey is what every attempt at the node, for this item, passes on.
func (c *claim) effectKey() string {
	iteration := c.run.Iteration
	if iteration == "" {
		iteration = "0"
	}
	return c.run.root() + "/" + c.node.Key + "/" + iteration
}

// newItem is the run of an item that is about to be stored.
func newItem(c *claim, item itemRow, now time.Time) *beginning {
	run := runRow{
		ID: id.New(), TenantID: c.run.TenantID, WorkflowID: c.run.WorkflowID, WorkflowVersion: c.run.WorkflowVersion, Status: RunQueued,
		CreatedAt: now, Priority: c.run.Priority, Test: c.run.Test, DraftOf: c.run.DraftOf, FailureDepth: c.run.FailureDepth, Trace: c.run.Trace,
		ItemIndex: item.ItemIndex,
	}
	run.descend(c)
	run.Enclosing = new(strings.Join(append(c.run.around(), c.run.ID), ","))
	run.Iteration = strings.TrimPrefix(c.run.Iteration+"."+strconv.Itoa(item.ItemIndex), ".")
	run.begin(Settings{QueueTimeout: c.plan.graph.settings().QueueTimeout}, now)
	b := &beginning{run: run, plan: c.plan, data: runDataRow{RunID: run.ID, TenantID: run.TenantID, Input: item.Value}}
	for _, key := range c.plan.flows[run.loop()].roots {
		n := &nodeRow{ID: id.New(), TenantID: run.TenantID, RunID: run.ID, Key: key, Priority: run.Priority}
		n.enter(nodeState{Status: NodeReady}, now)
		b.nodes, b.ready = append(b.nodes, n), append(b.ready, n)
	}
	b.run.OpenNodes = len(b.ready)
	return b
}

// inputOf is the input that the nodes of a run of an item see.
func (e *engine) inputOf(ctx context.Context, run *runRow) (map[string]any, error) {
	if input, ok := e.inputs.find(run.root()); ok {
		return input, nil
	}
	data, err := readRunData(ctx, e.s.cfg.DB.DB, run.TenantID, run.root())
	if err != nil {
		return nil, err
	}
	return e.inputs.keep(run.root(), data.Input)
}

// readItem reads an item from its text, and the input of the run around it.
func readItem(ctx context.Context, db bun.IDB, run *runRow, text string) (item any, input string, err error) {
	if err := fetch(ctx, db, run.TenantID, *run.ParentRunID, &text); err != nil {
		return nil, "", err
	}
	if err := decode(text, &item); err != nil {
		return nil, "", err
	}
	root, err := readRunData(ctx, db, run.TenantID, run.root())
	if store.IsMissing(err) { // and this one is about to go, too
		err = problem.Missing("run")
	}
	return item, root.Input, err
}

// itemOf is an item as JSON for its row: as it is, or a reference to it.
func (e *engine) itemOf(ctx context.Context, c *claim, v any) (string, error) {
	text, err := encodeOutput(v)
	if err != nil || len(text) <= maxInline {
		return string(text), err
	}
	if err := e.payloads.writing.Acquire(ctx, int64(len(text))); err != nil {
		return "", err
	}
	defer e.payloads.writing.Release(int64(len(text)))
	ref, err := e.storePayload(ctx, &c.run, id.Of(text), string(text))
	return ref.String(), err
}
