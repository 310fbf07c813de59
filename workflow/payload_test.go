package workflow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A large output stands beside its row, in pieces, and everybody who reads it
// gets it whole: a later node, the run's output, the node's attempts, a rerun.
func TestALargeOutputIsStoredByReference(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		large := strings.Repeat("größe", 300_000) // 2.1 MB, and pieces must not cut characters
		read := make(chan string, 2)
		b := setup(t, db, withNodes(
			fn("make", func(context.Context, *workflow.Call) (any, error) { return large, nil }),
			fn("read", func(_ context.Context, call *workflow.Call) (any, error) {
				read <- call.Config["text"].(string)
				return nil, nil
			}),
		))
		d := b.run(t, b.publish(t, chain(
			step("made", "make", nil),
			step("copied", "transform", map[string]any{"value": "{{ steps.made }}"}),
			step("reader", "read", map[string]any{"text": "{{ steps.copied }}"}),
			step("last", "transform", map[string]any{"value": "{{ steps.made }}"}),
		)), nil)
		if d.Status != workflow.RunSucceeded || d.Output != large {
			t.Fatalf("the run is %s with %d bytes, %+v", d.Status, len(encoded(d.Output)), d.Error)
		}
		if got := <-read; got != large {
			t.Errorf("the node read %d bytes, want %d", len(got), len(large))
		}
		n, err := b.RunNode(b.ctx, d.ID, "copied")
		if err != nil || n.Attempts[0].Output != large {
			t.Errorf("the attempt has not the output: %v", err)
		}
		var widest int
		err = db.NewRaw(`SELECT MAX(length(output)) FROM ?schema.jet_run_output WHERE tenant_id = ? AND run_id = ?`, b.tenant, d.ID).Scan(t.Context(), &widest)
		if err != nil || widest > 32<<10 {
			t.Errorf("an output row has %d characters, %v", widest, err)
		}
		again, err := b.Rerun(b.ctx, d.ID, "reader", "")
		if err != nil {
			t.Fatal(err)
		}
		if d := b.wait(t, again.ID); d.Output != large || <-read != large {
			t.Errorf("the rerun is %s and lost the output, %+v", d.Status, d.Error)
		}
	})
}

func TestTheOutputsOfARunAreBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		started, goOn := make(chan struct{}), make(chan struct{})
		b := setup(t, db, withNodes(
			fn("gate", func(context.Context, *workflow.Call) (any, error) {
				started <- struct{}{}
				<-goOn
				return nil, nil
			}),
			fn("make", func(context.Context, *workflow.Call) (any, error) { return strings.Repeat("x", 100<<10), nil }),
		))
		run, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: b.publish(t, chain(step("gate", "gate", nil), step("made", "make", nil)))})
		if err != nil {
			t.Fatal(err)
		}
		<-started
		_, err = db.NewRaw("INSERT INTO ?schema.jet_run_payload (tenant_id, run_id, payload, piece, bytes, data) VALUES (?, ?, ?, 0, ?, '')",
			b.tenant, run.ID, id.New(), workflow.MaxRunOutput-(50<<10)).Exec(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		close(goOn)
		d := b.wait(t, run.ID)
		if d.Status != workflow.RunFailed || d.Error.Kind != problem.TooLarge || d.Error.Code != "run_output_too_large" || d.Error.Remedy == "" {
			t.Errorf("the run is %s with %+v", d.Status, d.Error)
		}
	})
}

// fan is start and n end nodes side by side, each behind a node of a type.
func fan(n int, typ string) workflow.Graph {
	g := workflow.Graph{Nodes: []workflow.GraphNode{step("start", "start", nil)}}
	for i := range n {
		made, end := "made"+itoa(i), "end"+itoa(i)
		g.Nodes = append(g.Nodes, step(made, typ, nil), step(end, "end", map[string]any{"output": "{{ steps." + made + " }}"}))
		g.Edges = append(g.Edges, edge("start", made), edge(made, end))
	}
	return g
}

// Several end nodes with much to say make one output, and no row of it is wide.
func TestTheOutputsOfSeveralEndsAreOne(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		sized := func(name string, size int) workflow.Node {
			return fn(name, func(context.Context, *workflow.Call) (any, error) { return strings.Repeat("größe ", size/8), nil })
		}
		b := setup(t, db, withNodes(sized("some", 100), sized("much", 20_000), sized("large", 2<<20), sized("huge", 6<<20)))
		for typ, n := range map[string]int{"some": 3, "much": 60, "large": 3} {
			flow := b.publish(t, fan(n, typ))
			d := b.run(t, flow, nil)
			outputs, _ := d.Output.(map[string]any)
			if d.Status != workflow.RunSucceeded || len(outputs) != n {
				t.Fatalf("%s: %s with %d outputs: %+v", typ, d.Status, len(outputs), d.Error)
			}
			for key, output := range outputs {
				detail, err := b.RunNode(b.ctx, d.ID, key)
				if err != nil || detail.Attempts[0].Output != output {
					t.Errorf("%s: the output of %s is another: %v", typ, key, err)
				}
			}
			var width int
			err := db.NewRaw("SELECT length(output) FROM ?schema.jet_run_data WHERE tenant_id = ? AND run_id = ?", b.tenant, d.ID).Scan(b.ctx, &width)
			if err != nil || width > 32<<10 {
				t.Errorf("%s: the row has %d characters: %v", typ, width, err)
			}
			parent := b.run(t, b.publish(t, chain(step("call", "subWorkflow", map[string]any{"workflowId": flow}))), nil)
			if got, _ := parent.Output.(map[string]any); parent.Status != workflow.RunSucceeded || len(got) != n {
				t.Errorf("%s as a sub-workflow: %s with %d outputs: %+v", typ, parent.Status, len(got), parent.Error)
			}
		}
		if d := b.run(t, b.publish(t, fan(3, "huge")), nil); d.Status != workflow.RunFailed || d.Error.Code != "run_output_too_large" || d.Error.Remedy == "" {
			t.Errorf("beyond the limit: %s %+v", d.Status, d.Error)
		}
	})
}
