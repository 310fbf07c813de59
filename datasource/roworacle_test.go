package datasource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// seenOf is everything that a caller and a reader of the history learn of a query,
// but for times and ids.
func (w *world) seenOf(t *testing.T, ctx context.Context, queryID string, params map[string]any) string {
	t.Helper()
	var all strings.Builder
	note := func(v any, err error) {
		text, _ := json.Marshal(v)
		var shown any
		if err != nil {
			shown = *problem.Of(err)
		}
		fmt.Fprintf(&all, "%s %+v\n", text, shown)
	}
	result, err := w.RunQuery(ctx, queryID, params)
	result.Timings, result.ExecutionID, result.CachedAt = datasource.Timings{}, "", nil
	note(result, err)
	for _, to := range []func(*bytes.Buffer) datasource.RowWriter{
		func(b *bytes.Buffer) datasource.RowWriter { return datasource.NewCSV(b) },
		func(b *bytes.Buffer) datasource.RowWriter { return datasource.NewNDJSON(b) },
	} {
		var text bytes.Buffer
		streamed, err := w.StreamQuery(ctx, queryID, params, to(&text))
		streamed.Timings = datasource.Timings{}
		note(streamed, err)
		all.Write(text.Bytes())
	}
	list, err := w.Executions(as(t, w.a, auth.QueryHistory), datasource.ExecutionFilter{QueryID: queryID}, page.Request{Limit: 3})
	for _, e := range list.Items {
		fmt.Fprintln(&all, e.Kind, e.RowCount, e.Status, e.ErrorCode, e.Params)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Case T89: what hidden rows hold, how many there are, and what is behind a mask
// makes no difference to anything that a caller is shown. The filters would fail on
// what is changed: divide by zero, compare with null or with another type.
func TestT89_HiddenRowsMakeNoDifference(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		w.SetStreamsPerMinute(100_000)
		change := func(statement string) {
			if _, err := w.direct.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		change("CREATE TABLE pay (id INTEGER, region TEXT, salary, email TEXT)")
		change("INSERT INTO pay VALUES (1, 'DE', 100, 'a@x'), (2, 'FR', 200, 'b@x'), (3, 'DE', 300, 'c@x'), (4, 'FR', 400, 'd@x'), (5, 'DE', 500, 'e@x')")
		ds := w.shopSource(t)
		var queries []datasource.Query
		for _, filter := range []string{
			"row.region in user.claims.regions",
			"row.region == 'DE' && 100 / row.salary < 2",
			"100 / row.salary < 2 && row.region == 'DE'",
			"row.salary % params.n == 0 && row.region == 'DE'",
			"not (row.salary > 1000) && row.region == 'DE'",
			"row.salary != 7 && row.region != 'FR'",
			"(row.salary ?? 1) > 0 && row.region == 'DE'",
			"len(string(row.salary)) > 0 && row.region == 'DE'",
		} {
			for _, text := range []string{"", "len(input.rows)", "input.rows"} {
				in := newQuery(ds, "SELECT id, region, salary, email, {{ n }} AS n FROM pay ORDER BY id", datasource.Param{Name: "n", Type: "integer", Default: 100})
				in.RowLimit = 3
				in.Transform = datasource.Transform{Language: "none"}
				if text != "" {
					in.Transform = datasource.Transform{Language: "expression", Text: text}
				}
				queries = append(queries, w.withRules(t, in, datasource.RowRule{Roles: []string{"sales"}, Filter: filter, Mask: mask("email", datasource.MaskNull)}))
			}
		}
		ctx := w.having(t, "u", map[string]any{"regions": []string{"DE"}}, "sales")
		before := map[string]string{}
		for _, q := range queries {
			before[q.ID] = w.seenOf(t, ctx, q.ID, nil)
			if shown := before[q.ID]; strings.Contains(shown, "FR") || strings.Contains(shown, "@") || !strings.Contains(shown, "DE") && !strings.Contains(shown, "output") {
				t.Errorf("%s shows %s", q.Rules[0].Filter, shown)
			}
		}
		for _, statement := range []string{
			"UPDATE pay SET salary = 0 WHERE region = 'FR'",
			"UPDATE pay SET salary = NULL WHERE region = 'FR'",
			"UPDATE pay SET salary = 'text', region = 'XX' WHERE region = 'FR'",
			"UPDATE pay SET salary = 7, region = NULL WHERE region = 'XX'",
			"UPDATE pay SET email = 'something else' || id",
			"UPDATE pay SET email = NULL",
			"DELETE FROM pay WHERE region IS NULL",
			"INSERT INTO pay SELECT 10, 'FR', 0, 'x' FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500) SELECT n FROM c)",
			"INSERT INTO pay SELECT -1, 'FR', -9223372036854775808, 'x' FROM pay",
		} {
			change(statement)
			for _, q := range queries {
				if now := w.seenOf(t, ctx, q.ID, nil); now != before[q.ID] {
					t.Errorf("after %s, %s %v shows\n%s\ninstead of\n%s", statement, q.Rules[0].Filter, q.Transform.Text, now, before[q.ID])
				}
			}
		}
	})
}

// Case T89: callers cannot sort by what is masked for them, or put it under another
// name.
func TestT89_NoParameterChoosesAMaskedColumn(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := newQuery(w.shopSource(t), "SELECT id, name, score FROM customers ORDER BY {{ by }}", datasource.Param{Name: "by", Type: "identifier", Enum: []any{"id", "score"}, Default: "id"})
	in.Rules = []datasource.RowRule{{Everyone: true, Filter: "true", Mask: mask("score", datasource.MaskHidden)}}
	_, err := w.CreateQuery(w.owner(t), in)
	if got := paths(t, err); !slices.Equal(got, []string{"rules.0.mask.0.column"}) {
		t.Errorf("got %v", got)
	}
	in.Params[0].Enum = []any{"id"}
	q, err := w.CreateQuery(w.owner(t), in)
	if err != nil {
		t.Fatal(err)
	}
	in.Params[0].Enum = []any{"id", "customers.Score"}
	_, err = w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Params: &in.Params})
	if got := paths(t, err); !slices.Equal(got, []string{"rules.0.mask.0.column"}) {
		t.Errorf("got %v", got)
	}
	_, err = w.RunQuery(w.viewer(t), q.ID, map[string]any{"by": "score"})
	requireKind(t, err, problem.Invalid)
}

// Case T89: callers cannot try values until they have met a masked one.
func TestT89_NoFilterComparesAMaskedColumnWithAParameter(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := newQuery(w.shopSource(t), "SELECT id, score, {{ n }} AS n FROM customers", datasource.Param{Name: "n", Type: "number"})
	for filter, refused := range map[string]bool{"row.score > params.n": true, "params.n == 1 && row.score == 1": true, "row.id > params.n": false, "row.score > 1": false} {
		in.Name, in.Rules = filter, []datasource.RowRule{{Everyone: true, Filter: filter, Mask: mask("score", datasource.MaskNull)}}
		_, err := w.CreateQuery(w.owner(t), in)
		if refused && !slices.Equal(paths(t, err), []string{"rules.0.filter"}) || !refused && err != nil {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

// Case T89: a parameter is not a claim, whatever its name, and a text does not
// become SQL that asks for more.
func TestT89_NoValueStandsForAClaim(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.withRules(t, newQuery(w.shopSource(t), "SELECT name, country FROM customers WHERE country IN ({{ countries }})", datasource.Param{Name: "countries", Type: "string[]"}),
		datasource.RowRule{Roles: []string{"sales"}, Filter: "row.country in user.claims.countries"})
	ctx := w.having(t, "u", map[string]any{"countries": []string{"NL"}}, "sales")
	for _, countries := range [][]any{{"NL", "SE", "JP"}, {"SE"}, {"NL') OR ('1'='1"}, {"x') UNION SELECT name, 'NL' FROM customers --"}, {"user.claims.countries"}} {
		got, err := w.RunQuery(ctx, q.ID, map[string]any{"countries": countries})
		if err != nil {
			t.Error(err)
		}
		for _, row := range got.Rows {
			if row[1] != "NL" || row[0] != "Zoë" {
				t.Errorf("%v shows %v", countries, row)
			}
		}
	}
	for _, name := range []string{"user.claims.countries", "claims", "user", "row", "rules", "filter", "roles"} {
		_, err := w.RunQuery(ctx, q.ID, map[string]any{"countries": []any{"NL"}, name: []any{"SE"}})
		if got := paths(t, err); !slices.Equal(got, []string{"params." + name}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Case T89: a number that has lost digits on its way may be that of somebody else.
func TestT89_ARoundedClaimIsNone(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	const text = "SELECT 9007199254740992 AS owner, 'theirs' AS what"
	ruled := w.withRules(t, newQuery(ds, text), datasource.RowRule{Everyone: true, Filter: "row.owner == user.claims.employee"})
	listed := w.withRules(t, newQuery(ds, text), datasource.RowRule{Everyone: true, Filter: "row.owner in user.claims.employee"})
	bound := w.withRules(t, newQuery(ds, "SELECT {{ user.claims.employee }} AS owner"))
	mine := float64(9007199254740993) // is …992
	for _, c := range []struct {
		query datasource.Query
		claim any
	}{{ruled, mine}, {listed, []any{1.0, mine}}, {bound, mine}} {
		got, err := w.RunQuery(w.claiming(t, "u", map[string]any{"employee": c.claim}), c.query.ID, nil)
		if len(got.Rows) > 0 || err != nil && !problem.Is(err, problem.Forbidden) {
			t.Errorf("%v shows %v, %v", c.claim, got.Rows, err)
		}
	}
	got, err := w.RunQuery(w.claiming(t, "u", map[string]any{"employee": json.Number("9007199254740992")}), ruled.ID, nil)
	if err != nil || got.RowCount != 1 {
		t.Errorf("an exact claim shows %v, %v", got.Rows, err)
	}
}

// Case T89: what an aggregate or a union makes of rows is the author's query. A
// filter over columns that it does not have shows nothing of it.
func TestT89_AFilterWithoutItsColumnShowsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	for _, text := range []string{
		"SELECT count(*) AS n FROM customers", "SELECT max(name) AS name FROM customers", "SELECT name AS country, country AS name2 FROM customers",
		"SELECT country, country FROM customers", "SELECT NULL AS country FROM customers", "SELECT COUNTRY AS Country FROM customers",
	} {
		q := w.withRules(t, newQuery(ds, text), datasource.RowRule{Everyone: true, Filter: "row.country == 'NL'"})
		if got, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil || got.RowCount != 0 || got.Truncated {
			t.Errorf("%s shows %v, %v", text, got.Rows, err)
		}
	}
}

// Case T89: a transformation has the rows that its caller may see, as he may see them.
func TestT89_TransformationsSeeVisibleRowsOnly(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), withScripts(t))
	ds := w.shopSource(t)
	for _, transform := range []datasource.Transform{
		{Language: "expression", Text: `{"rows": input.rows, "columns": map(input.columns, #.name)}`},
		{Language: "script", Text: `return {rows: input.rows, columns: input.columns.map(c => c.name)}`},
	} {
		in := newQuery(ds, allCustomers)
		in.Transform = transform
		q := w.withRules(t, in, datasource.RowRule{Everyone: true, Filter: "row.id < 3", Mask: []datasource.ColumnMask{{Column: "name", As: datasource.MaskNull}, {Column: "score", As: datasource.MaskHidden}}})
		got, err := w.RunQuery(w.viewer(t), q.ID, nil)
		if text, _ := json.Marshal(got.Output); err != nil || string(text) != `{"columns":["id","name","country"],"rows":[[1,null,"NL"],[2,null,"SE"]]}` || got.RowCount != 2 {
			t.Errorf("%s: got %s, %v", transform.Language, text, err)
		}
	}
}

// modelRule is a rule beside what it means, in Go.
type modelRule struct {
	rule  datasource.RowRule
	holds func(row []any, claims map[string]any) bool
}

func modelFilters() map[string]func(row []any, claims map[string]any) bool {
	number := func(v any) (int64, bool) { n, ok := v.(int64); return n, ok }
	return map[string]func([]any, map[string]any) bool{
		"true":  func([]any, map[string]any) bool { return true },
		"false": func([]any, map[string]any) bool { return false },
		"row.b > 3": func(row []any, _ map[string]any) bool {
			n, ok := number(row[1])
			return ok && n > 3
		},
		"row.a == user.claims.team": func(row []any, claims map[string]any) bool {
			team, ok := claims["team"].(string)
			text, also := row[0].(string)
			return ok && also && team == text
		},
		"row.a in user.claims.teams && row.b != 2": func(row []any, claims map[string]any) bool {
			n, ok := number(row[1])
			text, also := row[0].(string)
			teams, _ := claims["teams"].([]string)
			return ok && also && n != 2 && slices.Contains(teams, text)
		},
		"12 / row.b >= 4": func(row []any, _ map[string]any) bool {
			n, ok := number(row[1])
			return ok && n != 0 && 12/float64(n) >= 4
		},
	}
}

// A naive model says what random callers see of random rows under random rules.
func TestRowRulesAgreeWithAModel(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(values ...any) any { return values[random.IntN(len(values))] }
	filters := modelFilters()
	texts := []string{}
	for text := range filters {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	kinds := []datasource.MaskKind{datasource.MaskPartial, datasource.MaskNull, datasource.MaskHidden}
	roles := []string{"r0", "r1", "r2", "r3"}
	ds := w.fakeSource(t)
	w.SetStreamsPerMinute(100_000)
	for round := range 60 {
		rows := make([][]any, 1+random.IntN(30))
		for i := range rows {
			rows[i] = []any{pick("red", "blue", "a long colour", nil, int64(1)), pick(int64(0), int64(1), int64(2), int64(3), int64(5), nil, "text"), int64(i)}
		}
		w.rowsOf(rows...)
		var model []modelRule
		in := datasource.NewQuery{Name: fmt.Sprint("model ", round), DatasourceID: ds.ID, Operation: sqlText("rows"), RowLimit: 1 + random.IntN(20)}
		for range 1 + random.IntN(4) {
			text := texts[random.IntN(len(texts))]
			m := modelRule{datasource.RowRule{Filter: text}, filters[text]}
			if m.rule.Everyone = random.IntN(5) == 0; !m.rule.Everyone {
				m.rule.Roles = []string{roles[random.IntN(3)], roles[random.IntN(3)]}
			}
			for _, column := range []string{"a", "b"} {
				if random.IntN(3) == 0 {
					m.rule.Mask = append(m.rule.Mask, datasource.ColumnMask{Column: column, As: kinds[random.IntN(3)]})
				}
			}
			model, in.Rules = append(model, m), append(in.Rules, m.rule)
		}
		q, err := w.CreateQuery(w.owner(t), in)
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{"team": pick("red", "blue", nil, 7), "teams": pick([]string{"red"}, []string{}, []string{"red", "blue"}, nil)}
		mine := []string{roles[random.IntN(4)], roles[random.IntN(4)]}
		want, refused := modelled(rows, model, mine, claims)
		got, err := w.RunQuery(w.having(t, "u", claims, mine...), q.ID, nil)
		if refused {
			if problem.Of(err) == nil || problem.Of(err).Code != "no_row_rule" {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			continue
		}
		streamed := &kept{}
		whole, failed := w.StreamQuery(w.having(t, "u", claims, mine...), q.ID, nil, streamed)
		if err != nil || failed != nil {
			t.Fatalf("seed %d, round %d: %v, %v", seed, round, err, failed)
		}
		if fmt.Sprint(streamed.rows) != fmt.Sprint(want) || whole.RowCount != int64(len(want)) {
			t.Fatalf("seed %d, round %d: a stream of %v\nwant %v\nof %v for %v %v by %+v", seed, round, streamed.rows, want, rows, mine, claims, in.Rules)
		}
		limited := want[:min(len(want), in.RowLimit)]
		if fmt.Sprint(got.Rows) != fmt.Sprint(limited) || got.RowCount != len(limited) || got.Truncated != (len(limited) < len(want)) {
			t.Fatalf("seed %d, round %d: got %v %v\nwant %v\nof %v for %v %v by %+v", seed, round, got.Rows, got.Truncated, limited, rows, mine, claims, in.Rules)
		}
	}
}

// kept is a RowWriter that keeps the rows.
type kept struct{ rows [][]any }

func (k *kept) Begin([]datasource.Column) error { return nil }
func (k *kept) Row(values []any) error {
	k.rows = append(k.rows, slices.Clone(values))
	return nil
}

func modelled(rows [][]any, rules []modelRule, roles []string, claims map[string]any) (seen [][]any, refused bool) {
	strength := map[datasource.MaskKind]int{datasource.MaskPartial: 1, datasource.MaskNull: 2, datasource.MaskHidden: 3}
	maskOf := func(r modelRule, column string) int {
		for _, m := range r.rule.Mask {
			if m.Column == column {
				return strength[m.As]
			}
		}
		return 0
	}
	var mine []modelRule
	for _, r := range rules {
		if r.rule.Everyone || slices.ContainsFunc(r.rule.Roles, func(role string) bool { return slices.Contains(roles, role) }) {
			mine = append(mine, r)
		}
	}
	columns := []string{"a", "b", "c"}
	for _, row := range rows {
		var letting []modelRule
		for _, r := range mine {
			if r.holds(row, claims) {
				letting = append(letting, r)
			}
		}
		if len(letting) == 0 {
			continue
		}
		out := []any{}
		for i, column := range columns {
			if !slices.ContainsFunc(mine, func(r modelRule) bool { return maskOf(r, column) != 3 }) {
				continue
			}
			mildest := 3
			for _, r := range letting {
				mildest = min(mildest, maskOf(r, column))
			}
			text, _ := row[i].(string)
			switch {
			case mildest == 0:
				out = append(out, row[i])
			case mildest == 1 && text == "a long colour":
				out = append(out, "a••••ur")
			default:
				out = append(out, nil)
			}
		}
		seen = append(seen, out)
	}
	return seen, len(mine) == 0
}
