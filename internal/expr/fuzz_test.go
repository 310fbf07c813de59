package expr_test

import (
	"encoding/json"
	"testing"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// FuzzTemplate: no text makes the parser or the evaluation panic, every error is
// an Invalid problem, every result can be written as JSON.
func FuzzTemplate(f *testing.F) {
	for _, text := range append(foreign(), "a {{ input.s }} b", "{{ {a: {b: 'x}}'}} }}", "{{ steps.a ?? 'x' }}", "{{ 1 // \n }}") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		template, err := expr.ParseTemplate(text)
		if err != nil {
			refused(t, text, err)
			return
		}
		v, err := template.Eval(fuzzEnv())
		settled(t, text, v, err)
	})
}

// FuzzExpression is FuzzTemplate without the search for braces.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		"input.n + 1", "map(input.list, # * 2)", "input.o?.x.y ?? [1][0]", "let a = 1..3; a[1:]", "sortBy(input.list, #, 'desc')",
		"reduce(input.list, #acc + #, 0)", "groupBy(input.list, # % 2)", "'a' matches 'b+'", "now() - duration('1h')", "1 < 2 < 3",
		"if true { 1 } else { 2 }", "input | get('n') | string() | len()", "{a: [nil, 1.5e3], 'b': -0x1F}", "not (1 in [1, 2])", "fromJSON('{}')",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := expr.ParseExpression(text)
		if err != nil {
			refused(t, text, err)
			return
		}
		v, err := x.Eval(fuzzEnv())
		settled(t, text, v, err)
	})
}

func fuzzEnv() expr.Env {
	return expr.Env{
		"input": map[string]any{
			"n": json.Number("7"), "s": "grün", "none": nil, "list": []any{1, 2.5, json.Number("3")}, "o": map[string]any{"x": nil},
		},
		"steps": map[string]any{"a": map[string]any{"rows": []any{}}},
		"now":   noon,
	}
}

func refused(t *testing.T, text string, err error) {
	t.Helper()
	if problem.KindOf(err) != problem.Invalid {
		t.Fatalf("%q: %v", text, err)
	}
}

func settled(t *testing.T, text string, v any, err error) {
	t.Helper()
	if err != nil {
		refused(t, text, err)
		return
	}
	if _, err := json.Marshal(v); err != nil {
		t.Fatalf("%q gave what JSON cannot carry: %v", text, err)
	}
}
