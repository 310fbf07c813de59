package datasource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestOptionalBlocksFollowTheirParameters(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT name FROM customers WHERE 1 = 1 [[ AND country = {{ country }} ]] [[ AND id IN ({{ ids }}) ]] ORDER BY id [[ LIMIT {{ n }} ]]",
		datasource.Param{Name: "country", Type: "string"}, datasource.Param{Name: "ids", Type: "integer[]"}, datasource.Param{Name: "n", Type: "integer", Default: 2})
	for _, c := range []struct {
		params map[string]any
		want   string
	}{
		{nil, "[[Zoë] [Björn]]"},
		{map[string]any{"n": nil}, "[[Zoë] [Björn] [山田]]"},
		{map[string]any{"country": "SE"}, "[[Björn]]"},
		{map[string]any{"country": ""}, "[]"},
		{map[string]any{"ids": []int{1, 3}}, "[[Zoë] [山田]]"},
		{map[string]any{"ids": []int{}}, "[[Zoë] [Björn]]"},
		{map[string]any{"country": "JP", "ids": []int{1, 2}}, "[]"},
	} {
		got, err := w.RunQuery(w.viewer(t), q.ID, c.params)
		if err != nil || fmt.Sprint(got.Rows) != c.want {
			t.Errorf("%v: %v, %v, want %s", c.params, got.Rows, err, c.want)
		}
	}
}

// Case T80 for names: one of the declared list, or nothing.
func TestT80_NamesComeFromTheirList(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT {{ columns }} FROM customers ORDER BY {{ by }} {{ order }}",
		datasource.Param{Name: "columns", Type: "identifier[]", Enum: []any{"id", "customers.name"}, Required: true},
		datasource.Param{Name: "by", Type: "identifier", Enum: []any{"id", "born"}, Default: "id"}, datasource.Param{Name: "order", Type: "direction", Default: "asc"})
	got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"columns": []any{"customers.name", "id"}, "order": "DESC"})
	if err != nil || fmt.Sprint(got.Rows) != "[[山田 3] [Björn 2] [Zoë 1]]" {
		t.Errorf("got %v, %v", got.Rows, err)
	}
	for _, v := range append(connectortest.Injections(), "ID", "score", "id, name", `id" --`, "customers.id") {
		for place, value := range map[string]any{"columns.1": []any{"id", v}, "by": v, "order": v} {
			name, _, _ := strings.Cut(place, ".")
			params := map[string]any{"columns": []any{"id"}, name: value}
			_, err := w.RunQuery(w.viewer(t), q.ID, params)
			if got := paths(t, err); !slices.Equal(got, []string{"params." + place}) {
				t.Errorf("%s = %q: %v", name, v, got)
			}
		}
	}
}

func TestNamesAreOnlyForSQL(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	for name, p := range map[string]datasource.Param{
		"no enum":             {Type: "identifier"},
		"no enum for a list":  {Type: "identifier[]"},
		"no name":             {Type: "identifier", Enum: []any{"a"}},
		"no direction":        {Type: "direction"},
		"an empty name":       {Type: "identifier", Enum: []any{"a", ""}},
		"a number":            {Type: "identifier", Enum: []any{1}},
		"directions":          {Type: "direction[]"},
		"no such direction":   {Type: "direction", Default: "up"},
		"default not in enum": {Type: "identifier", Enum: []any{"a"}, Default: "b"},
		"pattern":             {Type: "identifier", Enum: []any{"a"}, Pattern: "a"},
		"sensitive default":   {Type: "string", Sensitive: true, Default: "x"},
		"long pattern":        {Type: "string", Pattern: strings.Repeat("a", datasource.MaxPattern+1)},
		"exploding pattern":   {Type: "string", Pattern: "((a{500}){500}){500}"},
		"long enum":           {Type: "integer", Enum: make([]any, datasource.MaxEnum+1)},
	} {
		p.Name = "p"
		_, err := w.CreateQuery(w.owner(t), newQuery(ds, "SELECT {{ p }}", p))
		want := "params.p"
		if name == "no such direction" || name == "default not in enum" {
			want = "params.p.default"
		}
		if got := paths(t, err); !slices.Equal(slices.Compact(got), []string{want}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, p := range []datasource.Param{
		{Name: "p", Type: "identifier", Enum: []any{"a"}, Required: true}, {Name: "p", Type: "direction", Default: "desc"},
	} {
		in := newQuery(ds, "SELECT {{ p }}", p)
		in.Name = string(p.Type)
		if _, err := w.CreateQuery(w.owner(t), in); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	in := newQuery(ds, "SELECT id FROM orders [[ ORDER BY {{ p }} ]]", datasource.Param{Name: "p", Type: "identifier", Enum: []any{"id"}})
	in.Name = "in a block"
	if _, err := w.CreateQuery(w.owner(t), in); err != nil {
		t.Errorf("in a block: %v", err)
	}
	w.fakeQuery(t, "echo", func(q datasource.Query) {
		_, err := w.CreateQuery(w.owner(t), datasource.NewQuery{
			Name: "n", DatasourceID: q.DatasourceID, Operation: sqlText("{{ p }}"), Params: []datasource.Param{{Name: "p", Type: "identifier", Enum: []any{"a"}}},
		})
		if faults := problem.Of(err).Faults; len(faults) != 1 || !strings.Contains(fmt.Sprint(faults), "only in SQL") {
			t.Errorf("got %v", faults)
		}
	})
}

// claiming is somebody of the tenant with claims, who may run queries.
func (w *world) claiming(t *testing.T, userID string, claims map[string]any) context.Context {
	p := auth.ServicePrincipal(w.a, "test", auth.Grant{Permission: "*"})
	p.UserID, p.Claims = userID, claims
	return auth.NewContext(t.Context(), p)
}

func TestTrustedValuesAreTheServersToFill(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	q := w.query(t, ds, "SELECT {{ tenant.id }}, {{ user.id }}, {{ user.claims.org.level }} + 1, name FROM customers WHERE 1 [[ AND country IN ({{ user.claims.countries }}) ]] [[ AND id = {{ id }} ]]",
		datasource.Param{Name: "id", Type: "integer"})
	claims := map[string]any{"countries": []any{"SE", "JP"}, "org": map[string]any{"level": 2.0}}
	got, err := w.RunQuery(w.claiming(t, "u1", claims), q.ID, map[string]any{"id": 2})
	if want := fmt.Sprintf("[[%s u1 3 Björn]]", w.a); err != nil || fmt.Sprint(got.Rows) != want {
		t.Errorf("got %v, %v, want %s", got.Rows, err, want)
	}
	if got, err = w.RunQuery(w.claiming(t, "u1", claims), q.ID, map[string]any{"id": 1}); err != nil || got.RowCount != 0 {
		t.Errorf("a row of another country: %v, %v", got.Rows, err)
	}

	// Case T85: no caller sends them.
	_, err = w.RunQuery(w.claiming(t, "u1", claims), q.ID, map[string]any{"tenant.id": w.b, "user.id": "u2", "user.claims.countries": "NL", "user": map[string]any{"id": "u2"}})
	if got := paths(t, err); !slices.Equal(got, []string{"params.tenant.id", "params.user", "params.user.claims.countries", "params.user.id"}) {
		t.Errorf("got %v", got)
	}
	_, err = w.CreateQuery(w.owner(t), newQuery(ds, "SELECT {{ user.id }}", datasource.Param{Name: "user.id", Type: "string"}))
	if got := paths(t, err); !slices.Equal(got, []string{"params.user.id"}) {
		t.Errorf("declared: %v", got)
	}

	// Case T89: who has no such value is refused, and no filter is left out for him.
	for name, who := range map[string]context.Context{
		"no claims":      w.claiming(t, "u1", nil),
		"null":           w.claiming(t, "u1", map[string]any{"countries": nil, "org": map[string]any{"level": 1}}),
		"an object":      w.claiming(t, "u1", map[string]any{"countries": map[string]any{"$ne": 1}, "org": map[string]any{"level": 1}}),
		"a list in it":   w.claiming(t, "u1", map[string]any{"countries": []any{[]any{"SE"}}, "org": map[string]any{"level": 1}}),
		"NUL":            w.claiming(t, "u1", map[string]any{"countries": "S\x00", "org": map[string]any{"level": 1}}),
		"a flat claim":   w.claiming(t, "u1", map[string]any{"countries": "SE", "org.level": 1}),
		"nobody's user":  w.claiming(t, "", claims),
		"too long a one": w.claiming(t, "u1", map[string]any{"countries": slices.Repeat([]any{"SE"}, 1001), "org": map[string]any{"level": 1}}),
	} {
		_, err := w.RunQuery(who, q.ID, nil)
		if e := problem.Of(err); e == nil || e.Kind != problem.Forbidden || e.Code != "trusted_value_missing" || e.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.RunQuery(w.claiming(t, "u1", map[string]any{"countries": []string{}, "org": map[string]any{"level": 1}}), q.ID, nil)
	requireKind(t, err, problem.Invalid)
	if err := w.CheckParams(w.owner(t), q.ID, map[string]any{"id": 1}, func(any) bool { return false }); err != nil {
		t.Errorf("a call is checked without them: %v", err)
	}
}

func TestClaimsKeepTheirTypes(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT typeof({{ user.claims.v }}), {{ user.claims.v }}")
	for want, v := range map[string]any{
		"[[text x]]": "x", "[[integer 1]]": true, "[[integer 7]]": 7.0, "[[integer 9007199254740993]]": json.Number("9007199254740993"), "[[real 0.5]]": 0.5, "[[integer 8]]": int32(8),
	} {
		got, err := w.RunQuery(w.claiming(t, "u", map[string]any{"v": v}), q.ID, nil)
		if err != nil || fmt.Sprint(got.Rows) != want {
			t.Errorf("%v: %v, %v, want %s", v, got.Rows, err, want)
		}
	}
}

// Case T58: what a datasource says of a statement is not shown when it may repeat
// a sensitive value, nor logged.
func TestT58_SensitiveValuesAreNotRepeated(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	const canary = "c4n4ry"
	text := "SELECT json_extract('{}', {{ secret }})" // SQLite repeats the bad path
	q := w.query(t, ds, text, datasource.Param{Name: "secret", Type: "string", Sensitive: true})
	open := w.query(t, ds, text, datasource.Param{Name: "secret", Type: "string"})
	_, err := w.RunQuery(w.owner(t), open.ID, map[string]any{"secret": canary})
	if e := problem.Of(err); e == nil || !strings.Contains(e.Message, canary) {
		t.Fatalf("the test is of no use, the database says %v", err)
	}
	_, err = w.RunQuery(w.owner(t), q.ID, map[string]any{"secret": canary})
	if e := problem.Of(err); e == nil || e.Kind != problem.Upstream || e.Code != "query_failed" || strings.Contains(e.Error(), canary) {
		t.Errorf("got %v", err)
	}
	_, err = w.RunQuery(w.owner(t), q.ID, map[string]any{"secret": canary + "\x00"})
	if got := paths(t, err); !slices.Equal(got, []string{"params.secret"}) || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Case T137: patterns, lists and enums of any size are judged in a moment.
func TestT137_ValuesAreJudgedQuickly(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	enum := make([]any, datasource.MaxEnum)
	for i := range enum {
		enum[i] = fmt.Sprint("value ", i)
	}
	var text strings.Builder
	text.WriteString("SELECT 1 WHERE {{ s }} = '' OR '' IN ({{ e }})")
	params := []datasource.Param{
		{Name: "s", Type: "string", Pattern: "(a|a?)+(a*)*b"}, {Name: "e", Type: "string[]", Enum: enum},
	}
	q := w.query(t, w.shopSource(t), text.String(), params...)
	list := make([]any, datasource.MaxListElements)
	for i := range list {
		list[i] = enum[len(enum)-1]
	}
	began := time.Now()
	for _, values := range []map[string]any{
		{"s": strings.Repeat("a", 100_000)}, {"e": slices.Repeat(list, 10)}, {"e": append(slices.Clone(list[1:]), "none of them")},
	} {
		_, err := w.RunQuery(w.viewer(t), q.ID, values)
		requireKind(t, err, problem.Invalid)
	}
	if _, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"e": list}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
