package template_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

func values(m map[string]any) template.Values { return func(name string) any { return m[name] } }

func TestSQLBindsEveryPlaceholder(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text string
		dialect    template.Dialect
		params     map[string]any
		want       string
		args       []any
	}{
		{"one", "SELECT {{ a }}", template.PostgreSQL(), map[string]any{"a": 1}, "SELECT  $1 ", []any{1}},
		{"each place is a parameter of its own", "{{a}}={{a}}", template.PostgreSQL(), map[string]any{"a": "x"}, " $1 = $2 ", []any{"x", "x"}},
		{"lists expand", "id IN ({{ ids }}) AND b = {{b}}", template.PostgreSQL(), map[string]any{"ids": []any{1, 2, 3}, "b": 4}, "id IN ( $1, $2, $3 ) AND b =  $4 ", []any{1, 2, 3, 4}},
		{"apart from its neighbours", "a{{x}}b::int", template.PostgreSQL(), map[string]any{"x": 1}, "a $1 b::int", []any{1}},
		{"mysql", "SELECT {{ a }} FROM t WHERE b IN ({{ b }})", template.MySQL(), map[string]any{"a": nil, "b": []any{1, 2}}, "SELECT  ?  FROM t WHERE b IN ( ?, ? )", []any{nil, 1, 2}},
		{"sqlite", "SELECT {{ a }}, {{ b }}", template.SQLite(), map[string]any{"a": nil, "b": 2}, "SELECT  ?1 ,  ?2 ", []any{nil, 2}},
		{"an array literal is text", "SELECT '{{1,2},{3,4}}'::int[], {{a}}", template.PostgreSQL(), map[string]any{"a": 1}, "SELECT '{{1,2},{3,4}}'::int[],  $1 ", []any{1}},
		{"the value of a placeholder is not read again", "SELECT {{ a }}", template.SQLite(), map[string]any{"a": "{{ b }}"}, "SELECT  ?1 ", []any{"{{ b }}"}},
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
				t.Errorf("got %q with %v, want %q with %v", bound.Text, bound.Args, c.want, c.args)
			}
		})
	}
}

func TestSQLFaults(t *testing.T) {
	t.Parallel()
	pg, lite, my := template.PostgreSQL(), template.SQLite(), template.MySQL()
	cases := []struct {
		text    string
		dialect template.Dialect
		faults  int
	}{
		{"SELECT '{{ a }}'", pg, 1},
		{"SELECT 'it''s {{ a }}'", pg, 1},
		{`SELECT E'\'{{ a }}'`, pg, 1},
		{`SELECT '\', {{ a }}`, pg, 0}, // no escape without E
		{`SELECT "{{ a }}"`, pg, 1},
		{"SELECT 1 -- {{ a }}", pg, 1},
		{"SELECT 1 -- x\n, {{ a }}", pg, 0},
		{"SELECT /* /* */ {{ a }} */ 1", pg, 1},
		{"SELECT /* /* */ {{ a }}", lite, 0},
		{"SELECT $$ {{ a }} $$", pg, 1},
		{"SELECT $x$ $$ {{ a }} $x$", pg, 1},
		{"SELECT a$x$, {{ a }}", pg, 0},
		{"SELECT $$ x $$, {{ a }}", pg, 0},
		{"SELECT `{{ a }}`, [{{ b }}]", lite, 2},
		{"SELECT '{{ a }} {{ b }}'", lite, 2},
		{"SELECT {{ a b }}", pg, 1},
		{"SELECT {{ }}", pg, 1},
		{"SELECT {{ a", pg, 1},
		{"SELECT {{{{ a }}}}", pg, 1},
		{"SELECT {{ a.b }}, {{ 1a }}", pg, 2},
		{"SELECT $1", pg, 1},
		{"SELECT a$1", pg, 0},
		{"SELECT '$1', x ? 'y', a[1:2], 1::int", pg, 0},
		{"SELECT ?, ?1, :a, @b, $c", lite, 5},
		{"SELECT 1; DELETE FROM t", lite, 1},
		{"SELECT 1; -- done\n ;", lite, 0},
		{"SELECT ';'; ", lite, 0},
		{`SELECT "{{ a }}", '{{ b }}', ` + "`{{ c }}`", my, 3},
		{`SELECT "\"{{ a }}"`, my, 1},
		{`SELECT '\'{{ a }}'`, my, 1},
		{`SELECT "x\\", {{ a }}`, my, 0},
		{"SELECT 1 # {{ a }}", my, 1},
		{"SELECT 1 # x\n, {{ a }}", my, 0},
		{"SELECT 1 -- {{ a }}", my, 1},
		{"SELECT 1--{{ a }}", my, 0}, // two minus signs
		{"SELECT 1 --", my, 0},
		{"SELECT /*!50000 {{ a }} */ 1", my, 1},
		{"SELECT /* /* */ {{ a }}", my, 0},
		{"SELECT ?, @a, @@b, a->>'$.b'", my, 1},
		{"BEGIN NOT ATOMIC SELECT {{ a }}; END", my, 0},
		{"  \n", pg, 1},
		{"SELECT 1\x00", pg, 1},
		{"SELECT " + strings.Repeat("x", template.MaxLength), pg, 1},
	}
	for _, c := range cases {
		_, err := template.ParseSQL(c.text, c.dialect)
		got := 0
		if err != nil {
			got = len(problem.Of(err).Faults)
		}
		if got != c.faults {
			t.Errorf("%.40q: %d faults, want %d: %v", c.text, got, c.faults, err)
		}
	}
}

func TestSQLFaultsNameTheirPlace(t *testing.T) {
	t.Parallel()
	_, err := template.ParseSQL("SELECT 'ä',\n  '{{ a }}'", template.PostgreSQL())
	faults := problem.Of(err).Faults
	if len(faults) != 1 || faults[0].Path != "text" || !strings.HasPrefix(faults[0].Message, "line 2, column 4: ") {
		t.Errorf("got %v", faults)
	}
}

func TestSQLEmptyListIsAFault(t *testing.T) {
	t.Parallel()
	s, err := template.ParseSQL("SELECT 1 WHERE 1 IN ({{ ids }})", template.SQLite())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Bind(values(map[string]any{"ids": []any{}})); !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestSQLSourceOfAPosition(t *testing.T) {
	t.Parallel()
	source := "SELECT {{ first }}, {{ second }}, wrong"
	s, err := template.ParseSQL(source, template.PostgreSQL())
	if err != nil {
		t.Fatal(err)
	}
	bound, err := s.Bind(values(map[string]any{"first": []any{1, 2, 3}}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := bound.Source(strings.Index(bound.Text, "wrong")), strings.Index(source, "wrong"); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// FuzzParseSQL: whatever the text is, a value never gets into it, and each
// argument has its bind parameter.
func FuzzParseSQL(f *testing.F) {
	for _, seed := range []string{
		"SELECT {{a}}", "'{{a}}'", "$$ {{ a }} $$ {{b}}", "E'\\'' {{a}} --", "/* {{", "{{", "}}", "{{a}}{{a}}", "[{{a}}] `{{b}}` ;;", "$a$ $a {{x}}", "U&'x' {{é}}",
	} {
		for dialect := range uint8(3) {
			f.Add(seed, dialect)
		}
	}
	const canary = "c4n4ry"
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		dialect := []template.Dialect{template.SQLite(), template.PostgreSQL(), template.MySQL()}[kind%3]
		s, err := template.ParseSQL(text, dialect)
		if err != nil {
			if !problem.Is(err, problem.Invalid) || len(problem.Of(err).Faults) == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			return
		}
		if strings.Contains(text, canary) {
			return
		}
		bound, err := s.Bind(func(name string) any { return canary + name })
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(bound.Text, canary) {
			t.Fatalf("a value is in the text: %q", bound.Text)
		}
		if len(s.Placeholders()) > len(bound.Args) {
			t.Fatalf("%d placeholders, %d arguments", len(s.Placeholders()), len(bound.Args))
		}
		for i := range bound.Args {
			if mark := " " + dialect.Bind(i+1) + " "; !strings.Contains(bound.Text, mark) {
				t.Fatalf("%q lacks %q", bound.Text, mark)
			}
		}
		for at := range len(bound.Text) {
			if source := bound.Source(at); source < 0 || source > len(text)+len(bound.Text) {
				t.Fatalf("offset %d maps to %d", at, source)
			}
		}
	})
}

func ExampleParseSQL() {
	s, err := template.ParseSQL("SELECT * FROM orders WHERE country = {{ country }} AND id IN ({{ ids }})", template.PostgreSQL())
	if err != nil {
		panic(err)
	}
	bound, _ := s.Bind(func(name string) any {
		return map[string]any{"country": "' OR 1=1 --", "ids": []any{1, 2}}[name]
	})
	fmt.Println(bound.Text)
	fmt.Println(bound.Args...)
	// Output:
	// SELECT * FROM orders WHERE country =  $1  AND id IN ( $2, $3 )
	// ' OR 1=1 -- 1 2
}

// A text of nothing but faults is refused in time that grows with its length.
func TestFaultyTextsAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"braces":         strings.Repeat("{", template.MaxLength),
		"braces apart":   strings.Repeat("{{ ", template.MaxLength/3),
		"in a literal":   "'" + strings.Repeat("{", template.MaxLength-2) + "'",
		"parameters":     strings.Repeat("$1 ", template.MaxLength/3),
		"wrong in quote": "'" + strings.Repeat("{{a}}", template.MaxLength/5-1) + "'",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := template.ParseSQL(text, template.PostgreSQL())
			if what != "in a literal" && err == nil {
				t.Error("no fault")
			}
			if n := faultsOf(err); n > 200 {
				t.Errorf("%d faults", n)
			}
			_, err = template.ParseText(text, "path")
			if n := faultsOf(err); n > 200 {
				t.Errorf("%d faults of the text", n)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func faultsOf(err error) int {
	if err == nil {
		return 0
	}
	return len(problem.Of(err).Faults)
}
