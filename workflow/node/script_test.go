package node_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func newSandbox(t *testing.T) *sandbox.Pool {
	t.Helper()
	p, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return p
}

func newScript(t *testing.T) workflow.Node {
	t.Helper()
	return builtin(t, "script")
}

// What docs/scripts.md shows does what it says.
func TestTheScriptOfTheDocs(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/scripts.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```js\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(shown) != 1 {
		t.Fatalf("it shows %d scripts", len(shown))
	}
	run := func(lines ...any) (workflow.Result, error) {
		return newScript(t).Run(t.Context(), &workflow.Call{
			Config: map[string]any{"source": shown[0][1], "input": map[string]any{"lines": lines}}, Logger: slog.New(slog.DiscardHandler),
		})
	}
	result, err := run(map[string]any{"price": 2, "count": 3}, map[string]any{"price": 4, "count": 1})
	if got, _ := json.Marshal(result.Output); err != nil || string(got) != `{"total":10}` {
		t.Errorf("it gives %s, %v", got, err)
	}
	if _, err := run(); problem.KindOf(err) != problem.Invalid {
		t.Errorf("of nothing it gives %v", err)
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	n := newScript(t)
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		config map[string]any
		want   string
	}{
		"the run's input":   {map[string]any{"source": `return input`}, `{"a":7}`},
		"its own input":     {map[string]any{"source": `return input`, "input": []any{json.Number("12.50"), nil}}, `[12.5,null]`},
		"input null":        {map[string]any{"source": `return input`, "input": nil}, `null`},
		"braces":            {map[string]any{"source": `return "{{ input.a }}" + { a: { b: 1 }}.a.b`}, `"{{ input.a }}1"`},
		"the clock":         {map[string]any{"source": `return new Date()`, "clock": true}, `"2030-01-31T12:00:00.000Z"`},
		"chance":            {map[string]any{"source": `return Math.random() < 1`, "random": true}, `true`},
		"memory for more":   {map[string]any{"source": `return "x".repeat(3e7).length`, "memory": 128}, `30000000`},
		"time for the slow": {map[string]any{"source": `let i = 0; while (i < 1e5) i++; return i`, "timeout": "1m"}, `100000`},
	} {
		call := &workflow.Call{Config: test.config, Input: map[string]any{"a": 7}, Now: now, Logger: slog.New(slog.DiscardHandler)}
		r, err := n.Run(t.Context(), call)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, _ := json.Marshal(r.Output); string(got) != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestScriptPrintsToTheLogOfItsNode(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	_, err := newScript(t).Run(t.Context(), &workflow.Call{Logger: logger, Config: map[string]any{
		"source": `console.log("a", 1); console.warn("b"); console.error("c\nlevel=INFO"); console.debug({ d: 1 }); throw 1`,
	}})
	if !problem.Is(err, problem.Invalid) {
		t.Error(err)
	}
	want := "level=INFO msg=\"a 1\"\nlevel=WARN msg=b\nlevel=ERROR msg=\"c\\nlevel=INFO\"\nlevel=DEBUG msg=\"{\\\"d\\\":1}\"\n"
	if text.String() != want {
		t.Errorf("got %s", text.String())
	}
}

func TestScriptOutputIsThatOfANodeAtMost(t *testing.T) {
	t.Parallel()
	_, err := newScript(t).Run(t.Context(), &workflow.Call{Config: map[string]any{"source": `return "x".repeat(5e7)`, "memory": 256, "timeout": "1m"}})
	if p := problem.Of(err); p == nil || p.Code != "script_output_too_large" || p.Kind != problem.TooLarge {
		t.Error(err)
	}
}

func TestScriptChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	check := newScript(t).(workflow.Checker)
	for name, test := range map[string]struct {
		config map[string]any
		paths  string
	}{
		"sound":     {map[string]any{"source": "return '{{'", "timeout": "30s", "memory": 256.0}, ""},
		"template":  {map[string]any{"source": "return 1", "timeout": "{{ input.t }}", "memory": "{{ input.m }}"}, ""},
		"all wrong": {map[string]any{"source": "\nreturn (", "timeout": "6m", "memory": 1000.0}, "source timeout memory"},
		"no time":   {map[string]any{"source": "", "timeout": "0s", "memory": 1.0}, "timeout memory"},
		"too long":  {map[string]any{"source": strings.Repeat(" ", sandbox.MaxSource+1)}, "source"},
	} {
		err := check.Check(test.config)
		var paths []string
		if p := problem.Of(err); p != nil {
			for _, f := range p.Faults {
				paths = append(paths, f.Path)
			}
		}
		if got := strings.Join(paths, " "); got != test.paths {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := check.Check(map[string]any{"source": "let a;\nlet a;"})
	if p := problem.Of(err); p == nil || !strings.HasPrefix(p.Faults[0].Message, "line 2: SyntaxError") {
		t.Error(err)
	}
}
