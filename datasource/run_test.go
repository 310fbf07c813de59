package datasource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestRunQuery(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		q := w.query(t, w.shopSource(t), "SELECT id, name, born, score FROM customers WHERE country IN ({{ countries }}) AND id >= {{ from }} ORDER BY id",
			datasource.Param{Name: "countries", Type: "string[]", Required: true}, datasource.Param{Name: "from", Type: "integer", Default: 0})
		got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"countries": []any{"NL", "SE"}})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(map[string]any{"columns": got.Columns, "rows": got.Rows, "rowCount": got.RowCount, "truncated": got.Truncated})
		want := `{"columns":[{"name":"id","type":"integer","databaseType":"INTEGER"},{"name":"name","type":"string","databaseType":"TEXT"},` +
			`{"name":"born","type":"date","databaseType":"DATE"},{"name":"score","type":"number","databaseType":"REAL"}],` +
			`"rowCount":2,"rows":[[1,"Zoë","1990-02-28",1.5],[2,"Björn",null,null]],"truncated":false}`
		if string(b) != want {
			t.Errorf("got  %s\nwant %s", b, want)
		}
	})
}

// Case T85: a run takes values for the declared parameters and nothing else.
func TestT85_OnlyDeclaredParametersOfTheirTypes(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT {{ s }}, {{ n }}, {{ i }}, {{ b }}, {{ d }}, {{ t }}, {{ u }}, {{ l }}",
		datasource.Param{Name: "s", Type: "string", Required: true, MaxLength: 3, Pattern: "[a-z]+"},
		datasource.Param{Name: "n", Type: "number", Min: new(0.0), Max: new(1.5)}, datasource.Param{Name: "i", Type: "integer", Enum: []any{1, 2}},
		datasource.Param{Name: "b", Type: "boolean"}, datasource.Param{Name: "d", Type: "date"}, datasource.Param{Name: "t", Type: "timestamp"},
		datasource.Param{Name: "u", Type: "uuid"}, datasource.Param{Name: "l", Type: "integer[]", Default: []any{1}},
	)
	bad := map[string][]any{
		"s": {nil, 1, "äbc", "abcd", "a1", "A", "a\x00", "\xff", "a\n"},
		"n": {"x", "", "1e999", "0x1", " 1", "NaN", math.NaN(), math.Inf(1), 1.6, -0.1, json.Number("1.50000000000000000001"), true, []any{1}},
		"i": {1.5, "x", "9223372036854775808", 3, true, "1 OR 1=1"},
		"b": {"true", 1, "yes"},
		"d": {"2024-02-30", "2024-2-1", "2024-02-01T00:00:00Z", 20240201, "'; --"},
		"t": {"2024-02-01", "2024-02-01T00:00:00", 1700000000, "now()", "infinity"},
		"u": {"x", "0190163d8694739baea5966c26f8ad91", "{0190163d-8694-739b-aea5-966c26f8ad91}", "urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91"},
		"l": {1, "1,2", make([]int, datasource.MaxListElements+1), map[string]any{"$in": []any{1}}, []byte("12")},
	}
	for name, values := range bad {
		for _, v := range values {
			params := map[string]any{"s": "abc", name: v}
			_, err := w.RunQuery(w.viewer(t), q.ID, params)
			if got := paths(t, err); !slices.Equal(got, []string{"params." + name}) {
				t.Errorf("%s = %.40v: %v", name, v, got)
			}
			if text, ok := v.(string); ok && len(text) > 4 && strings.Contains(fmt.Sprint(problem.Of(err).Faults), text) {
				t.Errorf("the fault repeats the value %q", text)
			}
		}
	}
	_, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"text": "SELECT 2", "operation": 1, "S": "abc", "queryId": q.ID})
	if got := paths(t, err); !slices.Equal(got, []string{"params.S", "params.operation", "params.queryId", "params.s", "params.text"}) {
		t.Errorf("got %v", got)
	}
	good, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{
		"s": "abc", "n": "0.50", "i": 2.0, "b": true, "d": "2024-02-29", "t": "2024-02-29T12:00:00+02:00", "u": "0190163D-8694-739B-AEA5-966C26F8AD91", "l": []int{7},
	})
	if err != nil || fmt.Sprint(good.Rows) != "[[abc 0.5 2 1 2024-02-29 2024-02-29 10:00:00 0190163d-8694-739b-aea5-966c26f8ad91 7]]" {
		t.Errorf("got %v, %v", good.Rows, err)
	}
}

// Case T20: who may execute cannot send a text of his own.
func TestT20_FreeTextIsForTesters(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	in := datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("SELECT {{ v }}"), Params: []datasource.Param{{Name: "v", Type: "integer"}}, Values: map[string]any{"v": 1}}
	_, err := w.TestQuery(w.viewer(t), in)
	requireKind(t, err, problem.Forbidden)
	got, err := w.TestQuery(as(t, w.a, auth.QueryTest), in)
	if err != nil || fmt.Sprint(got.Rows) != "[[1]]" {
		t.Errorf("got %v, %v", got, err)
	}
}

// Case T80 for every type of parameter: a string of the corpus is either the
// value it is, or no value of the type.
func TestT80_TheCorpusStaysAValue(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	for _, kind := range datasource.ParamTypes() {
		one := w.query(t, ds, "SELECT {{ v }} LIMIT 1", datasource.Param{Name: "v", Type: kind})
		list := w.query(t, ds, "SELECT count(*) FROM customers WHERE name IN ({{ v }})", datasource.Param{Name: "v", Type: kind.List()})
		for _, v := range connectortest.Injections() {
			got, err := w.RunQuery(w.viewer(t), one.ID, map[string]any{"v": v})
			_, listErr := w.RunQuery(w.viewer(t), list.ID, map[string]any{"v": []any{v, v}})
			switch kind {
			case datasource.ParamString, datasource.ParamJSON:
				want := v
				if kind == datasource.ParamJSON {
					b, _ := json.Marshal(v)
					want = string(b)
				}
				if err != nil || listErr != nil || got.Rows[0][0] != want {
					t.Errorf("%s %q: got %v, %v, %v", kind, v, got.Rows, err, listErr)
				}
			default:
				number := v == "-1" && (kind == datasource.ParamInteger || kind == datasource.ParamNumber)
				if (err == nil) != number || (listErr == nil) != number {
					t.Errorf("%s %q: %v, %v", kind, v, err, listErr)
				}
			}
		}
	}
	// In LIMIT, too, it is a value: SQLite says that it is no number.
	limit := w.query(t, ds, "SELECT id FROM customers LIMIT {{ v }}", datasource.Param{Name: "v", Type: "string"})
	for _, v := range connectortest.Injections() {
		if got, err := w.RunQuery(w.viewer(t), limit.ID, map[string]any{"v": v}); err == nil && got.RowCount > 3 {
			t.Errorf("LIMIT %q gave %v", v, got.Rows)
		}
	}
	var n int
	if err := w.direct.QueryRow("SELECT count(*) FROM customers").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d customers are left, %v", n, err)
	}
}

func TestLimitsCutAndSaySo(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	numbers := "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {{ n }}) SELECT n FROM c"
	q := w.query(t, ds, numbers, datasource.Param{Name: "n", Type: "integer"})
	for n, truncated := range map[int]bool{0: false, 1000: false, 1001: true, 1_000_000: true} {
		got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": n})
		if err != nil || got.Truncated != truncated || got.RowCount != min(n, 1000) || len(got.Rows) != got.RowCount {
			t.Errorf("%d: %d rows, truncated %v, %v", n, got.RowCount, got.Truncated, err)
		}
	}
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{RowLimit: new(2)}); err != nil {
		t.Fatal(err)
	}
	got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": 3})
	if err != nil || got.RowCount != 2 || !got.Truncated {
		t.Errorf("got %+v, %v", got, err)
	}
	bytes := w.query(t, ds, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100) SELECT hex(zeroblob(524288)) FROM c")
	got, err = w.RunQuery(w.viewer(t), bytes.ID, nil)
	if err != nil || !got.Truncated || got.RowCount != 9 {
		t.Errorf("%d rows, truncated %v, %v", got.RowCount, got.Truncated, err)
	}
	w.fakeQuery(t, "big", func(q datasource.Query) {
		if got, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil || got.RowCount != 1 || !got.Truncated {
			t.Errorf("%d rows, truncated %v, %v", got.RowCount, got.Truncated, err)
		}
	})
}

// fakeQuery saves a query of the fake connector, with a secret in its datasource.
func (w *world) fakeQuery(t *testing.T, word string, use func(datasource.Query)) {
	t.Helper()
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{
		Name: "fake " + word, Type: "fake", Settings: map[string]any{"host": "x"}, Secrets: map[string]string{"password": "canary-secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	use(w.query(t, ds, word))
}

func TestTimeoutAndCancel(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	forever := newQuery(ds, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c")
	forever.TimeoutMS = 50
	q, err := w.CreateQuery(w.owner(t), forever)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RunQuery(w.viewer(t), q.ID, nil)
	if e := problem.Of(err); e.Kind != problem.Timeout || e.Code != "query_timeout" {
		t.Errorf("got %v", err)
	}
	w.fakeQuery(t, "wait", func(q datasource.Query) {
		ctx, cancel := context.WithCancel(w.viewer(t))
		defer cancel()
		context.AfterFunc(ctx, func() {})
		go func() { <-w.fake.started; cancel() }()
		_, err := w.RunQuery(ctx, q.ID, nil)
		if e := problem.Of(err); e.Code != "query_cancelled" || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// Case T58: whatever a connector does, its caller sees no secret.
func TestT58_FailuresShowNoSecrets(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	for _, word := range []string{"fail", "panic"} {
		w.fakeQuery(t, word, func(q datasource.Query) {
			_, err := w.RunQuery(w.owner(t), q.ID, nil)
			e := problem.Of(err)
			if e.Kind != problem.Upstream || e.Cause == nil || strings.Contains(e.Message+e.Remedy, "canary") {
				t.Errorf("%s: %v", word, e)
			}
		})
	}
	w.fake.set(errors.New("open fake://canary"))
	w.fakeQuery(t, "ok", func(q datasource.Query) {
		_, err := w.RunQuery(w.owner(t), q.ID, nil)
		if e := problem.Of(err); e.Kind != problem.Upstream || strings.Contains(e.Message, "canary") {
			t.Errorf("got %v", e)
		}
		w.fake.set(nil)
		if _, err := w.RunQuery(w.owner(t), q.ID, nil); err != nil {
			t.Errorf("a failed opening is remembered: %v", err)
		}
	})
}

func TestOnlyTestersSeeWhatTheDatasourceSaid(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT nothing FROM customers")
	_, viewer := w.RunQuery(w.viewer(t), q.ID, nil)
	_, tester := w.RunQuery(as(t, w.a, auth.QueryExecute, auth.QueryTest), q.ID, nil)
	for _, err := range []error{viewer, tester} {
		if e := problem.Of(err); e.Kind != problem.Upstream || e.Code != "query_failed" {
			t.Fatalf("got %v", err)
		}
	}
	if strings.Contains(problem.Of(viewer).Message, "nothing") {
		t.Errorf("a viewer is told %q", problem.Of(viewer).Message)
	}
	if !strings.Contains(problem.Of(tester).Message, "nothing") {
		t.Errorf("a tester is told %q", problem.Of(tester).Message)
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	var ended []error
	refusal := problem.New(problem.Forbidden, "closed", "not today")
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Hooks.BeforeRun = func(_ context.Context, q datasource.Query) error {
			if q.RowLimit == 1 {
				return refusal
			}
			return nil
		}
		c.Hooks.AfterRun = func(_ context.Context, _ datasource.Query, _ time.Duration, err error) { ended = append(ended, err) }
	})
	q := w.query(t, w.shopSource(t), "SELECT 1")
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{RowLimit: new(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if len(ended) != 1 || ended[0] != nil {
		t.Errorf("got %v", ended)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	schema, err := w.Schema(w.owner(t), w.shopSource(t).ID)
	if err != nil || len(schema.Tables) != 1 || schema.Tables[0].Name != "customers" || len(schema.Tables[0].Columns) != 5 || !schema.Tables[0].Columns[0].PrimaryKey {
		t.Errorf("got %+v, %v", schema, err)
	}
	w.fakeQuery(t, "ok", func(q datasource.Query) {
		_, err := w.Schema(w.owner(t), q.DatasourceID)
		requireKind(t, err, problem.Conflict)
	})
}
