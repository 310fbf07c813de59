package datasource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// having is a context of a person with roles and claims who may run queries.
func (w *world) having(t testing.TB, userID string, claims map[string]any, roles ...string) context.Context {
	who := auth.ServicePrincipal(w.a, "test", auth.Grant{Permission: auth.QueryExecute})
	who.Kind, who.UserID, who.Claims, who.Roles = auth.KindUser, userID, claims, roles
	return auth.NewContext(t.Context(), who)
}

// withRules saves a query with row rules.
func (w *world) withRules(t testing.TB, in datasource.NewQuery, rules ...datasource.RowRule) datasource.Query {
	t.Helper()
	in.Rules = rules
	q, err := w.CreateQuery(w.owner(t), in)
	if err != nil {
		t.Fatalf("%v: %+v", err, problem.Of(err).Faults)
	}
	return q
}

const allCustomers = "SELECT id, name, country, score FROM customers ORDER BY id"

func TestRowRulesAreSaved(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		rules := []datasource.RowRule{
			{Roles: []string{"sales"}, Filter: "row.country in user.claims.countries", Mask: []datasource.ColumnMask{{Column: "score", As: datasource.MaskNull}}},
			{Everyone: true, Filter: "row.id == 1"},
		}
		q := w.withRules(t, newQuery(w.shopSource(t), allCustomers), rules...)
		read, err := w.Query(ctx, q.ID)
		if got, want := fmt.Sprint(read.Rules), fmt.Sprint(rules); err != nil || got != want {
			t.Errorf("got %s, want %s, %v", got, want, err)
		}
		// What does not name the rules leaves them, and an empty list takes them away.
		if q, err = w.UpdateQuery(ctx, q.ID, datasource.QueryUpdate{RowLimit: new(5)}); err != nil || len(q.Rules) != 2 {
			t.Fatalf("got %+v, %v", q.Rules, err)
		}
		if q, err = w.UpdateQuery(ctx, q.ID, datasource.QueryUpdate{Rules: &[]datasource.RowRule{}}); err != nil || q.Rules == nil || len(q.Rules) != 0 {
			t.Fatalf("got %+v, %v", q.Rules, err)
		}
		diff, err := w.DiffQueryVersions(ctx, q.ID, 2, 3)
		if err != nil || len(diff.Changes) != 1 || diff.Changes[0].Field != "rules" || diff.Changes[0].After != nil {
			t.Errorf("got %+v, %v", diff, err)
		}
		if diff, err = w.DiffQueryVersions(ctx, q.ID, 1, 2); err != nil || len(diff.Changes) != 1 || diff.Changes[0].Field != "rowLimit" {
			t.Errorf("got %+v, %v", diff, err)
		}
		if q, err = w.RestoreQueryVersion(ctx, q.ID, 1, 0); err != nil || fmt.Sprint(q.Rules) != fmt.Sprint(rules) {
			t.Errorf("got %+v, %v", q.Rules, err)
		}
		versions, err := w.QueryVersions(ctx, q.ID, page.Request{})
		if err != nil || !slices.Equal(versions.Items[0].Changed, []string{"rowLimit", "rules"}) {
			t.Errorf("got %+v, %v", versions.Items, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		record := w.entries[len(w.entries)-1]
		before, _ := json.Marshal(record.Before)
		after, _ := json.Marshal(record.After)
		if strings.Contains(string(before), "row.country") || !strings.Contains(string(after), "row.country in user.claims.countries") {
			t.Errorf("the record has %s and %s", before, after)
		}
	})
}

// Cases T20, T31: who may change a query may not change who sees its rows by that.
func TestWhoMayChangeRowRules(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ds, other := w.shopSource(t), w.fakeSource(t)
		author := as(t, w.a, auth.QueryCreate, auth.QueryUpdate, auth.QueryRead)
		ruler := as(t, w.a, auth.QueryUpdate, auth.QueryRules)
		rules := []datasource.RowRule{{Roles: []string{"sales"}, Filter: "row.id == {{ n }}"}}
		rules[0].Filter = "row.id == params.n"
		in := newQuery(ds, allCustomers+" LIMIT {{ n }}", datasource.Param{Name: "n", Type: "integer"})
		in.Rules = rules
		_, err := w.CreateQuery(author, in)
		requireKind(t, err, problem.Forbidden)
		in.Rules = nil
		plain, err := w.CreateQuery(author, in)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.UpdateQuery(author, plain.ID, datasource.QueryUpdate{Rules: &rules})
		requireKind(t, err, problem.Forbidden)
		if now, err := w.Query(author, plain.ID); err != nil || now.Version != 1 || len(now.Rules) != 0 {
			t.Errorf("a refused change leaves %+v, %v", now, err)
		}
		if _, err := w.UpdateQuery(ruler, plain.ID, datasource.QueryUpdate{Rules: &rules}); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]datasource.QueryUpdate{
			"no rules":       {Rules: &[]datasource.RowRule{}},
			"another filter": {Rules: &[]datasource.RowRule{{Roles: rules[0].Roles, Filter: "true"}}},
			"another text":   {Operation: sqlText("SELECT 1 AS id LIMIT {{ n }}")},
			"a parameter":    {Params: &[]datasource.Param{{Name: "n", Type: "integer", Default: 1}}},
			"a datasource":   {DatasourceID: &other.ID, Operation: sqlText("ok {{ n }}")},
		} {
			_, err := w.UpdateQuery(author, plain.ID, change)
			if requireKind(t, err, problem.Forbidden); err == nil {
				t.Error(name)
			}
		}
		_, err = w.RestoreQueryVersion(author, plain.ID, 1, 0)
		requireKind(t, err, problem.Forbidden)
		for _, change := range []datasource.QueryUpdate{{Name: new("other")}, {RowLimit: new(7), Rules: &rules}, {Transform: &datasource.Transform{Language: "expression", Text: "len(input.rows)"}}} {
			if _, err := w.UpdateQuery(author, plain.ID, change); err != nil {
				t.Errorf("what rules do not judge: %v", err)
			}
		}
		if _, err := w.RestoreQueryVersion(ruler, plain.ID, 1, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestFaultsOfRowRules(t *testing.T) {
	t.Parallel()
	known := map[string]string{"viewer": "id of viewer", "r1": "r1"}
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Roles = func(_ context.Context, _ bun.IDB, names []string) ([]string, error) {
			ids := make([]string, len(names))
			var f problem.Faults
			for i, name := range names {
				ids[i] = known[name]
				f.Check(ids[i] != "", fmt.Sprintf("roles.%d", i), "is not a role")
			}
			return ids, f.Err("role_unknown", "a role does not exist")
		}
	})
	in := newQuery(w.shopSource(t), "SELECT id, name FROM customers WHERE id > {{ n }} ORDER BY {{ by }}",
		datasource.Param{Name: "n", Type: "integer"}, datasource.Param{Name: "by", Type: "identifier", Enum: []any{"id", "customers.NAME"}, Default: "id"})
	mask := func(column string, as datasource.MaskKind) datasource.ColumnMask {
		return datasource.ColumnMask{Column: column, As: as}
	}
	in.Rules = []datasource.RowRule{
		{Roles: []string{"viewer", "", "gone", "r1"}, Filter: "row.id == params.gone"},
		{Filter: ""},
		{Everyone: true, Roles: []string{"r1"}, Filter: "row.id +"},
		{Everyone: true, Filter: "params.n == 'x'", Mask: []datasource.ColumnMask{mask("", "null"), mask("id", "gone"), mask("x", "null"), mask("x", "null")}},
		{Everyone: true, Filter: strings.Repeat(" ", 3000)},
	}
	_, err := w.CreateQuery(w.owner(t), in)
	want := []string{
		"rules.0.filter", "rules.0.roles.1", "rules.0.roles.2", "rules.1.filter", "rules.1.roles", "rules.2.filter", "rules.2.roles",
		"rules.3.filter", "rules.3.mask.0.column", "rules.3.mask.1.as", "rules.3.mask.1.column", "rules.3.mask.3.column", "rules.4.filter",
	}
	if got := paths(t, err); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, f := range problem.Of(err).Faults {
		if f.Path == "rules.0.filter" && !strings.Contains(f.Message, "at 1:18") {
			t.Errorf("the place is not told: %s", f.Message)
		}
	}
	for path, rules := range map[string][]datasource.RowRule{
		"rules":         make([]datasource.RowRule, datasource.MaxRowRules+1),
		"rules.0.roles": {{Filter: "true", Roles: make([]string, datasource.MaxRuleRoles+1)}},
		"rules.0.mask":  {{Filter: "true", Everyone: true, Mask: make([]datasource.ColumnMask, datasource.MaxRuleMasks+1)}},
	} {
		in.Rules = rules
		_, err := w.CreateQuery(w.owner(t), in)
		if got := paths(t, err); !slices.Equal(got, []string{path}) {
			t.Errorf("%s: %v", path, got)
		}
	}

	// Keys are saved as ids; a role that is gone does not keep the query from being changed.
	in.Rules = []datasource.RowRule{{Roles: []string{"viewer", "r1", "viewer"}, Filter: "true"}}
	q, err := w.CreateQuery(w.owner(t), in)
	if err != nil || !slices.Equal(q.Rules[0].Roles, []string{"id of viewer", "r1"}) {
		t.Fatalf("got %+v, %v", q.Rules, err)
	}
	clear(known)
	if q, err = w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{RowLimit: new(3)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Rules: &[]datasource.RowRule{{Roles: []string{"r1", "r2"}, Filter: "true"}}}); !slices.Equal(paths(t, err), []string{"rules.0.roles.1"}) {
		t.Errorf("got %v", err)
	}
}
