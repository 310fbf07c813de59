package template_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

func TestOptionalBlocks(t *testing.T) {
	t.Parallel()
	pg, lite := template.PostgreSQL(), template.SQLite()
	two := "SELECT 1[[ AND a = {{ a }} ]][[AND b IN ({{ b }}) OR a > {{ a }}]] LIMIT {{ n }}"
	cases := []struct {
		name, text string
		dialect    template.Dialect
		params     map[string]any
		want       string
		args       []any
	}{
		{"all", two, pg, map[string]any{"a": 1, "b": []any{2, 3}, "n": 9}, "SELECT 1  AND a =  $1    AND b IN ( $2, $3 ) OR a >  $4   LIMIT  $5 ", []any{1, 2, 3, 1, 9}},
		{"one of two parameters is missing", two, pg, map[string]any{"a": 1, "n": 9}, "SELECT 1  AND a =  $1      LIMIT  $2 ", []any{1, 9}},
		{"none", two, lite, map[string]any{"n": 9}, "SELECT 1     LIMIT  ?1 ", []any{9}},
		{"an empty list is none", two, lite, map[string]any{"a": 1, "b": []any{}, "n": 9}, "SELECT 1  AND a =  ?1      LIMIT  ?2 ", []any{1, 9}},
		{"an empty text, zero and false are values", "SELECT 1 [[, {{ a }}, {{ b }}, {{ n }}]]", pg, map[string]any{"a": "", "b": 0, "n": false}, "SELECT 1  ,  $1 ,  $2 ,  $3  ", []any{"", 0, false}},
		{"what it leaves does not join", "SELECT 1 -[[- {{ a }}]]- 2", pg, nil, "SELECT 1 -  - 2", nil},
		{"arrays of arrays", "SELECT ARRAY[[1, 2], [3, 4]], array [[{{ a }}]], a[b[1]][[ , {{ b }}]]", pg, map[string]any{"a": 1}, "SELECT ARRAY[[1, 2], [3, 4]], array [[ $1 ]], a[b[1]]  ", []any{1}},
		{"inside of brackets", "SELECT ARRAY[[[{{ a }}]], [[2]]]", pg, map[string]any{"a": 1}, "SELECT ARRAY[[[ $1 ]], [[2]]]", []any{1}},
		{"brackets in a block", "SELECT 1 [[ , a[b[{{ a }}]] ]]", pg, map[string]any{"a": 1}, "SELECT 1   , a[b[ $1 ]]  ", []any{1}},
		{"quoted names in brackets", "SELECT 1 [[ , [x] = {{ a }}]]", lite, map[string]any{"a": 1}, "SELECT 1   , [x] =  ?1  ", []any{1}},
		{"marks in literals and comments are text", "SELECT '[[', $$ ]] $$ -- [[\n", pg, nil, "SELECT '[[', $$ ]] $$ -- [[\n", nil},
		{"a trusted value never leaves a block out", "SELECT 1 [[ WHERE t = {{ user.claims.team }}]]", pg, nil, "SELECT 1   WHERE t =  $1  ", []any{nil}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := template.ParseSQL(c.text, c.dialect)
			if err != nil {
				t.Fatal(err)
			}
			bound, err := s.Bind(values(c.params))
			if err != nil {
				t.Fatal(err)
			}
			if bound.Text != c.want || !reflect.DeepEqual(bound.Args, c.args) {
				t.Errorf("got  %q with %v\nwant %q with %v", bound.Text, bound.Args, c.want, c.args)
			}
		})
	}
}

func TestFaultsOfOptionalBlocks(t *testing.T) {
	t.Parallel()
	for text, faults := range map[string]int{
		"SELECT 1 [[ WHERE a = {{ a }}":            1,
		"SELECT 1 [[ WHERE a = 1 ]]":               1,
		"SELECT 1 [[ , {{ a }} [[ , {{ b }} ]] ]]": 1,
		"SELECT 1 [[ , {{ a }} -- ]]":              1,
		"SELECT 1 [[ , '{{ a }}' ]]":               2,
		"SELECT 1 [[ ]] [[ ]] [[":                  3,
		"SELECT 1 ]]":                              0,
		"SELECT 1 [[ , {{ user.id }}, {{ a }} ]]":  1,
		"SELECT 1 [[ , {{ a }}, {{ user.claims.b }} ]] [[ , {{ a }} ]] [[ , {{ tenant.id }}, {{ user.id }} ]]": 1,
		"SELECT 1 [[ , {{ a }} ]] ]]":                 0, // the database says what it thinks of these
		"SELECT arrays [[ , {{ a }} ]]":               0,
		"SELECT {{ tenant.id }}, {{ user.id }}":       0,
		"SELECT {{ user.claims.org.id }}":             0,
		"SELECT {{ tenant.name }}, {{ user.claims }}": 2,
		"SELECT {{ user.claims. }}, {{ run.id }}":     2,
		"SELECT {{ user.claims.a-b }}":                1,
	} {
		_, err := template.ParseSQL(text, template.PostgreSQL())
		if got := faultsOf(err); got != faults {
			t.Errorf("%q: %d faults, want %d: %v", text, got, faults, err)
		}
	}
	_, err := template.ParseSQL("SELECT 1;\n[[ , {{ a }} ]]", template.SQLite())
	if faultsOf(err) != 1 {
		t.Errorf("a block behind the statement: %v", err)
	}
}

// T89: no value of the caller's can leave out the rule for the caller.
func TestT89_NoParameterLeavesARuleOut(t *testing.T) {
	t.Parallel()
	_, err := template.ParseSQL("SELECT * FROM orders WHERE 1 = 1\n[[ AND owner = {{ user.id }} AND country = {{ country }} ]]", template.PostgreSQL())
	faults := problem.Of(err)
	if !problem.Is(err, problem.Invalid) || len(faults.Faults) != 1 || !strings.HasPrefix(faults.Faults[0].Message, "line 2, column 1: ") {
		t.Errorf("a rule that a parameter leaves out: %v", err)
	}
	s, err := template.ParseSQL("SELECT * FROM orders WHERE owner = {{ user.id }} [[ AND country = {{ country }} ]] [[ AND team = {{ user.claims.team }} ]]", template.PostgreSQL())
	if err != nil {
		t.Fatal(err)
	}
	bound, err := s.Bind(values(map[string]any{"user.id": "u", "user.claims.team": "t"}))
	if err != nil || !reflect.DeepEqual(bound.Args, []any{"u", "t"}) {
		t.Errorf("got %v, %v", bound, err)
	}
}

func TestNamesAreQuoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect template.Dialect
		value   any
		want    string
	}{
		{template.PostgreSQL(), template.Identifier("total"), `ORDER BY  "total" `},
		{template.PostgreSQL(), template.Identifier(`sales.or"ders`), `ORDER BY  "sales"."or""ders" `},
		{template.SQLite(), template.Identifier("a`b"), "ORDER BY  `a``b` "},
		{template.SQLite(), []any{template.Identifier("a"), template.Identifier("b.c")}, "ORDER BY  `a`, `b`.`c` "},
		{template.PostgreSQL(), template.Descending, "ORDER BY  DESC "},
		{template.PostgreSQL(), template.Direction("; DROP TABLE x"), "ORDER BY  ASC "},
	} {
		s, err := template.ParseSQL("ORDER BY {{ x }}", c.dialect)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := s.Bind(values(map[string]any{"x": c.value}))
		if err != nil || bound.Text != c.want || len(bound.Args) > 0 {
			t.Errorf("%v: %q with %v, %v", c.value, bound.Text, bound.Args, err)
		}
	}
	for name, valid := range map[string]bool{"a": true, "a.b": true, "größe": true, "two words": true, "": false, ".": false, "a.": false, "a\x00": false, "a\n": false, "\xff": false, strings.Repeat("x", 257): false} {
		if template.ValidIdentifier(name) != valid {
			t.Errorf("%q: valid is %v", name, !valid)
		}
	}
}

func TestAnEmptyListOfTheCallersClaimsIsAFault(t *testing.T) {
	t.Parallel()
	s, err := template.ParseSQL("SELECT 1 [[ WHERE t IN ({{ user.claims.teams }}) ]]", template.PostgreSQL())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Bind(values(map[string]any{"user.claims.teams": []any{}}))
	if !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
}

// FuzzBlocks: whatever is set, no value gets into the text, each argument has its
// place, and no trusted value is left out.
func FuzzBlocks(f *testing.F) {
	for _, seed := range []string{
		"a [[ b {{c}} ]] d", "[[{{a}}]][[{{b}}]]", "[[[{{a}}]]]", "ARRAY[[{{a}}]] [[ {{b}} ]]", "[[ '{{a}}' ]]", "]] [[ {{a}} -- ]]\n ]]", "a[[{{b}}]]", "[[{{user.id}}{{a}}]]", "[[ $$ ]] $$ {{a}} ]]",
	} {
		f.Add(seed, uint8(1), true)
		f.Add(seed, uint8(2), false)
	}
	const canary = "c4n4ry"
	f.Fuzz(func(t *testing.T, text string, set uint8, postgres bool) {
		dialect := template.SQLite()
		if postgres {
			dialect = template.PostgreSQL()
		}
		s, err := template.ParseSQL(text, dialect)
		if err != nil || strings.Contains(text, canary) {
			return
		}
		bound, err := s.Bind(func(name string) any {
			if set>>(len(name)%8)&1 == 0 {
				return nil
			}
			return canary
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(bound.Text, canary) {
			t.Fatalf("a value is in the text: %q", bound.Text)
		}
		for i := range bound.Args {
			if mark := " " + dialect.Bind(i+1) + " "; !strings.Contains(bound.Text, mark) {
				t.Fatalf("%q lacks %q", bound.Text, mark)
			}
		}
		if all, some := rules(t, s, 0xff), rules(t, s, set); all != some {
			t.Fatalf("%d of %d trusted values are there", some, all)
		}
		for at := range len(bound.Text) {
			if source := bound.Source(at); source < 0 || source > len(text)+len(bound.Text) {
				t.Fatalf("offset %d maps to %d", at, source)
			}
		}
	})
}

// rules counts the trusted values in a statement when some others are set.
func rules(t *testing.T, s *template.SQL, set uint8) (n int) {
	t.Helper()
	type rule struct{}
	bound, err := s.Bind(func(name string) any {
		switch {
		case template.Trusted(name):
			return rule{}
		case set>>(len(name)%8)&1 == 0:
			return nil
		}
		return "x"
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range bound.Args {
		if v == (rule{}) {
			n++
		}
	}
	return n
}
