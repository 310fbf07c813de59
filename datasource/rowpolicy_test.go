package datasource_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func mask(column string, as datasource.MaskKind) []datasource.ColumnMask {
	return []datasource.ColumnMask{{Column: column, As: as}}
}

func TestRowRules(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		q := w.withRules(t, newQuery(w.shopSource(t), allCustomers),
			datasource.RowRule{Roles: []string{"regional"}, Filter: "row.country in user.claims.countries", Mask: mask("score", datasource.MaskNull)},
			datasource.RowRule{Roles: []string{"boss"}, Filter: "true"},
			datasource.RowRule{Roles: []string{"first", "other"}, Filter: "row.id == 1"},
			datasource.RowRule{Roles: []string{"blind"}, Filter: "true", Mask: []datasource.ColumnMask{{Column: "name", As: datasource.MaskHidden}, {Column: "score", As: datasource.MaskHidden}}},
			datasource.RowRule{Roles: []string{"own"}, Filter: "row.name == user.id"},
			datasource.RowRule{Roles: []string{"gone"}, Filter: "true", Mask: mask("e_mail", datasource.MaskNull)},
		)
		claims := map[string]any{"countries": []string{"NL", "SE"}}
		for name, c := range map[string]struct {
			ctx  context.Context
			want string
		}{
			"a filter":            {w.having(t, "u", claims, "regional"), "[id name country score] [[1 Zoë NL <nil>] [2 Björn SE <nil>]]"},
			"no claim":            {w.having(t, "u", nil, "regional"), "[id name country score] []"},
			"an empty claim":      {w.having(t, "u", map[string]any{"countries": []any{}}, "regional"), "[id name country score] []"},
			"a claim of a kind":   {w.having(t, "u", map[string]any{"countries": "NL"}, "regional"), "[id name country score] []"},
			"all":                 {w.having(t, "u", nil, "boss"), "[id name country score] [[1 Zoë NL 1.5] [2 Björn SE <nil>] [3 山田 JP -2]]"},
			"a union":             {w.having(t, "u", claims, "regional", "other"), "[id name country score] [[1 Zoë NL 1.5] [2 Björn SE <nil>]]"},
			"hidden columns":      {w.having(t, "u", nil, "blind"), "[id country] [[1 NL] [2 SE] [3 JP]]"},
			"hidden but for some": {w.having(t, "u", nil, "blind", "first"), "[id name country score] [[1 Zoë NL 1.5] [2 <nil> SE <nil>] [3 <nil> JP <nil>]]"},
			"the mildest mask":    {w.having(t, "u", claims, "blind", "regional"), "[id name country score] [[1 Zoë NL <nil>] [2 Björn SE <nil>] [3 <nil> JP <nil>]]"},
			"one's own":           {w.having(t, "Björn", nil, "own"), "[id name country score] [[2 Björn SE <nil>]]"},
			"nobody's own":        {w.having(t, "", nil, "own"), "[id name country score] []"},
			"a mask that fails":   {w.having(t, "u", nil, "gone"), "[id name country score] []"},
			"one that does not":   {w.having(t, "u", nil, "gone", "first"), "[id name country score] [[1 Zoë NL 1.5]]"},
		} {
			got, err := w.RunQuery(c.ctx, q.ID, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if text := fmt.Sprint(names(got.Columns), " ", got.Rows); text != c.want || got.RowCount != len(got.Rows) || got.Truncated {
				t.Errorf("%s: got %s %+v\nwant %s", name, text, got, c.want)
			}
		}
		// Whoever has no rule is refused, and nothing is asked of the datasource.
		for name, ctx := range map[string]context.Context{"no role": w.having(t, "u", claims), "another role": w.having(t, "u", claims, "guest"), "the owner": w.owner(t)} {
			_, err := w.RunQuery(ctx, q.ID, nil)
			_, streamed := w.StreamQuery(ctx, q.ID, nil, &count{})
			for _, err := range []error{err, streamed} {
				if e := problem.Of(err); e == nil || e.Kind != problem.Forbidden || e.Code != "no_row_rule" || e.Remedy == "" {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

func names(columns []datasource.Column) []string {
	list := []string{}
	for _, c := range columns {
		list = append(list, c.Name)
	}
	return list
}

// A rule for everyone is also for services and runs of workflows, which have no roles
// and no claims, but the id of a user.
func TestRowRulesForEveryone(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.withRules(t, newQuery(w.shopSource(t), allCustomers),
		datasource.RowRule{Everyone: true, Filter: "row.name == user.id || row.id == 3"}, datasource.RowRule{Roles: []string{"boss"}, Filter: "true"})
	run := auth.ServicePrincipal(w.a, "run", auth.Grant{Permission: auth.QueryExecute, ObjectID: q.ID})
	run.UserID = "Zoë"
	for want, ctx := range map[string]context.Context{
		"2": auth.NewContext(t.Context(), run),
		"0": w.viewer(t), // without a user nothing is like his name, and what comes behind is not asked
		"3": w.having(t, "x", nil, "boss"),
		"1": w.having(t, "x", nil),
	} {
		if got, err := w.RunQuery(ctx, q.ID, nil); err != nil || fmt.Sprint(got.RowCount) != want {
			t.Errorf("got %d rows, want %s, %v", got.RowCount, want, err)
		}
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	text := "SELECT 'anna@example.com' AS long, 'short' AS short, NULL AS none, 12345678901 AS n, x'0102030405060708' AS b, 'e' AS e, 'twice' AS e, '日本語日本語日本' AS wide"
	masks := []datasource.ColumnMask{}
	for _, column := range []string{"long", "short", "none", "n", "b", "wide"} {
		masks = append(masks, datasource.ColumnMask{Column: column, As: datasource.MaskPartial})
	}
	masks = append(masks, datasource.ColumnMask{Column: "e", As: datasource.MaskNull})
	q := w.withRules(t, newQuery(w.shopSource(t), text), datasource.RowRule{Everyone: true, Filter: "true", Mask: masks})
	const want = "[[a••••om <nil> <nil> <nil> <nil> <nil> <nil> 日••••日本]]"
	if got, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil || fmt.Sprint(got.Rows) != want {
		t.Errorf("got %v, %v", got.Rows, err)
	}
	var csv bytes.Buffer
	if _, err := w.StreamQuery(w.viewer(t), q.ID, nil, datasource.NewCSV(&csv)); err != nil || !strings.HasSuffix(csv.String(), "\r\na••••om,,,,,,,日••••日本\r\n") {
		t.Errorf("got %s, %v", csv.String(), err)
	}
}

// rowsOf puts rows of four columns, a to d, behind the operation "rows".
func (w *world) rowsOf(rows ...[]any) {
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	w.fake.rows = rows
}

// What filters see of the values of every type, which a stream has in other forms
// than a result: both show the same rows.
func TestFiltersSeeTheSameInResultsAndStreams(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	w.rowsOf(
		[]any{int64(1<<53 + 1), datasource.Decimal("12.50"), datasource.Date("2024-02-29"), at},
		[]any{uint64(1<<64 - 1), datasource.JSON(`{"x": [1, {"y": 9007199254740993}]}`), []byte("hi"), []any{"p", int64(2)}},
		[]any{"text", 2.5, true, nil},
	)
	for filter, want := range map[string]int{
		"row.a == 9007199254740993":                           1,
		"row.a == 9007199254740992":                           0,
		"row.b == 12.5":                                       1,
		"row.c == '2024-02-29' && row.d > date('2024-01-01')": 1,
		"row.b.x[1].y == 9007199254740993":                    1,
		"row.c == 'aGk='":                                     1,
		"row.d[1] == 2":                                       1,
		"row.b < 3 && row.c":                                  1,
		"row.d == null":                                       0,
		"(row.d ?? 'none') == 'none'":                         1,
		"true":                                                3,
	} {
		q := w.savedOn(t, "fake", filter, datasource.NewQuery{Operation: sqlText("rows"), Rules: []datasource.RowRule{{Everyone: true, Filter: filter}}})
		got, err := w.RunQuery(w.viewer(t), q.ID, nil)
		to := &count{}
		streamed, failed := w.StreamQuery(w.viewer(t), q.ID, nil, to)
		if err != nil || failed != nil || got.RowCount != want || streamed.RowCount != int64(want) {
			t.Errorf("%s: %d and %d rows, %v, %v", filter, got.RowCount, streamed.RowCount, err, failed)
		}
	}
}

// Counts tell of visible rows alone: the limit counts them, and a result is cut
// when there are more of them.
func TestCountsTellOfVisibleRows(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		const text = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT n FROM c"
		ds := w.shopSource(t)
		for filter, want := range map[string]string{
			"row.n % 1000 == 0": "5 5000 true 20",
			"row.n % 4000 == 0": "5 20000 false 5",
			"row.n % 5000 == 0": "4 20000 false 4",
			"row.n > 19997":     "3 20000 false 3",
			"row.n > 1000000":   "0 <nil> false 0",
			"row.n % 7000 == 6": "3 14006 false 3",
		} {
			in := newQuery(ds, text)
			in.RowLimit = 5
			q := w.withRules(t, in, datasource.RowRule{Everyone: true, Filter: filter})
			got, err := w.RunQuery(w.viewer(t), q.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			var last any
			if n := len(got.Rows); n > 0 {
				last = got.Rows[n-1][0]
			}
			streamed, err := w.StreamQuery(w.viewer(t), q.ID, nil, &count{})
			if text := fmt.Sprint(got.RowCount, last, got.Truncated, streamed.RowCount); err != nil || text != want || streamed.Truncated {
				t.Errorf("%s: got %s, want %s, %v", filter, text, want, err)
			}
			list, err := w.Executions(w.owner(t), datasource.ExecutionFilter{QueryID: q.ID}, page.Request{})
			if err != nil || len(list.Items) != 2 || list.Items[1].RowCount != int64(got.RowCount) || list.Items[0].RowCount != streamed.RowCount {
				t.Errorf("%s: the history has %+v, %v", filter, list.Items, err)
			}
		}
	})
}

// What is read to find visible rows is bounded.
func TestReadingOfHiddenRowsIsBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.rowsOf(slices.Repeat([][]any{{"a row"}}, datasource.MaxStreamRows+1)...)
	q := w.savedOn(t, "fake", "many", datasource.NewQuery{Operation: sqlText("rows"), Rules: []datasource.RowRule{{Everyone: true, Filter: "false"}}})
	got, err := w.RunQuery(w.viewer(t), q.ID, nil)
	if err != nil || got.RowCount != 0 || !got.Truncated {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Rows that a writing query gives back are judged, too, and how many it changed is
// not told.
func TestRowRulesOfWritingQueries(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		in := newQuery(w.shopSource(t), "UPDATE customers SET score = {{ n }} RETURNING id, name, score", datasource.Param{Name: "n", Type: "integer"})
		in.Writes = true
		q := w.withRules(t, in, datasource.RowRule{Roles: []string{"one"}, Filter: "row.id == 2", Mask: mask("name", datasource.MaskNull)})
		got, err := w.RunQuery(w.having(t, "u", nil, "one"), q.ID, map[string]any{"n": 7})
		if err != nil || fmt.Sprint(got.Rows) != "[[2 <nil> 7]]" || got.Affected != nil || got.RowCount != 1 || got.Truncated {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = w.RunQuery(w.having(t, "u", nil, "other"), q.ID, map[string]any{"n": 8})
		requireKind(t, err, problem.Forbidden)
		var n int
		if err := w.direct.QueryRow("SELECT count(*) FROM customers WHERE score = 7").Scan(&n); err != nil || n != 3 {
			t.Errorf("%d rows have the value of the one who may, %v", n, err)
		}
		in.Operation = sqlText("WITH RECURSIVE c(n) AS (SELECT {{ n }} UNION ALL SELECT n + 1 FROM c WHERE n < 10100) INSERT INTO customers (id) SELECT n FROM c RETURNING id")
		in.Name = "many"
		many := w.withRules(t, in, datasource.RowRule{Everyone: true, Filter: "row.id == 50"})
		if got, err = w.RunQuery(w.viewer(t), many.ID, map[string]any{"n": 50}); err != nil || got.RowCount != 1 || !got.Truncated {
			t.Errorf("got %+v, %v", got, err)
		}
		in.Operation = sqlText("INSERT INTO customers (id, name) VALUES (20001, printf('%9000000d', 1)), (20002, printf('%9000000d', 1)), (20003, {{ n }}) RETURNING id, name")
		in.Name = "large"
		large := w.withRules(t, in, datasource.RowRule{Everyone: true, Filter: "row.id > 20002"})
		if got, err = w.RunQuery(w.viewer(t), large.ID, map[string]any{"n": 50}); err != nil || got.RowCount != 0 || !got.Truncated {
			t.Errorf("what is cut off unseen is said to be whole: %d %v %v", got.RowCount, got.Truncated, err)
		}
	})
}

// A test shows all rows to whoever may run any text; with rules, what he would see.
func TestRowRulesInATest(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := datasource.QueryTest{DatasourceID: w.shopSource(t).ID, Operation: sqlText(allCustomers)}
	who := auth.ServicePrincipal(w.a, "test", auth.Grant{Permission: auth.QueryTest})
	who.Roles = []string{"sales"}
	ctx := auth.NewContext(t.Context(), who)
	if got, err := w.TestQuery(ctx, in); err != nil || got.RowCount != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	in.Rules = []datasource.RowRule{{Roles: []string{"sales"}, Filter: "row.id > 1", Mask: mask("name", datasource.MaskNull)}}
	if got, err := w.TestQuery(ctx, in); err != nil || fmt.Sprint(got.Rows) != "[[2 <nil> SE <nil>] [3 <nil> JP -2]]" {
		t.Errorf("got %+v, %v", got, err)
	}
	in.Rules[0].Roles = []string{"others"}
	_, err := w.TestQuery(ctx, in)
	requireKind(t, err, problem.Forbidden)
	in.Rules[0].Filter = "row."
	_, err = w.TestQuery(ctx, in)
	if got := paths(t, err); !slices.Equal(got, []string{"rules.0.filter"}) {
		t.Errorf("got %v", got)
	}
}

// Case T30: a stream ends when its caller loses the role whose rows it has.
func TestT30_StreamsEndWhenOtherRulesHold(t *testing.T) {
	t.Parallel()
	var roles atomic.Pointer[[]string]
	roles.Store(&[]string{"sales"})
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Revalidate = func(_ context.Context, who *auth.Principal) (*auth.Principal, error) {
			return who.InTenant(who.TenantID, *roles.Load()), nil
		}
	})
	w.rowsOf([]any{"x", "y", "z", "0"}, nil)
	q := w.savedOn(t, "fake", "held", datasource.NewQuery{Operation: sqlText("rows"), Rules: []datasource.RowRule{
		{Roles: []string{"sales"}, Filter: "true"}, {Everyone: true, Filter: "false"},
	}})
	done := w.held(t, q.ID)
	roles.Store(&[]string{})
	if err := <-done; problem.Of(err).Code != "row_rules_changed" {
		t.Errorf("got %v", err)
	}
}

// held begins a stream that its source holds, and returns how it ends.
func (w *world) held(t *testing.T, queryID string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	ctx := w.having(t, "u", nil, "sales")
	go func() {
		_, err := w.StreamQuery(ctx, queryID, nil, &count{})
		done <- err
	}()
	<-w.fake.started
	return done
}

// Case T30: a stream ends also when the rules of the query are changed, or it gets some.
func TestT30_StreamsEndWhenTheRulesChange(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string][]datasource.RowRule{
		"another filter": {{Everyone: true, Filter: "true"}}, "the first rules": nil,
	} {
		w := setup(t, testdb.SQLite(t))
		w.rowsOf([]any{"x", "y", "z", "0"}, nil)
		q := w.savedOn(t, "fake", "held", datasource.NewQuery{Operation: sqlText("rows"), Rules: rules})
		done := w.held(t, q.ID)
		if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Rules: &[]datasource.RowRule{{Everyone: true, Filter: "row.a == 'x'"}}}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; problem.Of(err).Code != "row_rules_changed" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Case T12: callers for whom different rules hold, or whose claims differ, share
// neither a statement nor what is kept.
func TestT12_RowRulesDecideWhoShares(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.rowsOf([]any{"DE", int64(1), nil, nil}, []any{"FR", int64(2), nil, nil})
	q := w.savedOn(t, "fake", "kept", datasource.NewQuery{Operation: sqlText("rows"), CacheTTLMS: anHour, Rules: []datasource.RowRule{
		{Roles: []string{"sales"}, Filter: "row.a in user.claims.regions"}, {Roles: []string{"boss"}, Filter: "true"}, {Roles: []string{"own"}, Filter: "row.a == user.id"},
		{Roles: []string{"masked"}, Filter: "true", Mask: mask("a", datasource.MaskNull)},
	}})
	german, french := map[string]any{"regions": []string{"DE"}, "more": 1}, map[string]any{"regions": []any{"FR"}}
	for i, c := range []struct {
		ctx        context.Context
		want       string
		statements int64
	}{
		{w.having(t, "u1", german, "sales"), "[[DE 1", 1},
		{w.having(t, "u2", german, "sales", "another"), "[[DE 1", 0}, // the same for both
		{w.having(t, "u1", map[string]any{"regions": []any{"DE"}, "more": 2}, "sales"), "[[DE 1", 0},
		{w.having(t, "u1", french, "sales"), "[[FR 2", 1},
		{w.having(t, "u1", map[string]any{"regions": "DE"}, "sales"), "[]", 1},
		{w.having(t, "u1", nil, "sales"), "[]", 1},
		{w.having(t, "u1", german, "sales", "boss"), "[[DE 1 <nil> <nil>] [FR", 1},
		{w.having(t, "u1", german, "boss"), "[[DE 1 <nil> <nil>] [FR", 1},
		{w.having(t, "DE", nil, "own"), "[[DE 1", 1},
		{w.having(t, "FR", nil, "own"), "[[FR 2", 1},
		{w.having(t, "FR", nil, "masked"), "[[<nil> 1", 1},
		{w.having(t, "FR", nil, "masked"), "[[<nil> 1", 0},
		{w.having(t, "FR", nil, "own"), "[[FR 2", 0},
	} {
		got := w.requireAsked(c.ctx, t, q, nil, c.statements)
		if !strings.HasPrefix(fmt.Sprint(got.Rows), c.want) {
			t.Errorf("%d: got %v", i, got.Rows)
		}
	}
	_, err := w.RunQuery(w.having(t, "u1", german, "guest"), q.ID, nil)
	requireKind(t, err, problem.Forbidden) // although it is kept
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Rules: &[]datasource.RowRule{{Roles: []string{"boss"}, Filter: "row.b == 2"}}}); err != nil {
		t.Fatal(err)
	}
	if got := w.requireAsked(w.having(t, "u1", german, "boss"), t, q, nil, 1); got.RowCount != 1 {
		t.Errorf("after a change of the rules: %v", got.Rows)
	}
}

// Case T12 for callers at the same time.
func TestT12_RowRulesDecideWhoFlies(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate"), Rules: []datasource.RowRule{
		{Roles: []string{"none"}, Filter: "false"}, {Roles: []string{"boss"}, Filter: "true"},
	}})
	rows := make(chan string, 4)
	for _, role := range []string{"none", "boss", "none", "boss"} {
		ctx := w.having(t, "u", nil, role)
		go func() {
			got, err := w.RunQuery(ctx, q.ID, nil)
			rows <- fmt.Sprint(role, " ", got.RowCount, " ", err)
		}()
	}
	await(t, "all wait", func() bool { return w.Sharing() == 4 })
	<-w.fake.started
	<-w.fake.started
	w.fake.open()
	got := []string{<-rows, <-rows, <-rows, <-rows}
	slices.Sort(got)
	if want := []string{"boss 1 <nil>", "boss 1 <nil>", "none 0 <nil>", "none 0 <nil>"}; !slices.Equal(got, want) || w.fake.statements.Load() != 2 {
		t.Errorf("got %q with %d statements", got, w.fake.statements.Load())
	}
}
