package sandbox_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
)

func TestSandboxRunsAFunctionBody(t *testing.T) {
	t.Parallel()
	input := map[string]any{"lines": []any{map[string]any{"price": 2.5, "count": 4}, map[string]any{"price": 1, "count": 3}}, "name": "Zoë \u0000 😀"}
	for source, want := range map[string]string{
		`return input.lines.reduce((sum, l) => sum + l.price * l.count, 0)`: `13`,
		`return input.name`: `"Zoë \u0000 😀"`,
		`return { a: [1, "x", true, null], b: { c: undefined } }`:     `{"a":[1,"x",true,null],"b":{}}`,
		`return [undefined, new Date(0), -0]`:                         `[null,"1970-01-01T00:00:00.000Z",0]`,
		`return null`:                                                 `null`,
		`return "\ud800"`:                                             `"\ud800"`,
		"// only a comment\nreturn 1 // and another":                  `1`,
		`return await Promise.all([1, Promise.resolve(2)])`:           `[1,2]`,
		`const f = async (n) => n ? f(n - 1) : "done"; return f(100)`: `"done"`,
		`for await (const x of [Promise.resolve(5)]) return x`:        `5`,
		`return String(BigInt("9007199254740993") * 2n)`:              `"18014398509481986"`,
		`return typeof this + typeof globalThis.input`:                `"undefinedundefined"`,
		`return [..."aXbX"].filter((c) => /x/i.test(c)).length`:       `2`,
		`return structured(input); function structured(v) { return JSON.parse(JSON.stringify(v)).lines[1].count }`: `3`,
	} {
		if got := result(t, source, input); got != want {
			t.Errorf("%s\ngave %s, want %s", source, got, want)
		}
	}
}

// What JavaScript makes of numbers is documented: the input is rounded like any
// literal, and a text is exact.
func TestSandboxNumbersAreThoseOfJavaScript(t *testing.T) {
	t.Parallel()
	input := json.RawMessage(`{"id": 9007199254740993, "sum": 0.1234567890123456789, "text": "9007199254740993"}`)
	if got := result(t, `return [input.id, input.sum, input.text]`, input); got != `[9007199254740992,0.12345678901234568,"9007199254740993"]` {
		t.Error(got)
	}
}

func TestSandboxNamesTheLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ source, code, message string }{
		{"const a = 1;\n\nthrow new Error(\"no stock\");", "script_failed", "line 3: Error: no stock"},
		{"return input.missing.part", "script_failed", "line 1: TypeError: cannot read property 'part' of undefined"},
		{"function f() {\n  nothing();\n}\nf();", "script_failed", "line 2: ReferenceError: nothing is not defined"},
		{"await null;\nawait Promise.reject(new RangeError('later'));", "script_failed", "line 2: RangeError: later"},
		{"let e;\nthrow Object.assign(new Error('by rule'), { name: 'Refusal' })", "script_failed", "line 2: Refusal: by rule"},
		{"return new Date()", "script_failed", "line 1: TypeError: a script has no clock: pass a time in its input, or grant it the clock"},
		{"return 1;\nlet x = ;", "script_syntax", "line 2: SyntaxError: "},
		{"if (true) {", "script_syntax", "line 1: SyntaxError: "},
		{"undeclared = 5", "script_failed", "line 1: ReferenceError: "},
		{"throw 'just a text'", "script_failed", "just a text"},
		{"throw { code: 5 }", "script_failed", `{"code":5}`},
		{"throw null", "script_failed", "null"},
		{"throw undefined", "script_failed", "undefined"},
		{"throw ''", "script_failed", "it threw an empty text"},
	} {
		_, err := run(t, test.source, map[string]any{})
		p := refused(t, err, test.code)
		if p.Kind != problem.Invalid || !strings.HasPrefix(p.Message, test.message) {
			t.Errorf("%q\ngave %s %q, want %q", test.source, p.Kind, p.Message, test.message)
		}
	}
}

// A message is one line of bounded length, whatever was thrown.
func TestSandboxMessagesArePlain(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`throw new Error("a\nb\u0000c\u2028d".repeat(10000))`,
		`throw "\ud800\r\n".repeat(10000)`,
		`const e = new Error("x"); Object.defineProperty(e, "message", { get() { throw e } }); throw e`,
		`const e = new Error("x"); e.name = { toString() { throw 1 } }; e.stack = 5; throw e`,
		`throw new Proxy(new Error("x"), { get() { throw 1 }, getPrototypeOf() { throw 2 } })`,
		`throw Symbol("x")`, `throw 1n`, `throw () => 1`, `throw { toString() { throw 1 }, toJSON() { throw 2 } }`,
	} {
		_, err := run(t, source, nil)
		p := refused(t, err, "script_failed")
		if len(p.Message) > 1100 || strings.ContainsAny(p.Message, "\n\r\x00\u2028") || p.Message == "" {
			t.Errorf("%s: %.200q", source, p.Message)
		}
	}
}

func TestSandboxRefusesResultsThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`return NaN`, `return { a: [1, { b: 0 / 0 }] }`, `return 1 / 0`, `return { a: -Infinity }`, `return 5n`, `return { a: 5n }`,
		`return`, `let x = 1`, `return undefined`, `return { toJSON() { } }`, `return () => 1`, `return { f() { } }`,
		`return Symbol("x")`, `return { s: Symbol.iterator }`, `return new Map([[1, 2]])`, `return { s: new Set([1]) }`,
		`const a = { }; a.self = a; return a`, `const a = []; a.push([a]); return a`,
	} {
		_, err := run(t, source, nil)
		if p := refused(t, err, "script_result_invalid"); p.Kind != problem.Invalid {
			t.Errorf("%s: %v", source, p.Kind)
		}
	}
}

func TestSandboxRefusesAnInputThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	_, err := run(t, `return input`, math.NaN())
	refused(t, err, "script_input_invalid")
}

func TestSandboxAwaitsWhatNeverComes(t *testing.T) {
	t.Parallel()
	_, err := run(t, `await new Promise(() => { }); return 1`, nil)
	if p := refused(t, err, "script_unsettled"); p.Kind != problem.Invalid {
		t.Error(p.Kind)
	}
}

func TestSandboxPrints(t *testing.T) {
	t.Parallel()
	var got printed
	_, err := shared().Run(t.Context(), sandbox.Program{
		Source: `console.log("total", 5, { a: [1n, null] }); console.debug(undefined, true); console.info(Symbol("s")); console.warn([1]);
			console.error(new TypeError("bad").message, () => 1, new Map()); console.log(); await null; console.log("after"); throw 1`,
		Log: got.log,
	})
	refused(t, err, "script_failed")
	want := []string{
		`info total 5 {"a":["1n",null]}`, `debug undefined true`, `info Symbol(s)`, `warn [1]`, `error bad [function] [Map]`, `info `, `info after`,
	}
	if strings.Join(got.lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got.lines, "\n"))
	}
}

func TestSandboxPrintsAreBounded(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`for (let i = 0; i < 5000; i++) console.log(i); return 1`,
		`for (let i = 0; i < 100; i++) console.log("x".repeat(1e6), "y".repeat(1e6)); return 1`,
	} {
		var got printed
		if _, err := shared().Run(t.Context(), sandbox.Program{Source: source, Log: got.log, Limits: sandbox.Limits{Time: time.Minute}}); err != nil {
			t.Fatal(err)
		}
		size := len(strings.Join(got.lines, ""))
		if len(got.lines) > 1001 || size > 300<<10 {
			t.Errorf("%s: %d messages of %d bytes", source, len(got.lines), size)
		}
		if last := got.lines[len(got.lines)-1]; !strings.HasPrefix(last, "warn the script printed too much") {
			t.Errorf("the last message is %.100q", last)
		}
	}
}

func TestSandboxGrants(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 5, 6, 7, 8, 9, 123e6, time.UTC)
	granted := func(source string) string {
		out, err := shared().Run(t.Context(), sandbox.Program{Source: source, Clock: at, Random: true})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		return string(out)
	}
	if got := granted(`return [new Date(), Date.now() === +new Date(), Date().slice(0, 24), new Date(2031, 0).toISOString()]`); got != `["2031-05-06T07:08:09.123Z",true,"Tue May 06 2031 07:08:09","2031-01-01T00:00:00.000Z"]` {
		t.Error(got)
	}
	numbers := `const n = Array.from({ length: 1000 }, Math.random); return [n.every((x) => x >= 0 && x < 1), n.reduce((a, b) => a + b) / 1000, n]`
	var a, b [3]any
	if json.Unmarshal([]byte(granted(numbers)), &a) != nil || json.Unmarshal([]byte(granted(numbers)), &b) != nil || a[0] != true {
		t.Fatalf("%v %v", a, b)
	}
	if mean, _ := a[1].(float64); math.Abs(mean-0.5) > 0.1 {
		t.Errorf("the mean of 1,000 numbers is %v", mean)
	}
	if a[1] == b[1] {
		t.Error("two runs have the same numbers")
	}
}

func TestSandboxDateWithoutClock(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`return new Date(86400000).toISOString()`:                           `"1970-01-02T00:00:00.000Z"`,
		`return new Date("2030-01-31T10:00:00+02:00").getUTCHours()`:        `8`,
		`return new Date(2030, 0, 31, 5).getTimezoneOffset()`:               `0`,
		`return Date.UTC(2030, 0) === Date.parse("2030-01-01T00:00:00Z")`:   `true`,
		`return new Date(0) instanceof Date && Date.length === 7`:           `true`,
		`class D extends Date { x() { return +this } } return new D(5).x()`: `5`,
	} {
		if got := result(t, source, nil); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
}

func TestSandboxCheckFindsSyntax(t *testing.T) {
	t.Parallel()
	for source, sound := range map[string]bool{
		"return input": true, "": true, "for (;;);": true, "await 1; return 2": true, "let a; let b;": true,
		"return (": false, "let a; let a;": false, "const 5 = 1": false, "return /(/": false, strings.Repeat(" ", sandbox.MaxSource+1): false,
	} {
		err := shared().Check(t.Context(), source)
		if (err == nil) != sound {
			t.Errorf("%.50q: %v", source, err)
		}
	}
	p := refused(t, shared().Check(t.Context(), "let a = 1;\nreturn a +;"), "script_syntax")
	if !strings.HasPrefix(p.Message, "line 2: SyntaxError") {
		t.Error(p.Message)
	}
}

// Compiling runs nothing, not even what closes the function around it.
func TestSandboxCheckRunsNothing(t *testing.T) {
	t.Parallel()
	if err := shared().Check(t.Context(), `}); for (;;); (function () {`); err != nil {
		t.Errorf("%v", err)
	}
}

func TestSandboxConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []sandbox.Config{{Concurrency: -1}, {Memory: -1}, {Memory: 1000}} {
		if _, err := sandbox.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestSandboxCloses(t *testing.T) {
	t.Parallel()
	p, err := sandbox.New(sandbox.Config{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Run(ctx, sandbox.Program{Source: `console.log("here"); for (;;);`, Log: func(_ slog.Level, m string) { began <- m }, Limits: sandbox.Limits{Time: time.Minute}})
		ended <- err
	}()
	<-began
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := p.Close(short); err == nil {
		t.Error("it closed while a script ran")
	}
	cancel()
	refused(t, <-ended, "script_cancelled")
	for range 2 {
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, err = p.Run(t.Context(), sandbox.Program{Source: "return 1"})
	refused(t, err, "script_closed")
}
