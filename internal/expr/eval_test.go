package expr_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// noon is what now() returns in these tests.
var noon = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func env(t *testing.T, input string) expr.Env {
	t.Helper()
	return expr.Env{
		"input": decode(t, input),
		"steps": decode(t, `{"orders": {"rows": [
			{"id": 1, "total": 10.5, "country": "DE"},
			{"id": 2, "total": 20, "country": "FR"},
			{"id": 3, "total": 3, "country": "DE"}]}}`),
		"run":    map[string]any{"id": "r1"},
		"tenant": map[string]any{"id": "t1"},
		"now":    noon,
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func evaluate(text string, e expr.Env) (any, error) {
	x, err := expr.ParseExpression(text)
	if err != nil {
		return nil, err
	}
	return x.Eval(e)
}

func TestExpression(t *testing.T) {
	t.Parallel()
	e := env(t, `{"n": 7, "d": 12.50, "s": "grün", "yes": true, "none": null,
		"list": [3, 1, 2, 1], "words": ["b", "a"], "deep": {"a": [{"b": 5}]}, "odd key": 1}`)
	for text, want := range map[string]string{
		// literals, operators
		`1 + 2 * 3`:                             `7`,
		`7 / 2`:                                 `3.5`,
		`7 % 4`:                                 `3`,
		`2 ** 10`:                               `1024`,
		`-input.n + 1`:                          `-6`,
		`input.d * 2`:                           `25`,
		`'a' + 'b'`:                             `"ab"`,
		`input.n > 5 && not (input.s == 'rot')`: `true`,
		`1 < 2 < 3`:                             `true`,
		`input.n == 7.0`:                        `true`,
		`input.list == [3, 1, 2, 1]`:            `true`,
		`{a: [1, {b: null}]} == {a: [1.0, {b: nil}]}`: `true`,
		`{a: 1} == {b: 1}`:                            `false`,
		`2 in input.list`:                             `true`,
		`'n' in input`:                                `true`,
		`'x' in input`:                                `false`,
		`'grün' matches '^gr.n$'`:                     `true`,
		`input.s startsWith 'gr'`:                     `true`,
		`input.s contains 'ün'`:                       `true`,
		`input.s not endsWith 'x'`:                    `true`,
		`1..4`:                                        `[1,2,3,4]`,
		`4..1`:                                        `[]`,
		`input.yes ? 'y' : 'n'`:                       `"y"`,
		`if input.n > 9 { 1 } else { 2 }`:             `2`,
		`let a = input.n; let b = a * 2; a + b`:       `21`,
		// paths
		`input.deep.a[0].b`:               `5`,
		`input["odd key"]`:                `1`,
		`input.list[-1]`:                  `1`,
		`input.list[1:3]`:                 `[1,2]`,
		`input.list[:-1]`:                 `[3,1,2]`,
		`input.list[2:99]`:                `[2,1]`,
		`input.s[1:3]`:                    `"rü"`,
		`steps.orders.rows[1].id`:         `2`,
		`steps["orders"].rows[0].country`: `"DE"`,
		// may be missing
		`input.x ?? 5`:            `5`,
		`input.x.y.z ?? 5`:        `5`,
		`input.none.y ?? 5`:       `5`,
		`input.list[9] ?? 5`:      `5`,
		`item ?? 5`:               `5`,
		`input.x ?? input.y ?? 5`: `5`,
		`input.none ?? null`:      `null`,
		`input?.x`:                `null`,
		`input.none?.y.z`:         `null`,
		`input?.x?.y`:             `null`,
		`input.none?.list[0]`:     `null`,
		`get(input, 'x')`:         `null`,
		`get(input, 'x', 1)`:      `1`,
		`get(input.list, 1)`:      `1`,
		// loops
		`map(steps.orders.rows, .id)`:                           `[1,2,3]`,
		`filter(steps.orders.rows, .total > 5) | map(.id)`:      `[1,2]`,
		`map(input.list, # * #index)`:                           `[0,1,4,3]`,
		`sum(steps.orders.rows, .total)`:                        `33.5`,
		`sum(input.list)`:                                       `7`,
		`count(input.list, # == 1)`:                             `2`,
		`all(input.list, # > 0)`:                                `true`,
		`any(input.list, # > 3)`:                                `false`,
		`none(input.list, # > 3)`:                               `true`,
		`one(input.list, # == 3)`:                               `true`,
		`one(input.list, # == 1)`:                               `false`,
		`find(steps.orders.rows, .country == 'DE').id`:          `1`,
		`findLast(steps.orders.rows, .country == 'DE').id`:      `3`,
		`find(input.list, # > 9)`:                               `null`,
		`findIndex(input.list, # == 1)`:                         `1`,
		`findLastIndex(input.list, # == 1)`:                     `3`,
		`reduce(input.list, #acc + #)`:                          `7`,
		`reduce(input.list, #acc + #, 100)`:                     `107`,
		`keys(groupBy(steps.orders.rows, .country))`:            `["DE","FR"]`,
		`len(groupBy(steps.orders.rows, .country).DE)`:          `2`,
		`map(sortBy(steps.orders.rows, .total), .id)`:           `[3,1,2]`,
		`map(sortBy(steps.orders.rows, .country, 'desc'), .id)`: `[2,1,3]`,
		`map(input.list, ({v: #}))[0]`:                          `{"v":3}`,
		`map(input.words, map(input.list, #)[0])`:               `[3,3]`,
		// functions
		`len(input.s)`:                        `4`,
		`type(input.none) + type(input.d)`:    `"nullnumber"`,
		`string(input.d)`:                     `"12.50"`,
		`int('42')`:                           `42`,
		`int(3.9)`:                            `3`,
		`float('1.5')`:                        `1.5`,
		`toJSON({b: 1, a: '<'})`:              `"{\"a\":\"\u003c\",\"b\":1}"`,
		`fromJSON('{"a": 1.10}').a`:           `1.10`,
		`abs(-3)`:                             `3`,
		`ceil(1.2) + floor(1.8) + round(1.5)`: `5`,
		`round(2.345, 1)`:                     `2.3`,
		`min(input.list)`:                     `1`,
		`max(1, 2.5)`:                         `2.5`,
		`mean(input.list)`:                    `1.75`,
		`median(input.list)`:                  `1.5`,
		`trim('  a ') + trim('--b-', '-')`:    `"ab"`,
		`trimPrefix('abc', 'a')`:              `"bc"`,
		`trimSuffix('abc', 'c')`:              `"ab"`,
		`upper(input.s)`:                      `"GRÜN"`,
		`lower('ÄB')`:                         `"äb"`,
		`split('a,b', ',')`:                   `["a","b"]`,
		`join(input.words, '-')`:              `"b-a"`,
		`replace('aXbX', 'X', '.')`:           `"a.b."`,
		`repeat('ab', 2)`:                     `"abab"`,
		`indexOf(input.s, 'n')`:               `3`,
		`lastIndexOf('abab', 'b')`:            `3`,
		`indexOf('a', 'z')`:                   `-1`,
		`hasPrefix('abc', 'ab') && hasSuffix('abc', 'c')`: `true`,
		`toBase64('hi')`:       `"aGk="`,
		`fromBase64('aGk=')`:   `"hi"`,
		`first(input.list)`:    `3`,
		`last([])`:             `null`,
		`take(input.list, 2)`:  `[3,1]`,
		`reverse(input.words)`: `["a","b"]`,
		`uniq([1, 1.0, 'a', 'a', [1], [1], null, null])`: `[1,"a",[1],null]`,
		`concat([1], [2, 3])`:                            `[1,2,3]`,
		`flatten([1, [2, [3]]])`:                         `[1,2,3]`,
		`sort(input.list)`:                               `[1,1,2,3]`,
		`sort(input.words, 'desc')`:                      `["b","a"]`,
		`keys({b: 1, a: 2})`:                             `["a","b"]`,
		`values({b: 1, a: 2})`:                           `[2,1]`,
		// time
		`now()`:                                         `"2024-02-29T12:00:00Z"`,
		`now() - duration('36h')`:                       `"2024-02-28T00:00:00Z"`,
		`now() > date('2024-02-29')`:                    `true`,
		`date('2024-03-01') - now()`:                    `"12h0m0s"`,
		`(now() - date('2024-02-28')) / duration('1h')`: `36`,
		`duration('1h') * 2 == duration('2h')`:          `true`,
		`format(now(), '02.01.2006')`:                   `"29.02.2024"`,
		`date('29.02.2024', '02.01.2006') < now()`:      `true`,
	} {
		v, err := evaluate(text, e)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := encode(t, v); got != want {
			t.Errorf("%s = %s, want %s", text, got, want)
		}
	}
}

func TestExpressionInvalid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `1 +`, `(1`, `"abc`, `foo`, `foo.bar`, `input.`, `env`, `$env`, `$env.input`, `1; foo`,
		`steps`, `len(steps)`, `steps[input.x].y`, `let s = steps; s.a`, `get(steps, 'a')`, `steps[0]`,
		`input.a()`, `input.a.b(1)`, `now().Year()`, `now`, `len`, `nope(1)`, `len()`, `len(1, 2)`, `now(1)`,
		`timezone('UTC')`, `date('1', '2', '3')`, `bitand(1, 2)`, `toPairs({})`, `::timezone('UTC')`,
		`let input = 1; input`, `let len = 1; len`, `let a = 1; let a = 2; a`, `#`, `.a`, `map([1], #foo)`,
		`b'bytes'`, `'a' + 1`, `!5`, `'a' < 1`, `true + 1`, `map(5, #)`, `99999999999999999999`, `1e999`,
		`'a' matches '('`, `'a' matches input.p`, `input.x matches ` + "`" + `(a{1000}){2}` + "`",
	} {
		_, err := expr.ParseExpression(text)
		assertProblem(t, text, err, "expression_invalid")
	}
}

func TestExpressionFailed(t *testing.T) {
	t.Parallel()
	e := env(t, `{"n": 7, "s": "SECRET", "none": null, "list": [1], "o": {}, "big": 123456789012345678901234567890,
		"exact": 0.12345678901234567890123, "mixed": [1, "a"], "f": 1.5}`)
	for _, text := range []string{
		// missing paths
		`input.x`, `input.o.x`, `input.none.x`, `input.list[1]`, `input.list[-2]`, `input[input.s]`,
		`input.o.x.y`, `steps.other`, `item`, `index`, `item.x`, `input.o?.x.y`, `map(input.list, .x)`, `(input.x) + 1`,
		`(input.none ?? input.x) + 1`, `null ?? input.x`, `input.n.x`, `input.s.x`, `input.s[0]`, `input.list.x`, `input.o[1]`, `input.n.x ?? 1`,
		`input.list[input.f]`, `input.list['0']`,
		// types
		`input.s + 1`, `input.n + 'a'`, `input.none + 1`, `input.o + 1`, `input.list + input.list`, `-input.s`, `!input.n`,
		`input.n && true`, `true && input.n`, `input.s ? 1 : 2`, `input.n > 'a'`, `input.none > 1`, `input.o < input.o`,
		`input.s in input.s`, `1 in input.o`, `input.n contains 'a'`, `input.n matches 'a'`, `input.s[input.s:]`, `input.n[1:]`,
		`map(input.o, #)`, `filter(input.list, #)`, `sum(input.mixed)`, `sort(input.mixed)`, `sortBy(input.mixed, #)`, `sort(input.list, 'up')`,
		`reduce([], #acc)`, `{(input.n): 1}`, `string(null)`, `string(input.none)`, `input.f % 2`, `1..input.f`,
		// numbers
		`1 / 0`, `1 % 0`, `input.n / 0.0`, `1e308 * 10`, `(-8) ** 0.5`, `input.big + 1`, `input.exact * 1`, `input.big > 1`,
		`9223372036854775807 + 1`, `-9223372036854775807 - 2`, `9223372036854775807 * 2`, `int('1.5x')`, `int(1e30)`, `float('NaN')`, `float('Inf')`,
		// functions
		`len(input.n)`, `upper(1)`, `join([1])`, `join(input.mixed)`, `fromJSON('{')`, `fromJSON('1 2')`, `fromBase64('%')`, `fromBase64('/w==')`,
		`repeat('a', -1)`, `date('yesterday')`, `duration('1 day')`, `format('x', 'y')`, `min([])`, `max('a')`, `round(1, 99)`, `keys([])`, `first({})`,
	} {
		_, err := evaluate(text, e)
		assertProblem(t, text, err, "expression_failed")
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error repeats a value: %v", text, err)
		}
	}
}

func TestNowNeedsAClock(t *testing.T) {
	t.Parallel()
	_, err := evaluate("now()", expr.Env{})
	assertProblem(t, "now()", err, "expression_failed")
}

// TestPosition checks the place of a fault: it is counted in the author's text,
// in characters, whatever surrounds the expression.
func TestPosition(t *testing.T) {
	t.Parallel()
	e := env(t, `{"o": {}}`)
	for text, want := range map[string]string{
		"{{ foo }}":                     "1:4",
		"grün {{ foo }}":                "1:9",
		"a\nb {{ 1 + foo }}":            "2:10",
		"a {{ 1 +\n  foo }}":            "2:3",
		"{{ 1 }} {{ input.o.missing }}": "1:20",
		"{{ input.o\n .missing }}":      "2:3",
		"x {{ 1":                        "1:5",
	} {
		template, err := expr.ParseTemplate(text)
		if err == nil {
			_, err = template.Eval(e)
		}
		faults := problem.Of(err).Faults
		if len(faults) != 1 || !strings.HasSuffix(faults[0].Message, " at "+want) {
			t.Errorf("%q: %v, want a fault at %s", text, faults, want)
		}
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]expr.Ref{
		`1 + len("input")`:                  nil,
		`input.a + input.b`:                 {{Root: "input"}},
		`steps.a.x ?? steps["b"].y`:         {{Root: "steps", Step: "a"}, {Root: "steps", Step: "b"}},
		`steps?.a`:                          {{Root: "steps", Step: "a"}},
		`map(steps.a.rows, .x + item.y)`:    {{Root: "steps", Step: "a"}, {Root: "item"}},
		`{(run.id): [tenant.id, index]}`:    {{Root: "run"}, {Root: "tenant"}, {Root: "index"}},
		`input.list[steps.a.n:]`:            {{Root: "input"}, {Root: "steps", Step: "a"}},
		`let x = input; x.steps`:            {{Root: "input"}},
		`steps.a matches 'x' ? now() : run`: {{Root: "steps", Step: "a"}, {Root: "run"}},
	} {
		x, err := expr.ParseExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := x.Refs(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: refs %v, want %v", text, got, want)
		}
	}
}

func assertProblem(t *testing.T, text string, err error, code string) {
	t.Helper()
	p := problem.Of(err)
	if err == nil || p.Kind != problem.Invalid || p.Code != code || len(p.Faults) == 0 || p.Faults[0].Message == "" {
		t.Errorf("%s: got %v, want %s with a fault", text, err, code)
	}
}
