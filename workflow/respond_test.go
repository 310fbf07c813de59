package workflow_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// The first response of a run counts, any process can read it, and the run goes
// on behind it.
func TestTheFirstResponseCounts(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		other := newBundle(t, db) // a process without an engine
		other.tenant = b.tenant
		w := b.publish(t, workflow.Graph{
			Nodes: []workflow.GraphNode{
				step("start", "start", nil),
				step("first", "respond", map[string]any{"status": 201, "headers": map[string]any{"X-Order": "{{ input.order }}"}, "body": map[string]any{"order": "{{ input.order }}"}}),
				step("second", "respond", map[string]any{"body": "too late"}),
				step("ask", "approval", map[string]any{"title": "?"}),
			},
			Edges: []workflow.Edge{edge("start", "first"), edge("first", "second"), edge("second", "ask")},
		})
		wait := b.asked(t, b.ctx, w, map[string]any{"order": "A-1"})
		r, ok, err := other.Response(b.ctx, wait.RunID)
		if err != nil || !ok || r.Status != 201 || string(r.Body) != `{"order":"A-1"}` || r.Headers["X-Order"] != "A-1" || r.Headers["Content-Type"] != "application/json" {
			t.Errorf("%+v, %v, %v", r, ok, err)
		}
		quiet := b.run(t, b.publish(t, chain()), nil)
		if r, ok, err := b.Response(b.ctx, quiet.ID); ok || err != nil {
			t.Errorf("a run without a response: %+v, %v", r, err)
		}
		if _, _, err := b.Response(as(newTenant(t, db), "*"), wait.RunID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("from another tenant: %v", err)
		}
		if _, _, err := b.Response(as(b.tenant, auth.RunList), wait.RunID); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("without run.read: %v", err)
		}
	})
}

// A node that only computes answers too, also when it is stored together with the
// one before it.
func TestANodeThatComputesResponds(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		answer := workflow.NodeFunc(workflow.NodeSpec{Type: "answer", Pure: true}, func(context.Context, *workflow.Call, struct{}) (any, error) {
			return workflow.Result{Response: &workflow.Response{Status: 202, Body: []byte("computed")}}, nil
		})
		b := setup(t, db, withNodes(answer, fn("work", func(context.Context, *workflow.Call) (any, error) { return nil, nil })))
		for name, g := range map[string]workflow.Graph{
			"alone":  chain(step("answer", "answer", nil)),
			"behind": chain(step("work", "work", nil), step("pass", "transform", map[string]any{"value": 1}), step("answer", "answer", nil)),
		} {
			d := b.run(t, b.publish(t, g), nil)
			if r, ok, err := b.Response(b.ctx, d.ID); err != nil || !ok || r.Status != 202 || string(r.Body) != "computed" {
				t.Errorf("%s: %s and %+v, %v, %v", name, d.Status, r, ok, err)
			}
		}
	})
}

// What a run answers cannot speak for the host's origin.
func TestAResponseIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	w := b.publish(t, chain(step("answer", "respond", map[string]any{
		"status": "{{ input.status }}", "headers": map[string]any{"X-Note": "{{ input.note }}"},
	})))
	for _, input := range []map[string]any{{"status": 99, "note": ""}, {"status": 200, "note": "a\r\nSet-Cookie: b"}} {
		if d := b.run(t, w, input); d.Status != workflow.RunFailed || d.Error.Kind != problem.Invalid {
			t.Errorf("%v: %s %+v", input, d.Status, d.Error)
		}
	}
	_, err := b.Create(b.ctx, workflow.NewWorkflow{Name: "x", Draft: chain(step("answer", "respond", map[string]any{
		"status": 700, "headers": map[string]any{"Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "X-": "1"},
	}))})
	if n := len(problem.Of(err).Faults); n != 4 {
		t.Errorf("%d faults: %v", n, err)
	}
}
