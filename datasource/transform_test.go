package datasource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// withScripts lets a world's service run scripts.
func withScripts(t testing.TB) func(*datasource.Config) {
	t.Helper()
	pool, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return func(c *datasource.Config) { c.Scripts = pool }
}

func TestTransformations(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db, withScripts(t))
		ds := w.shopSource(t)
		for name, c := range map[string]struct {
			text datasource.Transform
			want string
		}{
			"an expression": {datasource.Transform{Language: "expression", Text: `map(input.rows, {{"id": #[0], "who": #[1]}})`}, `[{"id":1,"who":"Zoë"},{"id":2,"who":"Björn"}]`},
			"of one value":  {datasource.Transform{Language: "expression", Text: "len(input.rows) + input.params.n"}, `4`},
			"null":          {datasource.Transform{Language: "expression", Text: "null"}, `null`},
			"a script": {datasource.Transform{Language: "script", Text: `console.log("seen");
				const at = Object.fromEntries(input.columns.map((c, i) => [c.name, i]));
				return {names: input.rows.map(r => r[at.name]), day: input.params.day, types: input.columns.map(c => c.type)};`},
				`{"day":"2024-02-29","names":["Zoë","Björn"],"types":["integer","string"]}`},
		} {
			in := newQuery(ds, "SELECT id, name FROM customers WHERE id <= {{ n }} AND {{ day }} > '' ORDER BY id",
				datasource.Param{Name: "n", Type: "integer"}, datasource.Param{Name: "day", Type: "date", Default: "2024-02-29"})
			in.Transform = c.text
			q, err := w.CreateQuery(w.owner(t), in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if q.Transform != c.text {
				t.Errorf("%s: saved as %+v", name, q.Transform)
			}
			got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": 2})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b, _ := json.Marshal(got)
			var all struct {
				Output          json.RawMessage
				Columns, Rows   []any
				RowCount        int
				CachedAt        *string
				Truncated       bool
				ExecutionIDName string `json:"executionId"`
			}
			if err := json.Unmarshal(b, &all); err != nil {
				t.Fatal(err)
			}
			var output any
			if json.Unmarshal(all.Output, &output); all.Output == nil {
				t.Errorf("%s: no output in %s", name, b)
			}
			if same, _ := json.Marshal(output); string(same) != c.want || len(all.Rows) != 0 || all.Rows == nil || all.Columns == nil || all.RowCount != 2 {
				t.Errorf("%s: got %s", name, b)
			}
			_, err = w.StreamQuery(w.viewer(t), q.ID, map[string]any{"n": 2}, &count{})
			if e := problem.Of(err); e == nil || e.Kind != problem.Conflict || e.Code != "query_transformed" || e.Remedy == "" {
				t.Errorf("%s: a stream: %v", name, err)
			}
			plain, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Transform: &datasource.Transform{Language: "none"}})
			if err != nil || plain.Transform.Language != datasource.TransformNone {
				t.Fatalf("taken away: %+v, %v", plain.Transform, err)
			}
			if got, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": 2}); err != nil || got.Output != nil || len(got.Rows) != 2 {
				t.Errorf("taken away: %+v, %v", got, err)
			}
		}
	})
}

// Case T137: a transformation ends, whatever it is, and takes no more than it may.
func TestT137_TransformationsAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), withScripts(t))
	ds := w.shopSource(t)
	for name, c := range map[string]struct {
		text datasource.Transform
		code string
	}{
		"an endless script":  {datasource.Transform{Language: "script", Text: "for (;;);"}, "query_timeout"},
		"a greedy script":    {datasource.Transform{Language: "script", Text: "let a = 'x'; for (;;) a = a + a"}, "transform_failed"},
		"a large output":     {datasource.Transform{Language: "script", Text: "return 'x'.repeat(20 << 20)"}, "transform_failed"},
		"a greedy expresion": {datasource.Transform{Language: "expression", Text: "map(1..3000, map(1..3000, #))"}, "transform_failed"},
	} {
		timeout := int64(30_000)
		if c.code == "query_timeout" {
			timeout = 1000
		}
		_, err := w.TestQuery(w.owner(t), datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("SELECT 1"), Transform: c.text, TimeoutMS: timeout})
		if e := problem.Of(err); e == nil || e.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailingTransformationsTellTesters(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), withScripts(t))
	ds := w.shopSource(t)
	for name, text := range map[string]datasource.Transform{
		"script":     {Language: "script", Text: "throw new Error('no ' + input.params.s)"},
		"expression": {Language: "expression", Text: "input.rows[7]"},
	} {
		in := newQuery(ds, "SELECT {{ s }}", datasource.Param{Name: "s", Type: "string"})
		in.Transform = text
		q, err := w.CreateQuery(w.owner(t), in)
		if err != nil {
			t.Fatal(err)
		}
		_, viewer := w.RunQuery(w.viewer(t), q.ID, map[string]any{"s": "canary"})
		_, tester := w.RunQuery(as(t, w.a, auth.QueryExecute, auth.QueryTest), q.ID, map[string]any{"s": "canary"})
		for _, err := range []error{viewer, tester} {
			if e := problem.Of(err); e == nil || e.Kind != problem.Invalid || e.Code != "transform_failed" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if e := problem.Of(viewer); len(e.Faults) != 0 || strings.Contains(e.Message, "canary") || e.Remedy == "" {
			t.Errorf("%s: a viewer is told %+v", name, e)
		}
		if e := problem.Of(tester); len(e.Faults) != 1 || e.Faults[0].Path != "transform.text" {
			t.Errorf("%s: a tester is told %+v", name, e)
		}
		// Case T58 for what the script throws.
		if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Params: &[]datasource.Param{{Name: "s", Type: "string", Sensitive: true}}}); err != nil {
			t.Fatal(err)
		}
		_, err = w.RunQuery(w.owner(t), q.ID, map[string]any{"s": "canary"})
		if e := problem.Of(err); e == nil || e.Code != "transform_failed" || strings.Contains(e.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFaultsOfTransformations(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), withScripts(t))
	ds := w.shopSource(t)
	for want, c := range map[string]datasource.Transform{
		"transform.language":     {Language: "python", Text: "x"},
		"transform.text":         {Language: "expression", Text: "1 +"},
		"transform.text 2":       {Language: "expression", Text: "secrets.password"},
		"transform.text 3":       {Language: "script", Text: "return ("},
		"transform.text 4":       {Text: "1"},
		"transform.text 5":       {Language: "script", Text: strings.Repeat(" ", sandbox.MaxSource+1)},
		"transform (of a write)": {Language: "expression", Text: "1"},
	} {
		path, _, write := strings.Cut(want, " (")
		path, _, _ = strings.Cut(path, " ")
		in := newQuery(ds, "SELECT 1")
		in.Transform, in.Writes = c, write
		_, err := w.CreateQuery(w.owner(t), in)
		if got := paths(t, err); !slices.Equal(got, []string{path}) {
			t.Errorf("%s: %v", want, err)
		}
		q := w.query(t, ds, "SELECT 1")
		_, err = w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Transform: &c, Writes: &write})
		if got := paths(t, err); !slices.Equal(got, []string{path}) {
			t.Errorf("%s, an update: %v", want, err)
		}
	}
	without := setup(t, testdb.SQLite(t))
	in := newQuery(without.shopSource(t), "SELECT 1")
	in.Transform = datasource.Transform{Language: "script", Text: "return 1"}
	_, err := without.CreateQuery(without.owner(t), in)
	if got := paths(t, err); !slices.Equal(got, []string{"transform.text"}) {
		t.Errorf("on a server without scripts: %v", got)
	}
}

func TestTransformedResultsAreKept(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "kept", datasource.NewQuery{Operation: sqlText("ok"), CacheTTLMS: anHour, Transform: datasource.Transform{Language: "expression", Text: "input.rows[0][0]"}})
	first := w.requireAsked(w.viewer(t), t, q, nil, 1)
	if again := w.requireAsked(w.viewer(t), t, q, nil, 0); again.Output != "ok" || fmt.Sprint(first.Output) != "ok" {
		t.Errorf("got %v and %v", first.Output, again.Output)
	}
}
