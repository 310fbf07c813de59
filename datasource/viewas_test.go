package datasource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// viewing is a context in which one caller views as another; an id of "" views as a role.
func viewing(t testing.TB, caller context.Context, userID string, roles ...string) context.Context {
	t.Helper()
	viewed := &auth.Principal{Kind: auth.KindUser, UserID: userID, Roles: roles}
	return auth.NewContext(t.Context(), auth.FromContext(caller).ViewingAs(viewed))
}

// shownTo is what a query gives a caller, whole and as a stream: they are the same.
func (w *world) shownTo(t testing.TB, ctx context.Context, queryID string) string {
	t.Helper()
	result, err := w.RunQuery(ctx, queryID, nil)
	if err != nil {
		return string(problem.Of(err).Code)
	}
	var lines bytes.Buffer
	if _, err := w.StreamQuery(ctx, queryID, nil, datasource.NewCSV(&lines)); err != nil {
		t.Fatal(err)
	}
	rows, err := json.Marshal(result.Rows)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(lines.String(), "\n"), len(result.Rows)+1; got != want {
		t.Errorf("a stream of %d lines, and %d rows", got, want-1)
	}
	return string(rows)
}

// Cases T12, T89: who views as somebody else is shown the rows that both see, as both see
// them, whoever asks first; and by the filters of the other nothing of what is masked to
// himself.
func TestT89_AViewIsUnderTheRulesOfBoth(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ds := w.shopSource(t)
		boss, both := w.having(t, "boss", nil, "boss"), w.having(t, "boss", map[string]any{"land": "SE"}, "boss", "north")
		null := func(column string) []datasource.ColumnMask {
			return []datasource.ColumnMask{{Column: column, As: datasource.MaskNull}}
		}
		sees := func(name string, caller context.Context, userID string, roles []string, want string, rules ...datasource.RowRule) {
			t.Helper()
			in := newQuery(ds, "SELECT id, country, score FROM customers ORDER BY id")
			in.CacheTTLMS = anHour
			q := w.withRules(t, in, rules...)
			ctx := viewing(t, caller, userID, roles...)
			w.shownTo(t, caller, q.ID)                             // what he himself is shown is kept
			w.shownTo(t, w.having(t, userID, nil, roles...), q.ID) // so is what the other is
			for range 2 {
				if got := w.shownTo(t, ctx, q.ID); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		}
		all := datasource.RowRule{Roles: []string{"boss"}, Filter: "true"}
		north := datasource.RowRule{Roles: []string{"north"}, Filter: "row.country == 'SE'"}
		sees("all, and some", boss, "m", []string{"north"}, `[[2,"SE",null]]`, all, north)
		sees("a role", boss, "", []string{"north"}, `[[2,"SE",null]]`, all, north)
		sees("some, and all", w.having(t, "n", nil, "north"), "m", []string{"boss"}, `[[2,"SE",null]]`, all, north)
		sees("nothing in common", boss, "m", []string{"north"}, `[]`, datasource.RowRule{Roles: []string{"boss"}, Filter: "row.country == 'NL'"}, north)
		sees("no rule for the other", boss, "m", []string{"south"}, `no_row_rule`, all, north)
		sees("no rule for the caller", boss, "m", []string{"north"}, `no_row_rule`, north)
		sees("no roles", boss, "m", nil, `no_row_rule`, all, north)
		sees("masked to the other", boss, "m", []string{"north"}, `[[1,null,1.5],[3,null,-2]]`, all,
			datasource.RowRule{Roles: []string{"north"}, Filter: "row.country != 'SE'", Mask: null("country")})
		sees("masked to the caller", boss, "m", []string{"north"}, `[[1,"NL",null]]`,
			datasource.RowRule{Roles: []string{"boss"}, Filter: "row.score > 0", Mask: null("score")}, datasource.RowRule{Roles: []string{"north"}, Filter: "row.id < 3"})
		sees("judged by what is masked to the caller", boss, "m", []string{"north"}, `[]`,
			datasource.RowRule{Roles: []string{"boss"}, Filter: "true", Mask: null("score")}, datasource.RowRule{Roles: []string{"north"}, Filter: "row.score > 0"})
		sees("hidden from the other", boss, "m", []string{"north"}, `[[1,"NL"],[2,"SE"],[3,"JP"]]`, all,
			datasource.RowRule{Roles: []string{"north"}, Filter: "true", Mask: []datasource.ColumnMask{{Column: "score", As: datasource.MaskHidden}}})
		// A claim of the caller is none of the other, whose claims are not known.
		claimed := datasource.RowRule{Roles: []string{"north"}, Filter: "row.country == user.claims.land"}
		sees("claims of a member", both, "m", []string{"north"}, `[]`, all, claimed)
		sees("claims of who has a role", both, "", []string{"north"}, `[[2,"SE",null]]`, all, claimed)
	})
}

// Trusted values are those of who is viewed; of a role, those of the caller.
func TestAViewBindsWhoIsViewed(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ds := w.shopSource(t)
		boss := w.having(t, "boss", map[string]any{"land": "SE"}, "boss")
		id := w.query(t, ds, "SELECT {{ user.id }}, {{ tenant.id }}").ID
		claim := w.query(t, ds, "SELECT {{ user.claims.land }}").ID
		member, role := viewing(t, boss, "m", "north"), viewing(t, boss, "", "north")
		for _, c := range []struct {
			ctx         context.Context
			query, want string
		}{
			{member, id, `[["m","` + w.a + `"]]`}, {role, id, `[["boss","` + w.a + `"]]`},
			{member, claim, "trusted_value_missing"}, {role, claim, `[["SE"]]`},
		} {
			if got := w.shownTo(t, c.ctx, c.query); got != c.want {
				t.Errorf("%s viewing %s: %s, want %s", auth.FromContext(c.ctx).Actor(), auth.FromContext(c.ctx).Viewing(), got, c.want)
			}
		}
		list, err := w.Executions(as(t, w.a, auth.QueryHistory), datasource.ExecutionFilter{QueryID: id}, page.Request{})
		if err != nil || len(list.Items) != 4 || list.Items[0].Actor != "user:boss" {
			t.Fatalf("the history has %+v (%v)", list.Items, err)
		}
		for item, ctx := range map[int]context.Context{0: role, 3: member} {
			if got, want := list.Items[item].Viewing, auth.FromContext(ctx).Viewing(); got != want || got == "" {
				t.Errorf("the history says that %q was viewed, want %q", got, want)
			}
		}
	})
}

// Who views as somebody else runs no query that writes, and stops none.
func TestAViewWritesNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db, canWrite)
		boss := w.having(t, "boss", nil, "boss")
		q := w.savedOn(t, "writing", "write", datasource.NewQuery{Operation: sqlText("ok"), Writes: true})
		if _, err := w.RunQuery(boss, q.ID, nil); err != nil {
			t.Fatal(err)
		}
		_, err := w.RunQuery(viewing(t, boss, "m", "boss"), q.ID, nil)
		if requireKind(t, err, problem.Forbidden); problem.Of(err).Code != "view_as_reads_only" {
			t.Error(err)
		}
		_, err = w.StreamQuery(viewing(t, boss, "", "boss"), q.ID, nil, datasource.NewCSV(new(bytes.Buffer)))
		requireKind(t, err, problem.Forbidden)
	})
}
