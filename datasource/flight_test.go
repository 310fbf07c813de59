package datasource_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// savedOn saves a query on a new datasource of a type.
func (w *world) savedOn(t testing.TB, kind, name string, in datasource.NewQuery) datasource.Query {
	t.Helper()
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: name, Type: kind, Settings: map[string]any{"host": "x"}, Secrets: map[string]string{"password": "canary-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	in.Name, in.DatasourceID = name, ds.ID
	q, err := w.CreateQuery(w.owner(t), in)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// run is a call in the background.
type run struct {
	result datasource.Result
	err    error
	done   chan struct{}
}

func (w *world) start(ctx context.Context, queryID string, params map[string]any) *run {
	r := &run{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.result, r.err = w.RunQuery(ctx, queryID, params)
	}()
	return r
}

func TestIdenticalReadsShareOneStatement(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate {{ n }}"), Params: []datasource.Param{{Name: "n", Type: "integer"}}})
	var runs []*run
	for range 64 {
		runs = append(runs, w.start(w.viewer(t), q.ID, map[string]any{"n": 1}))
	}
	await(t, "all ask", func() bool { return w.Sharing() == 64 })
	<-w.fake.started
	w.fake.open()
	for _, r := range runs {
		if <-r.done; r.err != nil || fmt.Sprint(r.result.Rows) != "[[1]]" {
			t.Errorf("got %v, %v", r.result.Rows, r.err)
		}
	}
	if n := w.fake.statements.Load(); n != 1 {
		t.Errorf("%d statements", n)
	}
	if n := w.Sharing(); n != 0 {
		t.Errorf("%d still share", n)
	}
}

// Case T12: what differs in anything that decides the answer is not shared.
func TestT12_OnlyIdenticalReadsAreShared(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := datasource.NewQuery{Operation: sqlText("gate {{ n }} {{ user.claims.team }}"), Params: []datasource.Param{{Name: "n", Type: "string[]"}}}
	q := w.savedOn(t, "fake", "one", in)
	other := w.savedOn(t, "fake", "other", in)
	b := auth.ServicePrincipal(w.b, "test", auth.Grant{Permission: "*"})
	b.Claims = map[string]any{"team": "red"}
	foreign, err := w.Create(auth.NewContext(t.Context(), b), datasource.NewDatasource{Name: "b", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	in.Name, in.DatasourceID = "one", foreign.ID
	theirs, err := w.CreateQuery(auth.NewContext(t.Context(), b), in)
	if err != nil {
		t.Fatal(err)
	}
	red, blue := w.claiming(t, "u", map[string]any{"team": "red"}), w.claiming(t, "u", map[string]any{"team": "blue"})
	calls := []*run{
		w.start(red, q.ID, map[string]any{"n": []any{"a", "b"}}),
		w.start(red, q.ID, map[string]any{"n": []any{"b", "a"}}),
		w.start(red, q.ID, map[string]any{"n": []any{`a","b`}}),
		w.start(red, q.ID, nil),
		w.start(blue, q.ID, map[string]any{"n": []any{"a", "b"}}),
		w.start(w.claiming(t, "u", map[string]any{"team": []any{"red"}}), q.ID, map[string]any{"n": []any{"a", "b"}}),
		w.start(red, other.ID, map[string]any{"n": []any{"a", "b"}}),
		w.start(auth.NewContext(t.Context(), b), theirs.ID, map[string]any{"n": []any{"a", "b"}}),
	}
	for range calls {
		<-w.fake.started
	}
	if _, err := w.UpdateQuery(w.owner(t), q.ID, datasource.QueryUpdate{RowLimit: new(7)}); err != nil {
		t.Fatal(err)
	}
	calls = append(calls, w.start(red, q.ID, nil)) // another version
	<-w.fake.started
	if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Description: new("x")}); err != nil {
		t.Fatal(err)
	}
	calls = append(calls, w.start(red, q.ID, nil)) // another version of the datasource
	<-w.fake.started
	w.fake.open()
	for i, c := range calls {
		if <-c.done; c.err != nil {
			t.Errorf("%d: %v", i, c.err)
		}
	}
	if n := w.fake.statements.Load(); n != int64(len(calls)) {
		t.Errorf("%d statements for %d different calls", n, len(calls))
	}
}

// Whoever leaves does not take the statement from the others; when all have left,
// it ends.
func TestAWaiterLeavesAlone(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate")})
	first, leaveFirst := context.WithCancel(w.viewer(t))
	second, leaveSecond := context.WithCancel(w.viewer(t))
	defer leaveSecond()
	a := w.start(first, q.ID, nil)
	<-w.fake.started
	b := w.start(second, q.ID, nil)
	await(t, "both ask", func() bool { return w.Sharing() == 2 })
	leaveFirst()
	if <-a.done; problem.Of(a.err).Code != "query_cancelled" {
		t.Errorf("who began it and left: %v", a.err)
	}
	if n := w.fake.ended.Load(); n != 0 {
		t.Fatal("the statement of the other has ended")
	}
	leaveSecond()
	if <-b.done; problem.Of(b.err).Code != "query_cancelled" || w.fake.ended.Load() != 1 {
		t.Errorf("the last one: %v, %d ended", b.err, w.fake.ended.Load())
	}
	c := w.start(w.viewer(t), q.ID, nil)
	<-w.fake.started
	w.fake.open()
	if <-c.done; c.err != nil {
		t.Errorf("the next one: %v", c.err)
	}
}

func TestFailuresAreSharedAndNotKept(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "wait", datasource.NewQuery{Operation: sqlText("wait"), TimeoutMS: 100})
	var runs []*run
	for range 5 {
		runs = append(runs, w.start(w.viewer(t), q.ID, nil))
	}
	for _, r := range runs {
		if <-r.done; problem.Of(r.err).Code != "query_timeout" {
			t.Errorf("got %v", r.err)
		}
	}
	refused := w.savedOn(t, "fake", "refuse", datasource.NewQuery{Operation: sqlText("refuse")})
	for range 3 {
		if _, err := w.RunQuery(w.viewer(t), refused.ID, nil); problem.Of(err).Code != "query_failed" {
			t.Errorf("got %v", err)
		}
	}
}

// Writes are each done, and what was read before one is not given to who asks
// after it.
func TestWritesAreNotShared(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), canWrite)
	read := w.savedOn(t, "writing", "read", datasource.NewQuery{Operation: sqlText("gate")})
	write, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "write", DatasourceID: read.DatasourceID, Operation: sqlText("gate"), Writes: true})
	if err != nil {
		t.Fatal(err)
	}
	early := w.start(w.viewer(t), read.ID, nil)
	writes := []*run{w.start(w.viewer(t), write.ID, nil), w.start(w.viewer(t), write.ID, nil)}
	for range 3 {
		<-w.fake.started
	}
	quick, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "quick write", DatasourceID: read.DatasourceID, Operation: sqlText("ok"), Writes: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RunQuery(w.viewer(t), quick.ID, nil); err != nil {
		t.Fatal(err)
	}
	late := w.start(w.viewer(t), read.ID, nil)
	<-w.fake.started // it is a statement of its own
	w.fake.open()
	for _, r := range append(slices.Clone(writes), early, late) {
		if <-r.done; r.err != nil {
			t.Error(r.err)
		}
	}
}

// Case T12: a connector cannot make its answer depend on who asks.
func TestT12_ConnectorsSeeNoPrincipal(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), canWrite)
	for i, writes := range []bool{false, true} {
		q := w.savedOn(t, "writing", fmt.Sprint("who ", i), datasource.NewQuery{Operation: sqlText("who"), Writes: writes})
		got, err := w.RunQuery(w.viewer(t), q.ID, nil)
		if err != nil || fmt.Sprint(got.Rows) != "[[false]]" {
			t.Errorf("got %v, %v", got.Rows, err)
		}
	}
}

func TestStatementsOfATenantAreBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.MaxStatements = 2 })
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate {{ n }}"), Params: []datasource.Param{{Name: "n", Type: "integer"}}})
	var runs []*run
	for n := range 2 + 256 {
		runs = append(runs, w.start(w.viewer(t), q.ID, map[string]any{"n": n}))
	}
	await(t, "all wait", func() bool { return w.Waiting(w.a) == len(runs) })
	if n := w.fake.statements.Load(); n != 2 {
		t.Errorf("%d statements at once", n)
	}
	_, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": -1})
	if e := problem.Of(err); e == nil || e.Kind != problem.RateLimited || e.RetryAfter <= 0 || e.Remedy == "" {
		t.Errorf("one more: %v", err)
	}
	b := as(t, w.b, "*")
	ds, err := w.Create(b, datasource.NewDatasource{Name: "b", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.TestQuery(b, datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("ok")}); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	var opened sync.WaitGroup
	opened.Go(func() {
		for range runs {
			<-w.fake.started
			w.fake.open()
		}
	})
	for _, r := range runs {
		if <-r.done; r.err != nil {
			t.Fatal(r.err)
		}
	}
	opened.Wait()
	if n := w.Waiting(w.a); n != 0 {
		t.Errorf("%d are left in the room", n)
	}
}
