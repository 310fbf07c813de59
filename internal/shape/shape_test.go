package shape_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/internal/shape"
	"github.com/jetadmin/jetadmin/problem"
)

func read(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func told(f problem.Faults) string {
	var said []string
	for _, fault := range f.List() {
		said = append(said, fault.Path+" "+fault.Message)
	}
	return strings.Join(said, "; ")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const order = `{"type":"object","required":["id","lines"],"additionalProperties":false,"properties":{
		"id":{"type":"string","pattern":"^[A-Z]","maxLength":4},"state":{"enum":["new","paid"]},"total":{"type":["number","null"],"minimum":0,"exclusiveMaximum":100},
		"lines":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"object","required":["sku"],"properties":{"sku":{"type":"string","minLength":1},"count":{"type":"integer"}}}}}}`
	for _, c := range []struct{ schema, value, want string }{
		{order, `{"id":"A1","state":"paid","total":null,"lines":[{"sku":"x","count":2.0}]}`, ""},
		{order, `{"id":"a1234","state":"old","total":100,"lines":[]}`,
			`id must have at most 4 characters; id must match the pattern ^[A-Z]; lines must have at least 1 items; state must be one of "new", "paid"; total must be below 100`},
		{order, `{"lines":[{"sku":""},{"count":1.5},7],"note":"x","total":-1}`,
			`id is required; lines[0].sku must have at least 1 characters; lines[1].sku is required; lines[1].count must be a whole number; lines[2] must be an object; note is not declared; total must be at least 0`},
		{order, `{"id":"A","lines":[1,2,3,4]}`, `lines must have at most 3 items`},
		{order, `{"id":"A","lines":[{"sku":"x"}],"total":"7"}`, `total must be a number or null`},
		{order, `[]`, ` must be an object`},
		{`{"const":7}`, `8`, ` must be 7`},
		{`{"prefixItems":[{"type":"string"}],"items":{"type":"boolean"}}`, `[1,2]`, `[0] must be a text; [1] must be true or false`},
		{`{"not":{"type":"string"}}`, `"x"`, ` does not fit its declaration`},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, ` does not fit its declaration`},
		{`{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`, `{"xa":"1"}`, ""},
		{`{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`, `{"ya":"1"}`, ` does not fit its declaration`},
		{`{"enum":[1,2.5,[1]]}`, `[1.0]`, ""},
		{`{"maximum":1000000}`, `1000001`, ` must be at most 1000000`},
		{`true`, `1`, ""},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.value), &v); err != nil {
			t.Fatal(err)
		}
		var f problem.Faults
		shape.Check(&f, "", read(t, c.schema), v)
		if got := told(f); got != c.want {
			t.Errorf("%s by %s:\n got %s\nwant %s", c.value, c.schema, got, c.want)
		}
	}
}

// What a fault repeats of a schema is cut.
func TestFaultsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	choices := make([]any, 1000)
	for i := range choices {
		choices[i] = long
	}
	for _, s := range []*jsonschema.Schema{{Enum: choices}, {Pattern: "^" + long}, {Properties: map[string]*jsonschema.Schema{long: {Type: "string"}}}} {
		var f problem.Faults
		shape.Check(&f, "", s, "y")
		shape.Check(&f, "", s, map[string]any{long: 1.0})
		if got := told(f); len(got) > 4000 || got == "" {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// A value of many faults is told of some.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	var f problem.Faults
	shape.Check(&f, "", read(t, `{"items":{"type":"string"}}`), make([]any, 100_000))
	if n := len(f.List()); n != 100 {
		t.Errorf("%d faults", n)
	}
}

func TestCheckKeywords(t *testing.T) {
	t.Parallel()
	var f problem.Faults
	shape.CheckKeywords(&f, "input", read(t, `{"type":"object","requird":["a"],"x-widget":"map","properties":{
		"type":{"type":"strng"},"a":{"items":{"minLenght":1}},"b":{"anyOf":[{"type":["text","null"]}]}},"additionalProperties":false}`))
	const types = "must be one of array, boolean, integer, null, number, object, string"
	const none = `is no keyword of JSON Schema; words of your own begin with "x-"`
	want := "input.requird " + none + "; input.properties.a.items.minLenght " + none + "; input.properties.b.anyOf[0].type " + types + "; input.properties.type.type " + types
	if got := told(f); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
