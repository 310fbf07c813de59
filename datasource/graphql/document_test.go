package graphql_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource/graphql"
	"github.com/jetadmin/jetadmin/problem"
)

func parse(operation json.RawMessage) error {
	_, err := graphql.Connector().Parse(operation)
	return err
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	variables := func(v map[string]any) []any { return []any{"variables", v} }
	for _, c := range []struct {
		operation json.RawMessage
		path      string
	}{
		{op(""), "query"},
		{op("# only a comment"), "query"},
		{op("query {"), "query"},
		{op("{ }"), "query"},
		{op("query { a } }"), "query"},
		{op("{ a(b: {{ v }}) }"), "query"},
		{op("{ ...F }"), "query"},
		{op("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }"), "query"},
		{op("{ a } fragment F on Query { b { ...F } }"), "query"},
		{op("query A { a } query A { b }", "operationName", "A"), "query"},
		{op("{ a } query A { b }", "operationName", "A"), "query"},
		{op("query A { a } query B { b }"), "operationName"},
		{op("query A { a }", "operationName", "B"), "operationName"},
		{op("subscription { a }"), "query"},
		{op("query ($a: Int!) { a(b: $a) }"), "variables.a"},
		{op("{ a }", variables(map[string]any{"b": 1})...), "variables.b"},
		{op("query ($a: Int) { a(b: $a) }", variables(map[string]any{"a": "{{ 1 }}"})...), "variables.a"},
		{op("query ($a: Any) { a(b: $a) }", variables(map[string]any{"a": map[string]any{"{{ k }}": 1}})...), "variables.a"},
		{op("{ a }", "rows", "a"), "rows"},
		{op(strings.Repeat("{ a ", 21) + strings.Repeat("}", 21)), "query"},
		{op("{ a " + strings.Repeat("...F ", 3) + "} fragment F on Query " + strings.Repeat("{ a ", 21) + strings.Repeat("}", 21)), "query"},
		{op("{" + strings.Repeat("a ", 6000) + "}"), "query"},
		{op("{" + strings.Repeat("a ", 11000) + "}"), "query"},
		{op(strings.Repeat("{", 2000)), "query"},
		{op(strings.Repeat("#", 300<<10)), "query"},
		{op("{ a0(b: " + strings.Repeat("[", 1500) + ") }"), "query"},
	} {
		e := problem.Of(parse(c.operation))
		if e == nil || e.Kind != problem.Invalid || len(e.Faults) == 0 || e.Faults[0].Path != c.path {
			t.Errorf("%.80s: %v", c.operation, e)
		}
	}
	for _, operation := range []string{`{}`, `{"query": 1}`, `{"query": "{ a }", "text": ""}`, `{"query": "{ a }", "variables": []}`} {
		if err := parse(json.RawMessage(operation)); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

func TestAFaultTellsItsPlace(t *testing.T) {
	t.Parallel()
	e := problem.Of(parse(op("query {\n  a(b: )\n}")))
	if e == nil || !strings.HasPrefix(e.Faults[0].Message, "line 2, column 8: ") {
		t.Errorf("got %v", e)
	}
}

// T137: fragments that spread each other twice would be a text of 2^30 fields.
func TestT137_FragmentsAreCountedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("{ ...F0 }")
	for i := range 30 {
		_, _ = fmt.Fprintf(&b, " fragment F%d on Query { a: __typename ...F%d b: __typename ...F%d }", i, i+1, i+1)
	}
	b.WriteString(" fragment F30 on Query { c: __typename }")
	e := problem.Of(parse(op(b.String())))
	if e == nil || len(e.Faults) != 1 || !strings.Contains(e.Faults[0].Message, "5000 fields") {
		t.Errorf("got %v", e)
	}
}

func TestDeepEnoughForTools(t *testing.T) {
	t.Parallel()
	if err := parse(op(strings.Repeat("{ a ", 20) + strings.Repeat("}", 20))); err != nil {
		t.Error(err)
	}
}

// Whatever a text looks like: what may be run without being marked as writing
// changes nothing in a server with another parser.
func FuzzReadOnly(f *testing.F) {
	for _, text := range []string{
		"{ users { id } }", `mutation { addNote(text: "x") }`, `query A { __typename } mutation B { addNote(text: "x") }`,
		"query { __typename } # \r mutation { addNote(text: \"x\") }", "\uFEFF{ __typename }", `{ echo(v: """ \""" """) }`,
		`query ($v: Any = {a: [1, "x", null, true, E]}) @skip(if: false) { ...F ... on Query { echo(v: $v) } } fragment F on Query { __typename }`,
		"query \u2028 { __typename }", "{ a: users(first: 1) { b: id } }", `"""description""" query { __typename }`, "mutation\u00a0{ addNote(text: \"x\") }",
	} {
		f.Add(text, "")
		f.Add(text, "B")
	}
	s := newServer(f)
	f.Fuzz(func(t *testing.T, text, name string) {
		operation, err := graphql.Connector().Parse(op(text, "operationName", name))
		if err != nil {
			if !problem.Is(err, problem.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if strings.Contains(text, "slow") || operation.(interface{ Writes() bool }).Writes() {
			return
		}
		before := s.state()
		s.schema.Exec(t.Context(), text, name, nil)
		if after := s.state(); after != before {
			t.Fatalf("%q wrote", text)
		}
	})
}
