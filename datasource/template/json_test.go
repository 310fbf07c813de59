package template_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

func TestJSONKeepsTypesAndKeys(t *testing.T) {
	t.Parallel()
	var document any
	text := `{"id": "{{ id }}", "tags": ["{{ tag }}", "x"], "note": "for {{ name }}: {{ id }}", "n": 1, "none": null}`
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	j, err := template.ParseJSON(document, "body")
	if err != nil {
		t.Fatal(err)
	}
	if got := j.Placeholders(); !slices.Equal(got, []string{"id", "name", "tag"}) {
		t.Errorf("placeholders %v", got)
	}
	got := j.Expand(values(map[string]any{"id": 7, "tag": []any{1, 2}, "name": `", "admin": "yes`}), func(v any) string { return fmt.Sprint(v) })
	want := map[string]any{"id": 7, "tags": []any{[]any{1, 2}, "x"}, "note": `for ", "admin": "yes: 7`, "n": 1.0, "none": nil}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestJSONFaultsAreAllTold(t *testing.T) {
	t.Parallel()
	document := map[string]any{"{{ key }}": 1, "a": []any{"{{ b c }}"}, "d": "{{"}
	_, err := template.ParseJSON(document, "body")
	var paths []string
	for _, f := range problem.Of(err).Faults {
		paths = append(paths, f.Path)
	}
	if want := []string{"body.a.0", "body.d", "body"}; !sameSet(paths, want) {
		t.Errorf("got %v, want %v", paths, want)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// FuzzParseText: literal text comes back as it was, values only through escape.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{"", "a", "{{a}}", "a{{ b }}c", "{{", "}}", "{{{{a}}}}", "{{a}}{{b}}", "{{ constructor }}", "${x} #{y} <%z%>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := template.ParseText(text, "x")
		if err != nil {
			return
		}
		literal := ""
		out, err := parsed.Expand(func(name string) any { return name },
			func(s string) string { literal += s; return s },
			func(name string, value any) (string, error) {
				if !template.ValidName(name) || value != name {
					t.Fatalf("placeholder %q with %v", name, value)
				}
				return "", nil
			})
		if err != nil || out != literal {
			t.Fatalf("got %q, %v; literal text is %q", out, err, literal)
		}
		if len(parsed.Placeholders()) == 0 && out != text {
			t.Fatalf("text without placeholders changed: %q", out)
		}
	})
}

func TestStrictRefusesWhatHasNoPlace(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{`{"text": "SELECT 1", "dsn": "x"}`, `{"text": 1}`, `[]`, `{"text": "SELECT 1"} {}`, `null x`} {
		if _, err := template.ParseStatement(json.RawMessage(operation), template.SQLite()); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
	if !json.Valid(template.SQLOperation()) {
		t.Error("the schema is not JSON")
	}
}

// Paths are cut off: many items below a long name do not copy it each.
func TestLongNamesCostNoMoreThanTheyAreLong(t *testing.T) {
	t.Parallel()
	items := make([]any, 50_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := template.ParseJSON(map[string]any{strings.Repeat("k", 64<<10): items}, "body"); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Other tests run meanwhile; a name for each item would be 3 GB.
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<30 {
		t.Errorf("%d MB", made>>20)
	}
}
