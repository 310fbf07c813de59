package datasource_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestQueryLife(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		ds := w.shopSource(t)
		made := w.query(t, ds, "SELECT name FROM customers WHERE country = {{ country }}", datasource.Param{Name: "country", Type: "string", Default: "NL"})
		got, err := w.Query(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Version != 1 || got.RowLimit != datasource.DefaultRows || got.TimeoutMS != datasource.MaxTimeout.Milliseconds() || got.Params[0].Default != "NL" || got.Writes {
			t.Errorf("got %+v", got)
		}
		changed, err := w.UpdateQuery(ctx, made.ID, datasource.QueryUpdate{RowLimit: new(5), Version: 1})
		if err != nil || changed.Version != 2 || changed.RowLimit != 5 || string(changed.Operation) != string(made.Operation) {
			t.Fatalf("got %+v, %v", changed, err)
		}
		_, err = w.UpdateQuery(ctx, made.ID, datasource.QueryUpdate{Version: 1})
		requireKind(t, err, problem.Stale)
		other := newQuery(ds, "SELECT 1")
		other.Name = made.Name
		_, err = w.CreateQuery(ctx, other)
		requireKind(t, err, problem.Conflict)
		if err := w.DeleteQuery(ctx, made.ID); err != nil {
			t.Fatal(err)
		}
		requireKind(t, w.CheckQuery(ctx, made.ID), problem.NotFound)
		w.requireTrail(t, made.ID, "query.create", "query.update", "query.delete")
	})
}

// Case T31: an update is judged like a new query, and all faults are told.
func TestT31_FaultsOfAQueryAreAllTold(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	bad := datasource.NewQuery{
		Name: "", DatasourceID: ds.ID, RowLimit: 20_000, TimeoutMS: 31_000,
		Operation: sqlText("SELECT {{ used }}, {{ undeclared }}, {{ twice }}, {{ typed }}"),
		Params: []datasource.Param{
			{Name: "used", Type: "string"},
			{Name: "unused", Type: "string"},
			{Name: "twice", Type: "string"}, {Name: "twice", Type: "string"},
			{Name: "typed", Type: "strin"},
			{Name: "bad name", Type: "string"},
		},
	}
	want := []string{"name", "params.bad name", "params.bad name", "params.twice", "params.typed", "params.undeclared", "params.unused", "rowLimit", "timeoutMs"}
	_, err := w.CreateQuery(w.owner(t), bad)
	if got := paths(t, err); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	good := w.query(t, ds, "SELECT 1")
	_, err = w.UpdateQuery(w.owner(t), good.ID, datasource.QueryUpdate{
		Name: &bad.Name, RowLimit: &bad.RowLimit, TimeoutMS: &bad.TimeoutMS, Operation: bad.Operation, Params: &bad.Params,
	})
	if got := paths(t, err); !slices.Equal(got, want) {
		t.Errorf("an update: got  %v\nwant %v", got, want)
	}
	for operation, path := range map[string]string{
		`{"text": "SELECT '{{ a }}'"}`:           "operation.text",
		`{"text": "SELECT 1", "timeout": 1}`:     "operation.timeout",
		`{"text": ["SELECT 1"]}`:                 "operation.text",
		`{}`:                                     "operation.text",
		`not json`:                               "operation",
		``:                                       "operation",
		`{"text": "SELECT 1; SELECT 2"}`:         "operation.text",
		`{"text": "` + "SELECT {{ a b }}" + `"}`: "operation.text",
	} {
		_, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "x", DatasourceID: ds.ID, Operation: json.RawMessage(operation)})
		if got := paths(t, err); !slices.Equal(got, []string{path}) {
			t.Errorf("%s: %v", operation, got)
		}
	}
}

func TestRulesOfParametersAreChecked(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	for name, p := range map[string]datasource.Param{
		"min of a string":      {Type: "string", Min: new(1.0)},
		"min above max":        {Type: "integer", Min: new(2.0), Max: new(1.0)},
		"pattern of a number":  {Type: "number", Pattern: "x"},
		"not RE2":              {Type: "string", Pattern: `(?=x)`},
		"negative length":      {Type: "string", MaxLength: -1},
		"enum of another type": {Type: "integer", Enum: []any{"x"}},
		"enum of json":         {Type: "json", Enum: []any{map[string]any{}}, Default: map[string]any{}},
		"default of wrong":     {Type: "uuid", Default: "x"},
		"default not in enum":  {Type: "string", Enum: []any{"a"}, Default: "b"},
		"default of a list":    {Type: "integer[]", Default: 1},
		"list of lists":        {Type: "integer[][]"},
		"no type":              {},
	} {
		p.Name = "p"
		_, err := w.CreateQuery(w.owner(t), newQuery(ds, "SELECT {{ p }}", p))
		want := "params.p"
		if strings.HasPrefix(name, "default") {
			want = "params.p.default"
		}
		if got := paths(t, err); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What is wrong in a list is told element by element, of a long one the first ten.
func TestFaultsOfAListNameItsElements(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT 1 WHERE 1 IN ({{ ids }})", datasource.Param{Name: "ids", Type: "integer[]"})
	for _, tt := range []struct {
		list []any
		want []string
	}{
		{[]any{1, "x", 2, nil}, []string{"params.ids.1", "params.ids.3"}},
		{slices.Repeat([]any{"x"}, 12), []string{
			"params.ids", "params.ids.0", "params.ids.1", "params.ids.2", "params.ids.3", "params.ids.4",
			"params.ids.5", "params.ids.6", "params.ids.7", "params.ids.8", "params.ids.9",
		}},
	} {
		_, err := w.RunQuery(w.owner(t), q.ID, map[string]any{"ids": tt.list})
		if got := paths(t, err); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v", tt.list, got)
		}
	}
}

// More declarations than there may be are refused for their number, not each
// for itself.
func TestTooManyParametersAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	params := make([]datasource.Param, 30_000)
	var text strings.Builder
	text.WriteString("SELECT 1")
	for i := range params {
		params[i] = datasource.Param{Name: fmt.Sprintf("p%05d", i), Type: "string"}
		if i < 17_000 {
			_, _ = fmt.Fprintf(&text, ",{{q%05d}}", i)
		}
	}
	began := time.Now()
	_, err := w.CreateQuery(w.owner(t), newQuery(ds, text.String(), params...))
	if got := paths(t, err); !slices.Equal(got, []string{"params"}) {
		t.Errorf("%d faults", len(got))
	}
	_, err = w.CreateQuery(w.owner(t), newQuery(ds, text.String(), params[:1]...))
	if got := paths(t, err); !slices.Equal(got, []string{"params"}) {
		t.Errorf("%d faults of too many placeholders", len(got))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestReadOnlyDatasources(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ctx := w.owner(t)
	ds := w.shopSource(t)
	in := newQuery(ds, "DELETE FROM customers WHERE id = 1")
	quiet, err := w.CreateQuery(ctx, in) // what it does is the database's to judge
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RunQuery(ctx, quiet.ID, nil)
	requireKind(t, err, problem.Upstream)
	in.Writes, in.Name = true, "writes"
	writing, err := w.CreateQuery(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(ctx, ds.ID, datasource.DatasourceUpdate{ReadOnly: new(true)})
	requireKind(t, err, problem.Conflict)
	result, err := w.RunQuery(ctx, writing.ID, nil)
	if err != nil || result.Affected == nil || *result.Affected != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	if err := w.DeleteQuery(ctx, writing.ID); err != nil {
		t.Fatal(err)
	}
	if _, err = w.Update(ctx, ds.ID, datasource.DatasourceUpdate{ReadOnly: new(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = w.CreateQuery(ctx, in)
	if got := paths(t, err); !slices.Equal(got, []string{"writes"}) {
		t.Errorf("got %v", got)
	}
	_, err = w.TestQuery(ctx, datasource.QueryTest{DatasourceID: ds.ID, Operation: in.Operation, Writes: true})
	if got := paths(t, err); !slices.Equal(got, []string{"writes"}) {
		t.Errorf("got %v", got)
	}
	fakeSource, err := w.Create(ctx, datasource.NewDatasource{Name: "fake", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	in.DatasourceID = fakeSource.ID
	_, err = w.CreateQuery(ctx, in)
	if got := paths(t, err); !slices.Equal(got, []string{"writes"}) {
		t.Errorf("a connector that cannot write: %v", got)
	}
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	var good datasource.Config
	setup(t, testdb.SQLite(t), func(c *datasource.Config) { good = *c })
	for field, spoil := range map[string]func(*datasource.Config){
		"Audit":         func(c *datasource.Config) { c.Audit = nil },
		"Authorize":     func(c *datasource.Config) { c.Authorize = nil },
		"Connectors":    func(c *datasource.Config) { c.Connectors = append(c.Connectors, w.fake) },
		"DB":            func(c *datasource.Config) { c.DB = nil },
		"Egress":        func(c *datasource.Config) { c.Egress.AllowHosts = []string{"no port"} },
		"IdleTimeout":   func(c *datasource.Config) { c.IdleTimeout = -1 },
		"Keys":          func(c *datasource.Config) { c.Keys = nil },
		"MaxOpen":       func(c *datasource.Config) { c.MaxOpen = -1 },
		"MaxStatements": func(c *datasource.Config) { c.MaxStatements = -1 },
		"Pages":         func(c *datasource.Config) { c.Pages = nil },
	} {
		cfg := good
		cfg.Connectors = slices.Clone(good.Connectors)
		spoil(&cfg)
		if _, err := datasource.New(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
