package datasource_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

const anHour = 3_600_000

// requireAsked runs a query and looks at how many statements that cost.
func (w *world) requireAsked(ctx context.Context, t *testing.T, q datasource.Query, params map[string]any, statements int64) datasource.Result {
	t.Helper()
	before := w.fake.statements.Load()
	result, err := w.RunQuery(ctx, q.ID, params)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.fake.statements.Load() - before; n != statements {
		t.Errorf("%d statements, want %d", n, statements)
	}
	if kept := result.CachedAt != nil; kept != (statements == 0) {
		t.Errorf("it says that it was kept: %v", kept)
	}
	return result
}

func TestResultsAreKeptForTheirTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db, canWrite)
		q := w.savedOn(t, "writing", "kept", datasource.NewQuery{Operation: sqlText("ok {{ n }}"), Params: []datasource.Param{{Name: "n", Type: "integer"}}, CacheTTLMS: anHour})
		if q.CacheTTLMS != anHour {
			t.Errorf("saved with %d", q.CacheTTLMS)
		}
		first := w.requireAsked(w.viewer(t), t, q, map[string]any{"n": 1}, 1)
		again := w.requireAsked(w.owner(t), t, q, map[string]any{"n": 1.0}, 0)
		if fmt.Sprint(again.Rows) != fmt.Sprint(first.Rows) || again.RowCount != first.RowCount || len(again.Columns) != 1 {
			t.Errorf("kept %+v of %+v", again, first)
		}
		w.requireAsked(w.viewer(t), t, q, map[string]any{"n": 2}, 1)
		w.requireAsked(w.viewer(t), t, q, nil, 1)

		// A change of the query or its datasource, here or by another process, ends it.
		if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Description: new("x")}); err != nil {
			t.Fatal(err)
		}
		w.requireAsked(w.viewer(t), t, q, nil, 1)
		w.requireAsked(w.viewer(t), t, q, nil, 0)
		exec(t, w.db, "UPDATE ?schema.jet_query SET version = version + 1 WHERE tenant_id = ? AND id = ?", w.a, q.ID)
		w.requireAsked(w.viewer(t), t, q, nil, 1)
		if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Description: new("x")}); err != nil {
			t.Fatal(err)
		}
		w.requireAsked(w.viewer(t), t, q, nil, 1)
		w.requireAsked(w.viewer(t), t, q, nil, 0)

		// So does a write through the same datasource.
		write, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "write", DatasourceID: q.DatasourceID, Operation: sqlText("ok"), Writes: true})
		if err != nil {
			t.Fatal(err)
		}
		w.requireAsked(w.viewer(t), t, write, nil, 1)
		w.requireAsked(w.viewer(t), t, write, nil, 1)
		w.requireAsked(w.viewer(t), t, q, nil, 1)
		w.requireAsked(w.viewer(t), t, q, nil, 0)
		if _, err := w.TestQuery(w.owner(t), datasource.QueryTest{DatasourceID: q.DatasourceID, Operation: sqlText("ok"), Writes: true}); err != nil {
			t.Fatal(err)
		}
		w.requireAsked(w.viewer(t), t, q, nil, 1)
	})
}

// Case T12: what is kept for one is not given to another for whom it could differ.
func TestT12_KeptResultsStayWithTheirValues(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "kept", datasource.NewQuery{Operation: sqlText("ok {{ tenant.id }} {{ user.id }} {{ user.claims.team }}"), CacheTTLMS: anHour})
	red := map[string]any{"team": "red"}
	w.requireAsked(w.claiming(t, "u1", red), t, q, nil, 1)
	w.requireAsked(w.claiming(t, "u1", red), t, q, nil, 0)
	w.requireAsked(w.claiming(t, "u2", red), t, q, nil, 1)
	w.requireAsked(w.claiming(t, "u1", map[string]any{"team": "blue"}), t, q, nil, 1)
	w.requireAsked(w.claiming(t, "u1", map[string]any{"team": []string{"red"}}), t, q, nil, 1)

	b := auth.ServicePrincipal(w.b, "test", auth.Grant{Permission: "*"})
	b.UserID, b.Claims = "u1", red
	inB := auth.NewContext(t.Context(), b)
	ds, err := w.Create(inB, datasource.NewDatasource{Name: "b", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := w.CreateQuery(inB, datasource.NewQuery{Name: "kept", DatasourceID: ds.ID, Operation: q.Operation, CacheTTLMS: anHour})
	if err != nil {
		t.Fatal(err)
	}
	w.requireAsked(inB, t, theirs, nil, 1)
}

func TestKeptResultsExpire(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "kept", datasource.NewQuery{Operation: sqlText("ok"), CacheTTLMS: 1})
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "it is asked again", func() bool {
		_, err := w.RunQuery(w.viewer(t), q.ID, nil)
		return err == nil && w.fake.statements.Load() > 1
	})
	failing := w.savedOn(t, "fake", "failing", datasource.NewQuery{Operation: sqlText("refuse"), CacheTTLMS: anHour})
	for range 2 {
		before := w.fake.statements.Load()
		if _, err := w.RunQuery(w.viewer(t), failing.ID, nil); err == nil || w.fake.statements.Load() == before {
			t.Errorf("a failure is kept: %v", err)
		}
	}
}

func TestMemoryOfKeptResultsIsBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.CacheBytes = 4000 })
	small := w.savedOn(t, "fake", "small", datasource.NewQuery{Operation: sqlText("ok {{ n }}"), Params: []datasource.Param{{Name: "n", Type: "integer"}}, CacheTTLMS: anHour})
	for n := range 100 {
		w.requireAsked(w.viewer(t), t, small, map[string]any{"n": n}, 1)
	}
	w.requireAsked(w.viewer(t), t, small, map[string]any{"n": 99}, 0)
	w.requireAsked(w.viewer(t), t, small, map[string]any{"n": 0}, 1)
	if n, bytes := w.Kept(); n == 0 || n > 20 || bytes > 4000 {
		t.Errorf("%d results of %d bytes are kept", n, bytes)
	}
	big := w.savedOn(t, "fake", "big", datasource.NewQuery{Operation: sqlText("big"), CacheTTLMS: anHour})
	for range 2 {
		w.requireAsked(w.viewer(t), t, big, nil, 1)
	}
	none := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.CacheBytes = -1 })
	q := none.savedOn(t, "fake", "none", datasource.NewQuery{Operation: sqlText("ok"), CacheTTLMS: anHour})
	for range 2 {
		none.requireAsked(none.viewer(t), t, q, nil, 1)
	}
}

// What expires by itself is not kept for others.
func TestPassingAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.fakeSource(t)
	in := datasource.NewQuery{Name: "passing", DatasourceID: ds.ID, Operation: sqlText("passing"), CacheTTLMS: 1000}
	_, err := w.CreateQuery(w.owner(t), in)
	if got := paths(t, err); !slices.Equal(got, []string{"cacheTtlMs"}) {
		t.Errorf("faults at %v", got)
	}
	in.CacheTTLMS = 0
	if _, err := w.CreateQuery(w.owner(t), in); err != nil {
		t.Error(err)
	}
}

func TestOnlyReadsAreKept(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	for _, in := range []datasource.NewQuery{{CacheTTLMS: 1, Writes: true}, {CacheTTLMS: -1}, {CacheTTLMS: anHour + 1}} {
		in.Name, in.DatasourceID, in.Operation = "x", ds.ID, sqlText("SELECT 1")
		_, err := w.CreateQuery(w.owner(t), in)
		if got := paths(t, err); !slices.Equal(got, []string{"cacheTtlMs"}) {
			t.Errorf("%+v: %v", in, got)
		}
	}
	q := w.query(t, ds, "SELECT 1")
	changed, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{CacheTTLMS: new(int64(5))})
	if err != nil || changed.CacheTTLMS != 5 {
		t.Errorf("got %+v, %v", changed, err)
	}
	_, err = w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Writes: new(true)})
	if got := paths(t, err); !slices.Equal(got, []string{"cacheTtlMs"}) {
		t.Errorf("made writing: %v", got)
	}
}
