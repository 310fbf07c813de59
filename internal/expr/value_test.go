package expr_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

func TestValue(t *testing.T) {
	t.Parallel()
	v, err := expr.ParseValue(decode(t, `{
		"url": "https://shop.test/orders/{{ input.id }}", "{{ input.id }}": "a key is not a template",
		"body": {"total": "{{ input.total }}", "lines": ["{{ input.id }}", 5, null, true, 1.50]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Eval(env(t, `{"id": 7, "total": 12.50}`))
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, `{
		"url": "https://shop.test/orders/7", "{{ input.id }}": "a key is not a template",
		"body": {"total": 12.50, "lines": [7, 5, null, true, 1.50]}}`)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %s, want %s", encode(t, got), encode(t, want))
	}
	if refs := v.Refs(); !reflect.DeepEqual(refs, []expr.Ref{{Root: "input"}}) {
		t.Errorf("refs %v", refs)
	}
}

func TestValueReportsEveryFaultWithItsPath(t *testing.T) {
	t.Parallel()
	raw := decode(t, `{"headers": {"Authorization": "{{ foo }}", "Accept": "ok"}, "items": [1, "{{ 1 + }}"], "fine": "{{ input }}"}`)
	_, err := expr.ParseValue(raw)
	assertPaths(t, err, "expression_invalid", "headers.Authorization", "items[1]")

	v, err := expr.ParseValue(decode(t, `{"headers": {"A": "{{ input.a }}"}, "items": ["{{ input.b }} x", "{{ input }}"]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Eval(env(t, `{}`))
	assertPaths(t, err, "expression_failed", "headers.A", "items[0]")
}

func TestValueOfAString(t *testing.T) {
	t.Parallel()
	_, err := expr.ParseValue("{{ foo }}")
	assertPaths(t, err, "expression_invalid", "")
}

// TestValueRefusesWhatJSONDoesNotHave keeps pointers of the host out of results.
func TestValueRefusesWhatJSONDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, raw := range []any{&struct{ A int }{1}, []any{map[string]any{"f": func() {}}}, map[string]any{"l": []string{"a"}}} {
		if _, err := expr.ParseValue(raw); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%T: got %v", raw, err)
		}
	}
	for _, text := range []string{"input", "input.p", "input.p.A", "[input]"} {
		_, err := evaluate(text, expr.Env{"input": map[string]any{"p": &struct{ A int }{1}}})
		assertProblem(t, text, err, "expression_failed")
	}
}

func assertPaths(t *testing.T, err error, code string, want ...string) {
	t.Helper()
	assertProblem(t, "value", err, code)
	var got []string
	for _, f := range problem.Of(err).Faults {
		got = append(got, f.Path)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("faults at %q, want %q", got, want)
	}
}

// Paths are cut off: many items below a long name do not copy it each.
func TestLongNamesCostNoMoreThanTheyAreLong(t *testing.T) {
	t.Parallel()
	items := make([]any, 50_000)
	for i := range items {
		items[i] = float64(i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v, err := expr.ParseValue(map[string]any{strings.Repeat("k", 64<<10): items})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Eval(expr.Env{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Other tests run meanwhile; a name for each item would be 6 GB.
	if made := after.TotalAlloc - before.TotalAlloc; made > 2<<30 {
		t.Errorf("%d MB", made>>20)
	}
}
