package datasource_test

import (
	"encoding/json"
	"fmt"
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

func TestEverySaveIsAVersion(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		q := w.query(t, w.shopSource(t), "SELECT name FROM customers WHERE id = {{ id }}", datasource.Param{Name: "id", Type: "integer", Max: new(9.0)})
		changes := []datasource.QueryUpdate{
			{RowLimit: new(5)},
			{Operation: sqlText("SELECT {{ id }}, {{ other }}"), Params: &[]datasource.Param{{Name: "id", Type: "integer"}, {Name: "other", Type: "string"}}},
			{},
		}
		for _, c := range changes {
			if _, err := w.UpdateQuery(ctx, q.ID, c); err != nil {
				t.Fatal(err)
			}
		}
		list, err := w.QueryVersions(as(t, w.a, auth.QueryRead), q.ID, page.Request{})
		if err != nil || len(list.Items) != 4 {
			t.Fatalf("got %+v, %v", list, err)
		}
		var seen []string
		for _, v := range list.Items {
			seen = append(seen, fmt.Sprintf("%d %v %d %s %v %v", v.Number, v.Changed, v.RestoredFrom, v.SavedBy, v.Content != nil, v.SavedAt.IsZero()))
		}
		if want := []string{"4 [] 0 service:test false false", "3 [operation params] 0 service:test false false", "2 [rowLimit] 0 service:test false false", "1 [] 0 service:test false false"}; !slices.Equal(seen, want) {
			t.Errorf("got %q", seen)
		}
		first, err := w.QueryVersion(ctx, q.ID, 1)
		if err != nil || first.Content == nil || first.Content.RowLimit != datasource.DefaultRows || string(first.Content.Operation) != string(q.Operation) || *first.Content.Params[0].Max != 9 {
			t.Errorf("got %+v, %v", first.Content, err)
		}

		diff, err := w.DiffQueryVersions(ctx, q.ID, 1, 3)
		b, _ := json.Marshal(diff.Changes)
		if want := `[{"field":"operation.text","before":"SELECT name FROM customers WHERE id = {{ id }}","after":"SELECT {{ id }}, {{ other }}"},` +
			`{"field":"params.id","before":{"max":9,"name":"id","required":false,"type":"integer"},"after":{"name":"id","required":false,"type":"integer"}},` +
			`{"field":"params.other","before":null,"after":{"name":"other","required":false,"type":"string"}},` +
			`{"field":"rowLimit","before":1000,"after":5}]`; err != nil || string(b) != want {
			t.Errorf("got  %s\nwant %s, %v", b, want, err)
		}
		if diff, err = w.DiffQueryVersions(ctx, q.ID, 0, 2); err != nil || diff.From != 1 || len(diff.Changes) != 1 {
			t.Errorf("against the one before: %+v, %v", diff, err)
		}
		if diff, err = w.DiffQueryVersions(ctx, q.ID, 0, 1); err != nil || diff.From != 0 || len(diff.Changes) < 8 || diff.Changes[0].Before != nil {
			t.Errorf("against nothing: %+v, %v", diff, err)
		}
		if diff, err = w.DiffQueryVersions(ctx, q.ID, 3, 4); err != nil || diff.Changes == nil || len(diff.Changes) != 0 {
			t.Errorf("of what did not change: %+v, %v", diff, err)
		}

		_, err = w.RestoreQueryVersion(ctx, q.ID, 1, 3)
		requireKind(t, err, problem.Stale)
		restored, err := w.RestoreQueryVersion(ctx, q.ID, 1, 4)
		if err != nil || restored.Version != 5 || restored.RowLimit != datasource.DefaultRows || string(restored.Operation) != string(q.Operation) {
			t.Fatalf("got %+v, %v", restored, err)
		}
		if got, err := w.RunQuery(ctx, q.ID, map[string]any{"id": 1}); err != nil || fmt.Sprint(got.Rows) != "[[Zoë]]" {
			t.Errorf("it runs as %v, %v", got.Rows, err)
		}
		last, err := w.QueryVersion(ctx, q.ID, 5)
		if err != nil || last.RestoredFrom != 1 || !slices.Equal(last.Changed, []string{"operation", "params", "rowLimit"}) {
			t.Errorf("got %+v, %v", last, err)
		}
		w.mu.Lock()
		record := w.entries[len(w.entries)-1]
		w.mu.Unlock()
		if record.Action != "query.restore" || record.ObjectID != q.ID || record.Detail["number"] != 1 {
			t.Errorf("the record says %+v", record)
		}

		// What is not there, or another tenant's, is the same.
		for _, who := range []string{w.a, w.b} {
			for _, number := range []int{0, -1, 99, 1 << 40} {
				_, err := w.QueryVersion(as(t, who, "*"), q.ID, number)
				requireKind(t, err, problem.NotFound)
				_, err = w.RestoreQueryVersion(as(t, who, "*"), q.ID, number, 0)
				requireKind(t, err, problem.NotFound)
				_, err = w.DiffQueryVersions(as(t, who, "*"), q.ID, 1, number)
				requireKind(t, err, problem.NotFound)
				_, err = w.DiffQueryVersions(as(t, who, "*"), q.ID, max(number, 77), 1)
				requireKind(t, err, problem.NotFound)
			}
		}
		_, err = w.QueryVersion(as(t, w.b, "*"), q.ID, 1)
		requireKind(t, err, problem.NotFound)
		_, err = w.QueryVersions(as(t, w.b, "*"), q.ID, page.Request{})
		requireKind(t, err, problem.NotFound)
		_, err = w.RestoreQueryVersion(as(t, w.a, auth.QueryRead), q.ID, 1, 0)
		requireKind(t, err, problem.Forbidden)
		_, err = w.DiffQueryVersions(as(t, w.a, auth.QueryExecute), q.ID, 1, 2)
		requireKind(t, err, problem.Forbidden)
		if err := w.DeleteQuery(ctx, q.ID); err != nil {
			t.Error(err)
		}
	})
}

// Case T31: what cannot be saved any more cannot be restored.
func TestT31_ARestoredVersionIsJudgedLikeANewOne(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		first, second := w.shopSource(t), w.fakeSource(t)
		in := newQuery(first, "DELETE FROM customers WHERE id = {{ id }}", datasource.Param{Name: "id", Type: "integer"})
		in.Name, in.Writes = "old name", true
		q, err := w.CreateQuery(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.UpdateQuery(ctx, q.ID, datasource.QueryUpdate{Name: new("new name"), Writes: new(false), DatasourceID: &second.ID, Operation: sqlText("ok"), Params: &[]datasource.Param{}}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Update(ctx, first.ID, datasource.DatasourceUpdate{ReadOnly: new(true)}); err != nil {
			t.Fatal(err)
		}
		_, err = w.RestoreQueryVersion(ctx, q.ID, 1, 0)
		if got := paths(t, err); !slices.Equal(got, []string{"writes"}) {
			t.Errorf("on a datasource that became read-only: %v", got)
		}
		if err := w.Delete(ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		_, err = w.RestoreQueryVersion(ctx, q.ID, 1, 0)
		if got := paths(t, err); !slices.Equal(got, []string{"datasourceId"}) {
			t.Errorf("on a datasource that is gone: %v", got)
		}

		q = w.savedOn(t, "fake", "one", datasource.NewQuery{Operation: sqlText("ok")})
		if _, err := w.UpdateQuery(ctx, q.ID, datasource.QueryUpdate{Name: new("two")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CreateQuery(ctx, datasource.NewQuery{Name: "one", DatasourceID: q.DatasourceID, Operation: sqlText("ok")}); err != nil {
			t.Fatal(err)
		}
		_, err = w.RestoreQueryVersion(ctx, q.ID, 1, 0)
		if e := problem.Of(err); e == nil || e.Code != "name_taken" {
			t.Errorf("under a name that is taken: %v", err)
		}
		if now, err := w.Query(ctx, q.ID); err != nil || now.Version != 2 || now.Name != "two" {
			t.Errorf("a refused restore leaves %+v, %v", now, err)
		}
	})
}

// The script of a version is checked before the transaction that restores it, which
// other writers may wait for: here one that never gets that far.
func TestAScriptIsCheckedBeforeItIsRestored(t *testing.T) {
	t.Parallel()
	scripts := withScripts(t)
	w := setup(t, testdb.SQLite(t), scripts)
	q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok"), Transform: datasource.Transform{Language: datasource.TransformScript, Text: "return rows"}})
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Transform: &datasource.Transform{}}); err != nil {
		t.Fatal(err)
	}
	other := w.without(t, scripts)
	_, err := other.RestoreQueryVersion(w.owner(t), q.ID, 1, 99)
	requireKind(t, err, problem.Stale)
	if n := other.CheckedScripts(); n != 1 {
		t.Errorf("%d scripts were checked", n)
	}
	if _, err := other.RestoreQueryVersion(w.owner(t), q.ID, 1, 2); err != nil {
		t.Error(err)
	}
}

// fakeSource makes a datasource of the fake type.
func (w *world) fakeSource(t testing.TB) datasource.Datasource {
	t.Helper()
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "a fake", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func TestVersionsAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT 1")
	for range datasource.MaxQueryVersions + 3 {
		if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{}); err != nil {
			t.Fatal(err)
		}
	}
	n, r := 0, page.Request{Limit: 150}
	for {
		list, err := w.QueryVersions(w.owner(t), q.ID, r)
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.Items)
		if r.Cursor = list.NextCursor; r.Cursor == "" {
			break
		}
	}
	if n != datasource.MaxQueryVersions {
		t.Errorf("%d versions are kept", n)
	}
	_, err := w.QueryVersion(w.owner(t), q.ID, 4)
	requireKind(t, err, problem.NotFound)
}

// Queries from before there were versions have one: what they are now.
func TestVersionsOfOldQueries(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		q := w.query(t, w.shopSource(t), "SELECT name -- \"quoted\"\nFROM customers WHERE id = {{ id }}", datasource.Param{Name: "id", Type: "integer", Default: 1})
		steps, err := db.Migrations()
		if err != nil {
			t.Fatal(err)
		}
		before := slices.IndexFunc(steps, func(m store.Migration) bool { return strings.Contains(m.Up, "jet_query_version (") })
		if err := db.MigrateDown(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{Operation: sqlText("SELECT 2"), Params: &[]datasource.Param{}, Name: new("other")}); err != nil {
			t.Fatal(err)
		}
		restored, err := w.RestoreQueryVersion(w.owner(t), q.ID, 1, 0)
		if err != nil || restored.Name != q.Name || restored.Writes || restored.TimeoutMS != q.TimeoutMS {
			t.Fatalf("got %+v, %v", restored, err)
		}
		if got, err := w.RunQuery(w.owner(t), q.ID, nil); err != nil || fmt.Sprint(got.Rows) != "[[Zoë]]" {
			t.Errorf("got %v, %v", got.Rows, err)
		}
	})
}
