package expr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

func declaredParams() map[string]Type {
	return map[string]Type{"n": {Of: Whole}, "f": {Of: Number}, "s": {Of: Text}, "b": {Of: Boolean}, "list": {Of: Text, List: true}, "any": {}}
}

func conditionEnv() Env {
	return Env{
		"row": map[string]any{
			"region": "DE", "total": 7, "price": json.Number("12.50"), "big": 9007199254740993, "on": true, "at": time.Unix(1700000000, 0),
			"doc": map[string]any{"a": nil, "b": "x", "list": []any{"p", "q"}}, "zero": 0,
		},
		"params": map[string]any{"n": 7, "s": "DE", "list": []any{"DE", "FR"}},
		"user":   map[string]any{"id": "u1", "claims": map[string]any{"regions": []any{"FR", "DE"}, "level": json.Number("7"), "mixed": []any{"FR", json.Number("1"), "DE"}}},
		"tenant": map[string]any{"id": "t1"},
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"true":                              true,
		"false":                             false,
		"row.region in user.claims.regions": true,
		"row.region in params.list":         true,
		"row.region == params.s && row.total > 6": true,
		"row.total == user.claims.level":          true,
		"row.price > 12.4 and row.price == 12.5":  true,
		"row.big == 9007199254740993":             true,
		"row.big == 9007199254740992":             false,
		"row.at > date('2023-11-14')":             true,
		"row.doc.b == 'x' && 'q' in row.doc.list": true,
		"row['region'] startsWith 'D'":            true,
		"row.region matches '^D.$'":               true,
		"not (row.region == 'FR')":                true,
		"(row.gone ?? '') == ''":                  true,
		"(row.region ?? null) != null":            true,
		"row.doc.list[0] == 'p'":                  true,
		"user.id == 'u1' && tenant.id == 't1'":    true,
		"row.on":                                  true,
		"row.on ? row.total == 7 : false":         true,

		// Whatever goes wrong is a no, also turned round.
		"row.gone == 'x'":                        false,
		"row.gone != 'x'":                        false,
		"not (row.gone == 'x')":                  false,
		"row.gone == null":                       false,
		"row.doc.a != 'x'":                       false,
		"row.region != 7":                        false,
		"row.region == 7 || true":                false,
		"row.total not in user.claims.regions":   false,
		"row.region in user.claims.mixed":        false,
		"row.region in user.claims.gone":         false,
		"row.region not in user.claims.gone":     false,
		"1 / row.zero > 0":                       false,
		"1 % row.zero == 0 || true":              false,
		"row.total":                              false,
		"row.region > 1":                         false,
		"row.region == params.any":               false,
		"params.any == user.claims.gone":         false,
		"(row.gone ?? null) == (row.no ?? null)": false,
		"len(row.total) > 0":                     false,
	} {
		c, err := ParseCondition(text, declaredParams())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		judge := c.Judge(conditionEnv())
		for range 2 {
			if got := judge.Holds(); got != want {
				t.Errorf("%s: got %v", text, got)
			}
		}
	}
}

func TestFaultsOfConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "1:1",
		"1 +":                           "1:3",
		"row.region = 'x'":              "",
		"row.total + 1":                 "",
		"1 + 1":                         "true or false at 1:",
		"'x'":                           "true or false",
		"params.n == 'x'":               "at 1:10",
		"params.s > 1":                  "at 1:10",
		"params.gone == 1":              "at 1:8",
		"true &&\n params.gone == 1":    "at 2:9",
		"row":                           "row needs the literal name of a column",
		"row[params.s] == 1":            "row needs the literal",
		"user == 1":                     "user needs the literal",
		"user.claims == 1":              "user.claims needs the literal",
		"'x' in user.claims":            "user.claims needs the literal",
		"user['claims'][params.s] == 1": "user.claims needs the literal",
		"user.name == 'x'":              "at 1:",
		"tenant.name == 'x'":            "at 1:",
		"params[row.a] == 1":            "params needs the literal",
		"any(row.list, # == 1)":         "any is not available here",
		"len(map(1..9, #)) > 0":         "map is not available here",
		"let x = row.a; x == 1":         "let is not available here",
		"row.a == 1; true":              "a sequence is not available",
		"row.at > now()":                "now is not available here",
		"input.x == 1":                  "unknown name input",
		"steps.x == 1":                  "unknown name steps",
		"secret == 1":                   "unknown name secret",
		"$env.user == 1":                "$env",
		"system('x') == 1":              "unknown function",
		"user.claims.x.y()":             "methods",
		strings.Repeat("(", 20_000):     "at most",
	} {
		_, err := ParseCondition(text, declaredParams())
		if want == "" && err == nil {
			continue // what it is, only a row can tell
		}
		e := problem.Of(err)
		if e == nil || e.Code != "expression_invalid" || len(e.Faults) != 1 || !strings.Contains(e.Faults[0].Message, want) {
			t.Errorf("%.40q: %+v", text, e)
		}
	}
}

func TestReadsOfConditions(t *testing.T) {
	t.Parallel()
	c, err := ParseCondition("row.a == params.s && row.b.c[params.n] in user?.claims?.org.list || user.id == row['a'] && tenant.id == 'x' && (user.claims).team == 'x'", declaredParams())
	if err != nil {
		t.Fatal(err)
	}
	want := []Ref{{"row", "a"}, {"params", "s"}, {"row", "b"}, {"params", "n"}, {"user.claims", "org"}, {"user", "id"}, {"tenant", "id"}, {"user.claims", "team"}}
	if got := c.Refs(); len(got) != len(want) {
		t.Errorf("got %v", got)
	} else {
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("got %v", got)
			}
		}
	}
}

// Case T137: a row costs a bounded amount of work, whatever the filter is.
func TestT137_ConditionsAreBounded(t *testing.T) {
	t.Parallel()
	env := conditionEnv()
	long := make([]any, 1_000_000)
	for i := range long {
		long[i] = "x"
	}
	env["row"].(map[string]any)["long"], env["row"].(map[string]any)["text"] = long, strings.Repeat("x", 10<<20)
	for _, text := range []string{
		"'y' not in row.long", "5 in 1..1000000", "row.text matches '(x+x+)+y' || true", "len(repeat(row.text, 1000)) > 0", "row.text + row.text != ''",
		"upper(row.text) != ''", "len(split(row.text, '')) > 0",
	} {
		c, err := ParseCondition(text, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		began := time.Now()
		if c.Judge(env).Holds() {
			t.Errorf("%s holds", text)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", text, took)
		}
	}
}

func FuzzConditions(f *testing.F) {
	for _, text := range []string{"row.a == 1", "row.region in user.claims.regions", "row?.a ?? 1 == 1", "not true", "row.a..row.b == 1", "((row.a)).b[0] matches 'x'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text, declaredParams())
		if err != nil {
			if e := problem.Of(err); e.Code != "expression_invalid" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		judge := c.Judge(conditionEnv())
		if first, again := judge.Holds(), judge.Holds(); first != again {
			t.Errorf("%q changes its mind", text)
		}
		for _, r := range c.Refs() {
			if r.Step == "" || r.Root == "user" && r.Step != "id" {
				t.Errorf("%q reads %v", text, r)
			}
		}
	})
}
