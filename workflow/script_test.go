package workflow_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

// scripts adds the node that runs them.
func scripts(t *testing.T) func(*workflow.Config) {
	t.Helper()
	pool, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return func(cfg *workflow.Config) {
		cfg.Nodes, err = node.Builtins(node.Config{Client: http.DefaultClient, RunQuery: fixedRows, Scripts: pool})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestScriptInARun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, scripts(t))
		g := chain(
			step("ask", "query", map[string]any{"queryId": "q"}),
			step("sum", "script", map[string]any{
				"input":  map[string]any{"rows": "{{ steps.ask.rows }}", "factor": "{{ input.factor }}"},
				"source": "console.log(`{{ input.factor }} is ${input.factor}`);\nreturn { total: input.rows.reduce((n, [id]) => n + id * input.factor, 0) }",
			}),
		)
		run := b.run(t, b.publish(t, g), map[string]any{"factor": 10})
		if run.Status != workflow.RunSucceeded || encoded(run.Output) != `{"total":30}` {
			t.Errorf("%s %s %v", run.Status, encoded(run.Output), run.Error)
		}
		lines := b.logs(t, run.ID, workflow.LogFilter{Node: "sum"})
		if len(lines) != 1 || lines[0].Message != "{{ input.factor }} is 10" {
			t.Errorf("the log has %s", encoded(lines))
		}
	})
}

func TestScriptFailsItsNode(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, scripts(t))
		for source, code := range map[string]string{
			"\n\nthrow new Error('no stock')": "script_failed", "for (;;);": "script_timeout", "const f = () => f() + 1; return f()": "script_stack",
			"const a = []; for (;;) a.push([a.length])": "script_memory", "return 'x'.repeat(5e7)": "script_output_too_large",
		} {
			config := map[string]any{"source": source, "timeout": "1m"}
			switch code {
			case "script_timeout":
				config["timeout"] = "50ms"
			case "script_memory":
				config["memory"] = 16
			}
			run := b.run(t, b.publish(t, chain(step("s", "script", config))), nil)
			if run.Status != workflow.RunFailed || run.Error == nil || run.Error.Node != "s" || run.Error.Code != code {
				t.Errorf("%s: %s %s", source, run.Status, encoded(run.Error))
			}
			if code == "script_failed" && run.Error.Message != "line 3: Error: no stock" {
				t.Errorf("the message is %q", run.Error.Message)
			}
		}
	})
}

func TestScriptSyntaxIsCheckedWithTheGraph(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t), scripts(t))
	p := problem.Of(b.Validate(b.ctx, chain(
		step("good", "script", map[string]any{"source": "return '{{ not.a.template }}'"}),
		step("bad", "script", map[string]any{"source": "const a = 1;\nreturn a +;"}),
		step("wrong", "script", map[string]any{"source": []any{"{{ x }}"}}),
	)))
	if p == nil || len(p.Faults) != 2 {
		t.Fatalf("got %v", p)
	}
	if f := p.Faults[0]; f.Path != "nodes.bad.config.source" || !strings.HasPrefix(f.Message, "line 2: SyntaxError") {
		t.Errorf("the fault is %+v", f)
	}
	if f := p.Faults[1]; f.Path != "nodes.wrong.config.source" {
		t.Errorf("the fault is %+v", f)
	}
}
