package sandbox_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
)

// Whatever JSON goes in comes out the same, as far as JavaScript can hold it.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{
		`null`, `-0`, `1e308`, `[1,"a\u0000b",{"__proto__":{"x":1},"":[]}]`, `"\ud800"`, `{"a":1,"a":2}`, `"</script>{{ x }}"`, `[[[[]]]]`, `{"toJSON":1,"length":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var want any
		if json.Unmarshal(input, &want) != nil || !utf8.Valid(input) {
			t.Skip()
		}
		out, err := shared().Run(t.Context(), sandbox.Program{Source: "return input", Input: json.RawMessage(input), Limits: sandbox.Limits{Time: time.Minute, Output: sandbox.MaxOutput}})
		if err != nil {
			t.Fatalf("%q: %v", input, err)
		}
		var got any
		// Both ways through Go, whose own reading of halves of surrogates is another.
		if err := json.Unmarshal(out, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q: %v", input, out, err)
		}
	})
}

// Whatever the source, there is a result or a problem, and Check agrees with Run
// about what is a syntax error.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{
		"return 1", "return {", "}); (", "throw new Error('x')", "console.log(1, {})", "`${`", "/*", "return /[/", "\u2028", "await 1", "class A { #x; static { } }", "return 1n", "#!x", "<!-- x", "\"use strict\"; with (a) b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		out, err := shared().Run(t.Context(), sandbox.Program{Source: source, Limits: sandbox.Limits{Time: 200 * time.Millisecond, Memory: 8 << 20}})
		p := problem.Of(err)
		switch {
		case p == nil && (!json.Valid(out) || bytes.ContainsRune(out, '\n')):
			t.Fatalf("%q gave %q", source, out)
		case p != nil && (p.Kind == problem.Internal || p.Code == "" || !utf8.ValidString(p.Message)):
			t.Fatalf("%q failed with %v", source, err)
		}
		checked := problem.Of(shared().Check(t.Context(), source))
		if checked != nil && (p == nil || p.Code != "script_syntax" && p.Code != "script_timeout") {
			t.Fatalf("%q does not compile, %v, but runs: %v", source, checked, err)
		}
	})
}
