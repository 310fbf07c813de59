package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
)

// hostile runs a script that must end with one of the codes, and checks that
// the pool is none the worse.
func hostile(t *testing.T, source string, limits sandbox.Limits, codes ...string) {
	t.Helper()
	began := time.Now()
	out, err := shared().Run(t.Context(), sandbox.Program{Source: source, Input: map[string]any{}, Limits: limits})
	p := problem.Of(err)
	if p == nil || !slices.Contains(codes, p.Code) {
		t.Errorf("%.200s\nwant %v, got %.100s, %v", source, codes, out, err)
	}
	if took := time.Since(began); took > limits.Time+30*time.Second {
		t.Errorf("%.200s\ntook %s", source, took)
	}
	alive(t)
}

// T97: whatever a script spends its time with, it ends at its limit: also inside
// of functions of the engine, which know nothing of limits.
func TestT97_EndlessScriptsEnd(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"loop":            `for (;;);`,
		"empty while":     `while (true) { }`,
		"caught":          `for (;;) try { for (;;); } catch { } finally { continue }`,
		"jobs":            `(function f() { Promise.resolve().then(f) })(); await new Promise(() => { })`,
		"awaits":          `for (;;) await null`,
		"generator":       `function* g() { for (;;) yield 1 } for (const x of g());`,
		"getter":          `return { get a() { for (;;); } }`,
		"toJSON":          `return { toJSON() { for (;;); } }`,
		"proxy":           `return new Proxy({ }, { ownKeys() { for (;;); } })`,
		"thrown":          `throw { get message() { for (;;); }, toString() { for (;;); } }`,
		"thrown error":    `const e = new Error(); Object.defineProperty(e, "stack", { get() { for (;;); } }); throw e`,
		"thenable":        `return { then() { for (;;); } }`,
		"printed":         `console.log({ toString() { for (;;); }, toJSON() { for (;;); } })`,
		"sort":            `[3, 2, 1].sort(() => { for (;;); })`,
		"indexOf":         `Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)`,
		"reverse":         `Array.prototype.reverse.call({ length: 2 ** 53 - 1 })`,
		"array like":      `Array.prototype.fill.call(new Proxy({ length: 2 ** 53 - 1 }, { set: () => true }), 1)`,
		"regex":           `/^(a+)+$/.test("a".repeat(50) + "b")`,
		"regex back":      `/^(.*?,){50}P/.test("1,".repeat(5000))`,
		"regex look":      `/(?=(a+)+b)(?!c)(a|a)*$/.exec("a".repeat(60) + "!")`,
		"big power":       `(7n ** 300000n) ** 20n`,
		"big multiply":    `let a = 3n ** 100000n; for (;;) a * a`,
		"big text":        `const s = (10n ** 50000n).toString(); for (;;) BigInt(s)`,
		"join":            `const a = []; a.length = 2 ** 32 - 1; a.join("")`,
		"replace":         `const s = "a".repeat(1e5); for (;;) s.replaceAll("a", "b")`,
		"eval":            `(0, eval)("for(;;);")`,
		"Function":        `new Function("for(;;);")()`,
		"AsyncFunction":   `await new (async () => { }).constructor("for(;;);")()`,
		"out of its body": "}); for (;;); (function () {",
		"sticky stop":     `Object.prototype.then = function () { for (;;); }; return { }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hostile(t, source, sandbox.Limits{Time: 100 * time.Millisecond}, "script_timeout")
		})
	}
}

// T97: memory ends at its limit, however it is asked for.
func TestT97_MemoryEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"objects":     `const a = []; for (;;) a.push({ n: a.length })`,
		"arrays":      `const a = []; for (;;) a.push(new Array(1000).fill(a.length))`,
		"texts":       `const a = []; for (;;) a.push("abcdefgh".repeat(10000) + a.length)`,
		"doubling":    `let s = "abcdefgh"; for (;;) s = s + s.slice(1) + s`,
		"buffers":     `const a = []; for (;;) a.push(new Uint8Array(1e6))`,
		"one buffer":  `new ArrayBuffer(2e9)`,
		"closures":    `let f = () => 0; for (;;) { const g = f; f = () => g }`,
		"map":         `const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })`,
		"promises":    `const a = []; for (;;) a.push(new Promise(() => { }))`,
		"jobs":        `for (;;) Promise.resolve().then(() => 1)`,
		"big integer": `let a = 3n; for (;;) a = a * a`,
		"symbols":     `const a = []; for (;;) a.push(Symbol("x" + a.length))`,
		"names":       `const o = { }; for (let i = 0; ; i++) o["name" + i] = i`,
		"regexes":     `const a = []; for (;;) a.push(new RegExp("(a" + a.length + ")|b*"))`,
		"code":        `const a = []; for (;;) a.push(new Function("return " + a.length))`,
		"split":       `const a = []; for (;;) a.push("a,".repeat(20000).split(","))`,

		"in a job":     `await null; const a = []; for (;;) a.push([a.length])`,
		"in a getter":  `return { get x() { const a = []; for (;;) a.push([a.length]) } }`,
		"while thrown": `const e = new Error("x"); Object.defineProperty(e, "message", { get() { const a = []; for (;;) a.push([a.length]) } }); throw e`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := "script_memory"
			switch name {
			case "while thrown", "big integer": // it is caught, or another limit comes first
				code = "script_failed"
			}
			hostile(t, source, sandbox.Limits{Time: sandbox.MaxTime, Memory: 8 << 20}, code)
		})
	}
}

// T97: nothing goes so deep that it reaches the host's stack.
func TestT97_RecursionEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	for source, code := range map[string]string{
		`function f() { return f() + 1 } return f()`:                                             "script_stack",
		`async function f() { return await f() } return f()`:                                     "script_stack",
		`const o = { get a() { return this.a } }; return o.a`:                                    "script_stack",
		`let p = { }; for (let i = 0; i < 3e4; i++) p = new Proxy(p, { }); return p.x`:           "script_stack",
		`const o = { toString() { return "" + this } }; return "" + o`:                           "script_stack",
		`const f = () => [2, 1].sort(f); return f()`:                                             "script_stack",
		`const f = () => "a".replace("a", f); return f()`:                                        "script_stack",
		`return JSON.parse("[".repeat(1e5) + "]".repeat(1e5))`:                                   "script_stack",
		`let a = []; for (let i = 0; i < 3e4; i++) a = [a]; return a.flat(Infinity)`:             "script_stack",
		`return eval("[".repeat(1e5) + "]".repeat(1e5))`:                                         "script_stack",
		`return eval("(".repeat(1e5) + "1" + ")".repeat(1e5))`:                                   "script_stack",
		`return eval("!".repeat(1e5) + "1")`:                                                     "script_stack",
		"return eval('`${'.repeat(1e4) + '1' + '}`'.repeat(1e4))":                                "script_stack",
		`return new RegExp("(?=".repeat(1e4) + "a" + ")".repeat(1e4)).test("a")`:                 "script_failed",
		`return new RegExp("(".repeat(1e4) + "a" + ")".repeat(1e4)).test("a")`:                   "script_failed",
		`let C = class { }; for (let i = 0; i < 1e4; i++) C = class extends C { }; return new C`: "script_stack",
		`return Math.max.apply(null, { length: 1e6 })`:                                           "script_failed",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			hostile(t, source, sandbox.Limits{Time: sandbox.MaxTime, Memory: 128 << 20}, code)
		})
	}
}

// Go reads JSON ten thousand levels deep.
func TestSandboxRefusesAResultTooDeepToRead(t *testing.T) {
	t.Parallel()
	hostile(t, `let a = 1; for (let i = 0; i < 10100; i++) a = [a]; return a`, sandbox.Limits{Time: sandbox.MaxTime}, "script_result_invalid")
}

// What is deep or long but not too much works, also when it is given back.
func TestSandboxTakesWhatIsDeep(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"a list":   `let a = null; for (let i = 0; i < 1e4; i++) a = { a }; a = null; return 1`,
		"a chain":  `let p = Promise.resolve(0); for (let i = 0; i < 1e3; i++) p = p.then((n) => n + 1); return await p / 1e3`,
		"a text":   `let s = ""; for (let i = 0; i < 1e3; i++) s = "a" + s + "b"; return s.length / 2e3`,
		"recovery": `let n = 0; const f = () => { n++; f() }; try { f() } catch { } return n > 100 ? 1 : 0`,
	} {
		if got := result(t, source, nil); got != "1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := result(t, `let a = 1; for (let i = 0; i < 500; i++) a = [a]; return a`, nil); got != strings.Repeat("[", 500)+"1"+strings.Repeat("]", 500) {
		t.Error(got)
	}
}

// T97: a result ends at its limit, before there is a copy of it in the host.
func TestT97_ResultsEndAtTheirLimit(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`return "x".repeat(5e6)`,
		`return { a: ["x".repeat(5e5), "y".repeat(6e5)] }`,
		`return "\u0001".repeat(3e5)`, // six bytes each
		`return "é".repeat(6e5)`,
		`return { ["k".repeat(2e6)]: 1 }`,
		`const a = "x".repeat(1e4); return Array.from({ length: 1e5 }, () => a)`,
		`let a = [1]; for (let i = 0; i < 40; i++) a = [a, a]; return a`,
		`return new Proxy([], { get: (t, k) => k === "length" ? 2 ** 32 : k === "toJSON" ? undefined : "x".repeat(1000) })`,
	} {
		hostile(t, source, sandbox.Limits{Time: sandbox.MaxTime, Output: 100_000}, "script_output_too_large")
	}
	if got := result(t, `return "x".repeat(1024 * 1024 - 2)`, nil); len(got) != 1<<20 {
		t.Errorf("a result of just the limit has %d bytes", len(got))
	}
}

// T97: 50 MB in one text: it is not even written as JSON.
func TestT97_AHugeResultIsRefused(t *testing.T) {
	t.Parallel()
	hostile(t, `return "x".repeat(5e7)`, sandbox.Limits{Time: sandbox.MaxTime}, "script_output_too_large")
}

// T97: what a script does to the objects of its own world reaches neither its
// result's way out nor the host.
func TestT97_PrototypesAreTheScriptsOwn(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`JSON.stringify = () => "not JSON"; JSON.parse = null; return { a: 1 }`:                                               `{"a":1}`,
		`Object.prototype.a = 1; Array.prototype.push = null; return { b: [2] }`:                                              `{"b":[2]}`,
		`Promise.prototype.then = () => { throw 1 }; Promise.resolve = null; globalThis.Promise = null; return 3`:             `3`,
		`Reflect.apply = Reflect.construct = null; String.prototype.slice = null; globalThis.String = null; return "s"`:       `"s"`,
		`Function.prototype.call = Function.prototype.apply = null; delete globalThis.Object; return 4`:                       `4`,
		`Array.prototype[Symbol.iterator] = null; Object.defineProperty(Array.prototype, 0, { set() { throw 1 } }); return 5`: `5`,
		`for (const k of Reflect.ownKeys(globalThis)) try { delete globalThis[k] } catch { } return 6`:                        `6`,
		`const all = [Object, Array, String, Promise, Function, Error, Map].flatMap((c) => Reflect.ownKeys(c.prototype).map((k) => [c.prototype, k]));
			for (let i = 0; i < all.length; i++) try { delete all[i][0][all[i][1]] } catch { } return 7`: `7`,
		`Object.freeze(globalThis); Object.freeze(Object.prototype); return 8`:                                   `8`,
		`globalThis.console = { log() { throw 1 } }; Error.prepareStackTrace = () => { throw 1 }; return 9`:      `9`,
		`Object.setPrototypeOf(globalThis, new Proxy({ }, { get() { throw 1 }, has() { throw 2 } })); return 10`: `10`,
		"return 11 }); (async function () { return 12":                                                           `12`,
	} {
		if got := result(t, source, nil); got != want {
			t.Errorf("%s\ngave %s", source, got)
		}
	}
	for _, source := range []string{
		`Object.prototype.toJSON = () => "x"; throw new Error("seen")`,
		`Error.prepareStackTrace = (e, sites) => sites.map((s) => s.getFunction && s.getFunction()); throw new Error("seen")`,
		`Error.prototype.toString = null; JSON.stringify = null; throw new Error("seen")`,
		`Object.defineProperty(Object.prototype, "message", { set() { }, get() { return "lie" } }); throw new Error("seen")`,
	} {
		_, err := run(t, source, nil)
		if p := refused(t, err, "script_failed"); !strings.Contains(p.Message, "seen") {
			t.Errorf("%s\ngave %q", source, p.Message)
		}
	}
	alive(t)
}

// T97: there is nothing to reach but the language.
func TestT97_NothingOfTheHostIsThere(t *testing.T) {
	t.Parallel()
	got := result(t, `return Reflect.ownKeys(globalThis).filter((k) => typeof k === "string").sort()`, nil)
	for _, name := range []string{
		"require", "process", "fetch", "setTimeout", "setInterval", "XMLHttpRequest", "WebAssembly", "Deno", "Bun", "std", "os", "bjson",
		"print", "scriptArgs", "performance", "navigator", "send", "gc", "WeakRef", "FinalizationRegistry",
	} {
		if strings.Contains(got, fmt.Sprintf("%q", name)) {
			t.Errorf("scripts see %s", name)
		}
	}
	for _, source := range []string{
		`await import("fs")`, `await import("./x.js")`, `await import("data:text/javascript,export default 1")`, `import("std").then(() => 1); return await import("os")`,
		`return new Date()`, `return Date()`, `return Date.now()`, `return Math.random()`, `return new (new Date(0).constructor)()`,
		`class D extends Date { } return new D()`, `return Reflect.construct(Date, [], Object)`, `return new (Object.getPrototypeOf(new Date(0)).constructor)()`,
		`Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)`,
	} {
		_, err := run(t, source, nil)
		refused(t, err, "script_failed")
	}
}

// T96: a run knows nothing of those before it, or beside it, in whatever a
// script can change.
func TestT96_NothingSurvivesARun(t *testing.T) {
	t.Parallel()
	const leave = `globalThis.left = input; Object.prototype.left = input; Array.prototype.left = input; Date.left = input; Math.left = input;
		console.left = input; JSON.left = input; Symbol.for("left").description; const s = "left".repeat(1000) + input; return s.length`
	const look = `return [typeof left, ({ }).left, [].left, Date.left, Math.left, console.left, JSON.left].filter((v) => v !== undefined && v !== "undefined").length`
	rounds := 10_000 / 20 // each of both scripts
	if testing.Short() {
		rounds = 100
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range rounds / 4 {
				if _, err := run(t, leave, n); err != nil {
					t.Errorf("leave: %v", err)
				}
				if got := result(t, look, n); got != "0" {
					t.Errorf("round %d: something is left: %s", n, got)
				}
			}
		})
	}
	group.Wait()
}

// Two runs of the same program are the same, to the byte.
func TestSandboxIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	const source = `const o = { }; for (let i = 0; i < 100; i++) o[Symbol("x").toString() + i] = [..."zyx"].sort().join();
		try { null.x } catch (e) { o.stack = e.stack } return o`
	first := result(t, source, nil)
	for range 20 {
		if again := result(t, source, nil); again != first {
			t.Fatalf("%s\nand then\n%s", first, again)
		}
	}
}

// However many come at once, so many run as there are turns, and their memory is
// what was set aside.
func TestSandboxIsBounded(t *testing.T) {
	t.Parallel()
	p, err := sandbox.New(sandbox.Config{Concurrency: 3, Memory: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.WithoutCancel(t.Context()))
	var now, most atomic.Int64
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			_, err := p.Run(t.Context(), sandbox.Program{
				Source: `console.log("in"); let n = 0; while (n < 1e4) n++; console.log("out"); return n`,
				Limits: sandbox.Limits{Memory: 16 << 20, Time: time.Minute},
				Log: func(_ slog.Level, m string) {
					if m == "out" {
						now.Add(-1)
						return
					}
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
				},
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most.Load() > 2 {
		t.Errorf("%d scripts of 16 MB ran at once in 32 MB", most.Load())
	}
}

// Who waits for a turn stops waiting with his context.
func TestSandboxTurnsEnd(t *testing.T) {
	t.Parallel()
	p, err := sandbox.New(sandbox.Config{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.WithoutCancel(t.Context()))
	began, ended := make(chan bool, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := p.Run(ctx, sandbox.Program{Source: `console.log(1); for (;;);`, Log: func(slog.Level, string) { began <- true }, Limits: sandbox.Limits{Time: sandbox.MaxTime}})
		ended <- err
	}()
	<-began
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	_, err = p.Run(short, sandbox.Program{Source: "return 1"})
	refused(t, err, "script_timeout")
	cancel()
	refused(t, <-ended, "script_cancelled")
	out, err := p.Run(t.Context(), sandbox.Program{Source: "return 1"})
	if string(out) != "1" || err != nil {
		t.Errorf("afterwards: %s, %v", out, err)
	}
}

// A function of the host that panics ends its script, not the process.
func TestSandboxSurvivesItsLog(t *testing.T) {
	t.Parallel()
	_, err := shared().Run(t.Context(), sandbox.Program{Source: "console.log(1); return 1", Log: func(slog.Level, string) { panic("log") }})
	refused(t, err, "script_crashed")
	alive(t)
}

// A large input is refused by the memory of the script.
func TestSandboxInputIsPartOfItsMemory(t *testing.T) {
	t.Parallel()
	_, err := shared().Run(t.Context(), sandbox.Program{Source: "return 1", Input: strings.Repeat("x", 8<<20), Limits: sandbox.Limits{Memory: 6 << 20}})
	refused(t, err, "script_memory")
	rows := make([]map[string]any, 20_000)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "name": fmt.Sprint("name ", i)}
	}
	b, _ := json.Marshal(rows)
	out, err := shared().Run(t.Context(), sandbox.Program{Source: "return input.at(-1).id", Input: json.RawMessage(b), Limits: sandbox.Limits{Time: sandbox.MaxTime}})
	if string(out) != "19999" || err != nil {
		t.Errorf("%s, %v", out, err)
	}
}
