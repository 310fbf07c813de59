package expr_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/expr"
)

func render(text string, e expr.Env) (any, error) {
	t, err := expr.ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	return t.Eval(e)
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	e := env(t, `{"id": 7, "price": 12.50, "big": 12345678901234567890, "name": "Zoë", "ok": true,
		"tags": ["a", "<b>"], "o": {"b": 1, "a": null}, "none": null, "tiny": 1e-9}`)
	for text, want := range map[string]any{
		"":                               "",
		"plain }} text { } {":            "plain }} text { } {",
		"{{ input.id }}":                 json.Number("7"),
		" \n{{ input.price }}\t":         json.Number("12.50"),
		"{{input.big}}":                  json.Number("12345678901234567890"),
		"{{ input.ok }}":                 true,
		"{{ input.none }}":               nil,
		"{{ input.tags }}":               []any{"a", "<b>"},
		"#{{ input.id }}":                "#7",
		"{{ input.id }}{{ input.name }}": "7Zoë",
		"{{ input.id }} {{ input.id }}":  "7 7",
		"{{ input.price }} EUR":          "12.50 EUR",
		"{{ input.big }}!":               "12345678901234567890!",
		"{{ input.price * 2 }}!":         "25!",
		"{{ 10 / 4 }}!":                  "2.5!",
		"{{ 1000000.0 * 1000000 }}!":     "1000000000000!",
		"{{ 1e30 }}!":                    "1e+30!",
		"{{ input.tiny }}!":              "1e-9!",
		"{{ input.ok }}!":                "true!",
		"{{ input.tags }}!":              `["a","<b>"]!`,
		"{{ input.o }}!":                 `{"a":null,"b":1}!`,
		"{{ now() }}!":                   "2024-02-29T12:00:00Z!",
		"{{ input.none ?? '' }}!":        "!",
		`{{ "{{" }} literal }}`:          "{{ literal }}",
		`{{ "}}" + '}}' }}`:              "}}}}",
		"{{ `}}` }}":                     "}}",
		`{{ "\"}}" }}`:                   `"}}`,
		"{{ {a: {b: 1}} }}":              map[string]any{"a": map[string]any{"b": 1}},
		"{{{a: 1}}}":                     map[string]any{"a": 1},
		"{{ 1 /* }} */ }}":               1,
		"{{ 1 // }}\n }}":                1,
		"{{ 6 / 2 }}":                    3.0,
	} {
		got, err := render(text, e)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q = %#v, want %#v", text, got, want)
		}
	}
}

func TestTemplateInvalid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{{", "{{ }}", "{{}}", "a {{ input.x", "{{ 'a }}", "{{ {a: 1 }}", "{{{{", "{{{{ input }}}}", "{{ 1 /* }}", "{{ 1 // }}",
		"{{ {{ input }} }}", "{{ input }} {{ foo }}", "{{ input }}{{ foo }}", "{{ input.x }} {{",
		"{{ input }}" + strings.Repeat("x", expr.MaxText),
	} {
		_, err := expr.ParseTemplate(text)
		assertProblem(t, text[:min(len(text), 40)], err, "expression_invalid")
	}
}

func TestTemplateFailed(t *testing.T) {
	t.Parallel()
	e := env(t, `{"none": null}`)
	for _, text := range []string{"a {{ input.none }}", "{{ input.x }}", "{{ input.x }} b", "{{ 1 }} {{ input.none.x }}"} {
		_, err := render(text, e)
		assertProblem(t, text, err, "expression_failed")
	}
}

func TestLiteralMayBeLong(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 10*expr.MaxText)
	got, err := render(text, nil)
	if err != nil || got != text {
		t.Fatalf("a text without braces came back changed: %v", err)
	}
}

func TestTemplateRefs(t *testing.T) {
	t.Parallel()
	template, err := expr.ParseTemplate("{{ steps.b.x }} {{ input }} {{ steps.a }} {{ steps.b }}")
	if err != nil {
		t.Fatal(err)
	}
	want := []expr.Ref{{Root: "steps", Step: "b"}, {Root: "input"}, {Root: "steps", Step: "a"}}
	if got := template.Refs(); !reflect.DeepEqual(got, want) {
		t.Fatalf("refs %v, want %v", got, want)
	}
}
