package datasource_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestUsageTellsWhatWouldBreak(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var used atomic.Pointer[string]
		w := setup(t, db, func(c *datasource.Config) {
			c.UsedBy = func(_ context.Context, queryID string) ([]string, error) {
				if id := used.Load(); id != nil && *id == queryID {
					return []string{`the workflow "Nightly"`}, nil
				}
				return nil, nil
			}
		})
		ds := w.shopSource(t)
		free, bound := w.query(t, ds, "SELECT 1"), w.query(t, ds, "SELECT 2")
		used.Store(&bound.ID)
		got, err := w.Usage(w.owner(t), ds.ID, page.Request{})
		if err != nil || len(got.Items) != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
		if s := fmt.Sprintf("%+v", got.Items); s != fmt.Sprintf("[{ID:%s Name:%s Writes:false UsedBy:[the workflow \"Nightly\"]} {ID:%s Name:%s Writes:false UsedBy:[]}]", bound.ID, bound.Name, free.ID, free.Name) {
			t.Errorf("got %s", s)
		}
		requireKind(t, w.Delete(w.owner(t), ds.ID), problem.Conflict)

		// Case T6: nothing of other tenants; and no names for who may not see queries.
		got, err = w.Usage(as(t, w.a, auth.DatasourceRead), ds.ID, page.Request{})
		if err != nil || got.Items[0].Name != "" || len(got.Items[0].UsedBy) != 1 {
			t.Errorf("got %+v, %v", got.Items, err)
		}
		for _, which := range []string{ds.ID, id.New()} {
			_, err = w.Usage(as(t, w.b, "*"), which, page.Request{})
			requireKind(t, err, problem.NotFound)
			_, err = w.Usage(as(t, w.a, auth.QueryRead), which, page.Request{})
			requireKind(t, err, problem.Forbidden)
		}
	})
}

func TestSchemasAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	tables := func(read func(context.Context, string) (datasource.Schema, error)) int {
		t.Helper()
		schema, err := read(w.owner(t), ds.ID)
		if err != nil || schema.ReadAt.IsZero() {
			t.Fatalf("got %+v, %v", schema, err)
		}
		return len(schema.Tables)
	}
	if n := tables(w.Schema); n != 1 {
		t.Errorf("%d tables", n)
	}
	if _, err := w.direct.Exec("CREATE TABLE more (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if n := tables(w.Schema); n != 1 {
		t.Errorf("read again: %d tables", n)
	}
	if n := tables(w.RefreshSchema); n != 2 {
		t.Errorf("not read again: %d tables", n)
	}
	if n := tables(w.Schema); n != 2 {
		t.Errorf("what was read again is not kept: %d tables", n)
	}
	if _, err := w.direct.Exec("DROP TABLE more"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Description: new("x")}); err != nil {
		t.Fatal(err)
	}
	if n := tables(w.Schema); n != 1 {
		t.Errorf("kept over a change: %d tables", n)
	}
	var err error
	for range 30 {
		if _, err = w.RefreshSchema(w.owner(t), ds.ID); err != nil {
			break
		}
	}
	requireKind(t, err, problem.RateLimited)
	if _, err := w.Schema(as(t, w.b, "*"), ds.ID); !problem.Is(err, problem.NotFound) {
		t.Errorf("another tenant: %v", err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := w.Schema(w.owner(t), ds.ID); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// surveyed is the fake as a type with a schema, "surveyed", of as many tables as the
// test says when it is read.
type surveyed struct {
	*fake
	readings chan chan int
}

func (s surveyed) Spec() datasource.Spec {
	spec := s.fake.Spec()
	spec.Type, spec.Abilities.Introspect = "surveyed", true
	return spec
}

func (s surveyed) Open(ctx context.Context, settings datasource.Settings) (datasource.Conn, error) {
	conn, err := s.fake.Open(ctx, settings)
	if err != nil {
		return nil, err
	}
	return surveyedConn{conn.(*fakeConn), s.readings}, nil
}

type surveyedConn struct {
	*fakeConn
	readings chan chan int
}

func (c surveyedConn) Introspect(ctx context.Context) (datasource.Schema, error) {
	tables := make(chan int)
	select {
	case c.readings <- tables:
		return datasource.Schema{Tables: make([]datasource.Table, <-tables)}, nil
	case <-ctx.Done():
		return datasource.Schema{}, ctx.Err()
	}
}

// Who wants what is there now does not get what somebody began to read before, nor
// does that take its place.
func TestARefreshedSchemaIsReadAnew(t *testing.T) {
	t.Parallel()
	readings := make(chan chan int)
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Connectors = append(c.Connectors, surveyed{c.Connectors[1].(*fake), readings})
	})
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "s", Type: "surveyed", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := w.owner(t)
	begin := func(read func(context.Context, string) (datasource.Schema, error)) (tables chan int, got chan int) {
		t.Helper()
		got = make(chan int, 1)
		go func() {
			schema, err := read(ctx, ds.ID)
			if err != nil {
				t.Error(err)
			}
			got <- len(schema.Tables)
		}()
		select {
		case tables = <-readings:
		case <-time.After(10 * time.Second):
			t.Fatal("it is not read")
		}
		return tables, got
	}
	older, gotOlder := begin(w.Schema)
	newer, gotNewer := begin(w.RefreshSchema)
	newer <- 2
	if n := <-gotNewer; n != 2 {
		t.Errorf("the refreshed schema has %d tables", n)
	}
	older <- 1
	if n := <-gotOlder; n != 1 {
		t.Errorf("the older one has %d tables", n)
	}
	if kept, err := w.Schema(ctx, ds.ID); err != nil || len(kept.Tables) != 2 {
		t.Errorf("%d tables are kept, %v", len(kept.Tables), err)
	}
}

func TestExplainTellsAndRunsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), canWrite)
	ds := w.shopSource(t)
	in := datasource.QueryTest{
		DatasourceID: ds.ID, Operation: sqlText("SELECT name FROM customers WHERE id = {{ id }} [[ AND country = {{ c }} ]]"),
		Params: []datasource.Param{{Name: "id", Type: "integer"}, {Name: "c", Type: "string"}}, Values: map[string]any{"id": 1},
	}
	told, err := w.ExplainQuery(as(t, w.a, auth.QueryTest), in)
	if err != nil || len(told.Lines) != 1 || !strings.Contains(told.Lines[0], "customers") {
		t.Errorf("got %q, %v", told.Lines, err)
	}
	_, err = w.ExplainQuery(w.viewer(t), in)
	requireKind(t, err, problem.Forbidden)
	in.Values = map[string]any{"x": 1}
	_, err = w.ExplainQuery(w.owner(t), in)
	requireKind(t, err, problem.Invalid)
	in = datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("SELECT nothing")}
	if _, err = w.ExplainQuery(w.owner(t), in); problem.Of(err).Code != "query_failed" || !strings.Contains(problem.Of(err).Message, "nothing") {
		t.Errorf("got %v", err)
	}
	in.DatasourceID = w.fakeSource(t).ID
	_, err = w.ExplainQuery(w.owner(t), in)
	requireKind(t, err, problem.Conflict)
}
