package expr_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// foreign is what the template languages of other systems would act upon.
func foreign() []string {
	return []string{
		"{{constructor}}", "{{constructor.constructor('return 1')()}}", "{{__proto__}}", "{{input.__proto__.x}}", "{{7*7}}",
		"$where", "#{7*7}", "${7*7}", "${{7*7}}", "<%= 7*7 %>", "`id`", "$(id)", "{{{{", "{{{{7*7}}}}", "}}{{", "{%raw%}",
		"{{ $env }}", "{{ now().UnixNano() }}", "{{ os.Getenv('PATH') }}", "{{ input.steps }}", "{{range .}}{{.}}{{end}}", "{{.}}",
		"*{7*7}", "@(7*7)", "\\{{7*7}}", "{{= 7*7 }}", "{{#with x}}", "<script>{{", "{{ 'a'.repeat(9) }}",
	}
}

// TestT93ForeignTemplatesAreData: a value that looks like a template is never
// evaluated, wherever it comes from.
func TestT93ForeignTemplatesAreData(t *testing.T) {
	t.Parallel()
	for _, text := range foreign() {
		e := expr.Env{"input": map[string]any{"x": text, text: "as a key"}}
		for template, want := range map[string]any{
			"{{ input.x }}":                    text,
			"<{{ input.x }}>":                  "<" + text + ">",
			"{{ 'a' + input.x }}":              "a" + text,
			"{{ {k: input.x} }}":               map[string]any{"k": text},
			"{{ replace('X', 'X', input.x) }}": text,
			"{{ input[input.x] }}":             "as a key",
		} {
			got, err := render(template, e)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s with %q = %#v, %v", template, text, got, err)
			}
		}
	}
}

// TestT93ForeignTemplatesDoNothing: as the text of an author they are plain text,
// harmless arithmetic or refused.
func TestT93ForeignTemplatesDoNothing(t *testing.T) {
	t.Parallel()
	harmless := []any{"49", 49, "$49", "\\49"}
	for _, text := range foreign() {
		got, err := render(text, expr.Env{"input": map[string]any{}})
		switch {
		case err != nil && problem.KindOf(err) == problem.Invalid:
		case err == nil && (got == text || contains(harmless, got)):
		default:
			t.Errorf("%q gave %#v, %v", text, got, err)
		}
	}
}

func contains(list []any, v any) bool {
	for _, x := range list {
		if reflect.DeepEqual(x, v) {
			return true
		}
	}
	return false
}

// TestT93NamesAreClosed: nothing but the declared roots and functions can be named.
func TestT93NamesAreClosed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"env", "$env", "process", "os", "this", "self", "global", "window", "constructor", "prototype", "__proto__", "Env",
		"program", "variables", "print", "eval", "exec", "import", "require", "undefined", "secrets", "context",
	} {
		for _, text := range []string{name, name + ".x", name + "('x')", "map([1], " + name + ")", "input | " + name + "()"} {
			_, err := expr.ParseExpression(text)
			assertProblem(t, text, err, "expression_invalid")
		}
	}
}

// TestT96EvaluationsShareNothing alternates two tenants ten thousand times over
// the same compiled template, on several goroutines.
func TestT96EvaluationsShareNothing(t *testing.T) {
	t.Parallel()
	value, err := expr.ParseValue(map[string]any{
		"id":   "{{ tenant.id }}",
		"list": "{{ let x = input.list; sort(concat(x, [tenant.id])) }}",
		"text": "{{ tenant.id }}: {{ map(input.list, # + tenant.id) }}",
		"memo": "{{ reduce(input.list, #acc + #, tenant.id) }}",
	})
	if err != nil {
		t.Fatal(err)
	}
	tenants := []string{"a", "b"}
	envs := map[string]expr.Env{}
	for _, id := range tenants {
		envs[id] = expr.Env{"tenant": map[string]any{"id": id}, "input": map[string]any{"list": []any{id + "2", id + "1"}}}
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 2500 {
				id := tenants[(worker+i)%2]
				got, err := value.Eval(envs[id])
				want := map[string]any{
					"id":   id,
					"list": []any{id, id + "1", id + "2"},
					"text": fmt.Sprintf(`%[1]s: ["%[1]s2%[1]s","%[1]s1%[1]s"]`, id),
					"memo": id + id + "2" + id + "1",
				}
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("tenant %s got %v, %v", id, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestT96ResultsAreCopies scribbles over every result and looks at the input.
func TestT96ResultsAreCopies(t *testing.T) {
	t.Parallel()
	const input = `{"list": [{"a": [1]}, {"a": [2]}], "o": {"k": {"x": 1}}}`
	e := env(t, input)
	for _, text := range []string{
		"input", "input.list", "input.o.k", "[input]", "{a: input.o}", "input.list[0:1]", "take(input.list, 1)", "first(input.list)",
		"reverse(input.list)", "concat(input.list, [])", "filter(input.list, true)", "map(input.list, #)", "find(input.list, true)",
		"sortBy(input.list, .a[0], 'desc')", "values(input.o)", "groupBy(input.list, .a[0])", "let x = input; x", "input.x ?? input",
		"uniq(input.list)", "reduce(input.list, #)", "get(input, 'o')", "true ? input : null",
	} {
		v, err := evaluate(text, e)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		scribble(v)
		if got := encode(t, e["input"]); got != encode(t, decode(t, input)) {
			t.Fatalf("%s: the input became %s", text, got)
		}
	}
	constant, err := expr.ParseValue(map[string]any{"list": []any{1, map[string]any{"a": 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v, err := constant.Eval(e)
		if got := encode(t, v); err != nil || got != `{"list":[1,{"a":1}]}` {
			t.Fatalf("a constant became %s, %v", got, err)
		}
		scribble(v)
	}
}

func scribble(v any) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			scribble(v[i])
			v[i] = "scribbled"
		}
	case map[string]any:
		for key := range v {
			scribble(v[key])
			v[key] = "scribbled"
		}
		v["new"] = true
	}
}

// TestT137Parse: a short text cannot keep the parser busy or stand for a huge tree.
func TestT137Parse(t *testing.T) {
	t.Parallel()
	deep := func(open, middle, shut string, n int) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(shut, n)
	}
	for name, text := range map[string]string{
		"too long":             "1" + strings.Repeat(" ", expr.MaxText),
		"too many nodes":       "1" + strings.Repeat("+1", expr.MaxNodes),
		"parentheses":          strings.Repeat("(", expr.MaxText),
		"brackets":             strings.Repeat("[", expr.MaxText),
		"braces":               strings.Repeat("{", expr.MaxText),
		"signs":                strings.Repeat("-", expr.MaxText),
		"negations":            strings.Repeat("!", expr.MaxText-1) + "1",
		"questions":            strings.Repeat("1?", expr.MaxText/2),
		"lets":                 strings.Repeat("let a=", expr.MaxText/6),
		"shared comparisons":   deep("1<(", "1", ")<1", 60),
		"shared elvis":         deep("(", "true", "?:true)", 60),
		"pattern":              "'a' matches '" + strings.Repeat("x{1000}", 1000) + "'",
		"pattern alternatives": "'a' matches '" + strings.Repeat("(a|b){50}", 1000) + "'",
		"members":              "input" + strings.Repeat(".a", expr.MaxNodes),
		"calls":                deep("len(", "1", ")", 4000),
		"quotes":               strings.Repeat("'", expr.MaxText-1),
	} {
		start := time.Now()
		_, err := expr.ParseExpression(text)
		assertProblem(t, name, err, "expression_invalid")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// TestT137Work: whatever is written, an evaluation ends soon with an error. Each
// of these would take hours or all memory without a limit.
func TestT137Work(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1<<20)
	list := make([]any, 1000)
	texts := make([]any, 1000)
	for i := range list {
		list[i], texts[i] = i, long
	}
	digits := strings.Repeat("9", 1<<20)
	e := expr.Env{"now": noon, "input": map[string]any{
		"list": list, "texts": texts, "long": long, "key": map[string]any{long: 1}, "digits": decode(t, digits), "digitText": digits,
		"json": strings.Repeat("[", 1<<20),
	}}
	doubling := func(start, step string) string {
		var b strings.Builder
		b.WriteString("let a0 = " + start + "; ")
		for i := range 60 {
			fmt.Fprintf(&b, "let a%d = %s; ", i+1, strings.ReplaceAll(step, "A", fmt.Sprintf("a%d", i)))
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"range":             "1..1000000000",
		"full range":        "-9223372036854775807..9223372036854775807",
		"range, reduced":    "reduce(1..2000000, #acc + 1)",
		"repeat":            "repeat('abc', 1000000000)",
		"repeat overflow":   "repeat(input.long, 9223372036854775807)",
		"nested loops":      "count(input.list, {count(input.list, {count(input.list, {count(input.list, {true}) > 0}) > 0}) > 0})",
		"nested maps":       "map(input.list, map(input.list, map(input.list, ({a: #}))))",
		"nested ranges":     "map(1..100000, map(1..100000, #))",
		"text doubling":     doubling("'x'", "A + A") + "len(a60)",
		"list doubling":     doubling("[1]", "concat(A, A)") + "len(a60)",
		"laughs, result":    doubling("[1]", "[A, A]") + "a60",
		"laughs, text":      doubling("[1]", "{x: A, y: A}") + "toJSON(a60)",
		"laughs, flatten":   doubling("[1]", "[A, A]") + "flatten(a60)",
		"laughs, equal":     doubling("[1]", "[A, A]") + "a60 == a60",
		"laughs, group":     doubling("[1]", "[A, A]") + "groupBy([1], a60)",
		"shared text":       "map(1..100000, input.long)",
		"shared key":        "map(1..100000, ({(input.long): 1}))",
		"replace":           "replace(input.long, 'a', input.long)",
		"replace empty":     "replace(input.long, '', input.long)",
		"join":              "join(map(1..100000, 'a'), input.long)",
		"join texts":        "join(concat(input.texts, input.texts, input.texts))",
		"split":             "map(input.list, split(input.long, ''))",
		"template of texts": "map(input.list, upper(input.long))",
		"compare texts":     "count(1..1000000, {input.long == input.texts[0]})",
		"order texts":       "count(1..1000000, {input.long < input.texts[0]})",
		"sort texts":        "sort(input.texts)",
		"contains":          "count(1..100000, {input.long contains 'b'})",
		"in list":           "count(1..100000, {'x' in input.list})",
		"long key":          "count(1..100000, {input.key[input.long] == 1})",
		"long key in":       "count(1..100000, {input.long in input.key})",
		"uniq":              "uniq(map(1..100000, [#]))",
		"uniq texts":        "uniq(map(1..100000, input.long))",
		"regexp":            "input.long matches '(a|aa|aaa|a*)*b'",
		"regexp in a loop":  "count(1..100000, {input.long matches 'b'})",
		"digits":            "count(1..1000000, {input.digits == input.digits})",
		"parse digits":      "map(1..100000, float(input.digitText))",
		"parse dates":       "map(1..1000000, date('2024-01-01'))[5] > now() || count(1..100000, {format(now(), input.long) == ''}) > 0",
		"from json":         "map(1..100000, fromJSON('[1,2,3,4,5,6,7,8,9]'))",
		"json depth":        "reduce(1..10000, [#acc], 1)",
		"depth, equal":      "let a = reduce(1..10000, [#acc], 1); let b = reduce(1..10000, [#acc], 1); a == b",
		"depth, flatten":    "flatten(reduce(1..10000, [#acc], 1))",
	} {
		start := time.Now()
		_, err := evaluate(text, e)
		assertProblem(t, name, err, "expression_failed")
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// TestT137WorkIsSharedByAValue: a value cannot do more by having many templates.
func TestT137WorkIsSharedByAValue(t *testing.T) {
	t.Parallel()
	list := make([]any, 100)
	for i := range list {
		list[i] = fmt.Sprintf("{{ len(1..%d) }}", expr.MaxWork/10)
	}
	v, err := expr.ParseValue(list)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Eval(nil)
	assertProblem(t, "value", err, "expression_failed")
}

// TestLargeDataPasses: the limits leave room for what people do with the rows of
// a query.
func TestLargeDataPasses(t *testing.T) {
	t.Parallel()
	rows := make([]any, 10_000)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "total": 1.5, "country": fmt.Sprint("c", i%50), "name": "Ærøskøbing", "note": nil}
	}
	e := expr.Env{"steps": map[string]any{"q": map[string]any{"rows": rows}}}
	for _, text := range []string{
		"steps.q.rows",
		"sum(filter(steps.q.rows, .total > 1 && .country != 'c1'), .total * 1.19)",
		"map(groupBy(steps.q.rows, .country) | values(), ({n: len(#), sum: sum(#, .total)}))",
		"map(sortBy(steps.q.rows, .country, 'desc'), .name + ' ' + string(.id))",
		"toJSON(steps.q.rows)",
		"uniq(map(steps.q.rows, .country))",
	} {
		if _, err := evaluate(text, e); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
