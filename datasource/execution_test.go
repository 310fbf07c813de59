package datasource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func (w *world) executions(t *testing.T, f datasource.ExecutionFilter) []datasource.Execution {
	t.Helper()
	list, err := w.Executions(w.owner(t), f, page.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestExecutionsAreTakenDown(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		w.fake.rows = [][]any{{"x"}, {"y"}, {"z"}}
		q := w.savedOn(t, "fake", "rows", datasource.NewQuery{Operation: sqlText("rows {{ n }} {{ s }}"), Params: []datasource.Param{
			{Name: "n", Type: "integer"}, {Name: "s", Type: "string", Sensitive: true},
		}, CacheTTLMS: anHour})
		bad, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: "bad", DatasourceID: q.DatasourceID, Operation: sqlText("refuse")})
		if err != nil {
			t.Fatal(err)
		}
		person := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindAPIKey, KeyID: "k1", UserID: "u1", TenantID: w.a, Grants: []auth.Grant{{Permission: "*"}}})
		run, err := w.RunQuery(person, q.ID, map[string]any{"n": "9007199254740993", "s": "canary"})
		if err != nil || !id.Valid(run.ExecutionID) {
			t.Fatalf("got %q, %v", run.ExecutionID, err)
		}
		if _, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": "9007199254740993", "s": "canary"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.StreamQuery(w.viewer(t), q.ID, nil, datasource.NewCSV(&bytes.Buffer{})); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RunQuery(w.viewer(t), bad.ID, nil); err == nil {
			t.Fatal("not refused")
		}
		if _, err := w.TestQuery(w.owner(t), datasource.QueryTest{DatasourceID: q.DatasourceID, Operation: sqlText("ok")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"n": "x"}); err == nil { // never begun
			t.Fatal("not refused")
		}
		all := w.executions(t, datasource.ExecutionFilter{})
		var seen []string
		for _, e := range all {
			seen = append(seen, fmt.Sprint(e.Kind, " ", e.Status, " ", e.ErrorCode, " ", e.RowCount, " ", e.Cached, " ", e.QueryID == q.ID, " ", e.Actor, " ", e.OnBehalfOf))
			if e.FinishedAt == nil || e.Took == nil || *e.Took < 0 || e.StartedAt.IsZero() || e.DatasourceID != q.DatasourceID {
				t.Errorf("got %+v", e)
			}
		}
		want := []string{
			"test succeeded  1 false false service:test ", "run failed query_failed 0 false false service:test ", "stream succeeded  3 false true service:test ",
			"run succeeded  3 true true service:test ", "run succeeded  3 false true apiKey:k1 u1",
		}
		if !slices.Equal(seen, want) {
			t.Errorf("got  %q\nwant %q", seen, want)
		}
		first := all[len(all)-1]
		if b, _ := json.Marshal(first.Params); first.ID != run.ExecutionID || string(b) != `{"n":9007199254740993,"s":"`+secret.Mask+`"}` || first.QueryVersion != 1 {
			t.Errorf("got %+v with %s", first, b)
		}
		if of := w.executions(t, datasource.ExecutionFilter{QueryID: bad.ID}); len(of) != 1 || of[0].ErrorCode != "query_failed" {
			t.Errorf("of one query: %+v", of)
		}

		// The history of one tenant is of no other, and of nobody without the right.
		b, err := w.Executions(as(t, w.b, "*"), datasource.ExecutionFilter{}, page.Request{})
		if err != nil || len(b.Items) != 0 {
			t.Errorf("another tenant sees %v, %v", b, err)
		}
		_, err = w.Executions(as(t, w.b, "*"), datasource.ExecutionFilter{QueryID: q.ID}, page.Request{})
		requireKind(t, err, problem.NotFound)
		_, err = w.Executions(as(t, w.a, auth.QueryRead, auth.QueryExecute), datasource.ExecutionFilter{}, page.Request{})
		requireKind(t, err, problem.Forbidden)

		// It outlives its query.
		if err := w.DeleteQuery(w.owner(t), q.ID); err != nil {
			t.Fatal(err)
		}
		if left := w.executions(t, datasource.ExecutionFilter{}); len(left) != len(all) {
			t.Errorf("%d of %d are left", len(left), len(all))
		}
	})
}

func TestRecordedValuesAreShort(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.query(t, w.shopSource(t), "SELECT length({{ s }}), {{ first }} WHERE 1 IN ({{ l }})", datasource.Param{Name: "s", Type: "string"},
		datasource.Param{Name: "first", Type: "json"}, datasource.Param{Name: "l", Type: "integer[]"})
	list := make([]any, 1000)
	for i := range list {
		list[i] = i
	}
	if _, err := w.RunQuery(w.viewer(t), q.ID, map[string]any{"s": strings.Repeat("ä", 100_000), "first": strings.Repeat("x", 1000), "l": list}); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(w.executions(t, datasource.ExecutionFilter{})[0].Params)
	if len(b) > 1000 || !strings.Contains(string(b), "… 980 more") || !strings.Contains(string(b), `ä…"`) {
		t.Errorf("kept %d bytes: %s", len(b), b)
	}
}

// Case T92: an execution is stopped by who started it or may stop those of others,
// and in whichever process it runs.
func TestT92_ExecutionsAreStoppedEverywhere(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var cfg datasource.Config
		w := setup(t, db, func(c *datasource.Config) { cfg = *c })
		other, err := datasource.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Close() })
		q := w.savedOn(t, "fake", "wait", datasource.NewQuery{Operation: sqlText("wait {{ n }}"), Params: []datasource.Param{{Name: "n", Type: "integer"}}})
		before := ""
		begin := func(n int) (*run, string) {
			t.Helper()
			r := w.start(w.viewer(t), q.ID, map[string]any{"n": n})
			<-w.fake.started
			var running []datasource.Execution
			await(t, "it is listed as running", func() bool {
				list, err := other.Executions(w.owner(t), datasource.ExecutionFilter{Running: true, QueryID: q.ID}, page.Request{})
				running = list.Items
				return err == nil && len(running) == 1 && running[0].ID != before
			})
			before = running[0].ID
			if running[0].Status != datasource.ExecutionRunning || running[0].FinishedAt != nil || running[0].Took != nil {
				t.Errorf("it is listed as %+v", running[0])
			}
			return r, running[0].ID
		}
		ended := func(r *run, within time.Duration, began time.Time) {
			t.Helper()
			if <-r.done; problem.Of(r.err).Code != "query_stopped" || time.Since(began) > within {
				t.Errorf("after %s: %v", time.Since(began), r.err)
			}
		}
		r, execution := begin(1)
		stranger := auth.NewContext(t.Context(), auth.ServicePrincipal(w.a, "stranger", auth.Grant{Permission: auth.QueryExecute}, auth.Grant{Permission: auth.QueryHistory}))
		for _, which := range []string{execution, id.New()} {
			requireKind(t, w.StopExecution(stranger, which), problem.Forbidden)
			requireKind(t, w.StopExecution(as(t, w.b, "*"), which), problem.NotFound)
		}
		requireKind(t, w.StopExecution(t.Context(), execution), problem.Unauthenticated)
		requireKind(t, w.StopExecution(w.owner(t), id.New()), problem.NotFound)
		began := time.Now()
		if err := w.StopExecution(w.viewer(t), execution); err != nil { // his own
			t.Fatal(err)
		}
		ended(r, 2*time.Second, began)

		r, execution = begin(2)
		began = time.Now()
		if err := other.StopExecution(as(t, w.a, auth.QueryCancel), execution); err != nil {
			t.Fatal(err)
		}
		ended(r, 2*time.Second, began)
		await(t, "that is taken down", func() bool {
			list := w.executions(t, datasource.ExecutionFilter{QueryID: q.ID})
			return list[0].Status == datasource.ExecutionCancelled && list[0].ErrorCode == "query_stopped"
		})
		requireKind(t, other.StopExecution(w.owner(t), execution), problem.Conflict)
		if n := w.fake.ended.Load(); n != 2 {
			t.Errorf("%d statements have ended", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if last := w.entries[len(w.entries)-1]; last.Action != "query.cancel" || last.ObjectID != execution {
			t.Errorf("the record says %+v", last)
		}
	})
}

func TestStoppingAWaiterLeavesTheOthers(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate")})
	first := w.start(w.viewer(t), q.ID, nil)
	<-w.fake.started
	second := w.start(w.viewer(t), q.ID, nil)
	await(t, "both run", func() bool { return len(w.executions(t, datasource.ExecutionFilter{Running: true})) == 2 })
	running := w.executions(t, datasource.ExecutionFilter{Running: true})
	if err := w.StopExecution(w.owner(t), running[1].ID); err != nil {
		t.Fatal(err)
	}
	if <-first.done; problem.Of(first.err).Code != "query_stopped" {
		t.Errorf("got %v", first.err)
	}
	w.fake.open()
	if <-second.done; second.err != nil {
		t.Errorf("the other: %v", second.err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		w := setup(t, db, func(c *datasource.Config) {
			c.Clock = func() time.Time { return now }
			c.HistoryRetention = time.Hour
		})
		q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
		for _, age := range []time.Duration{2 * time.Hour, 90 * time.Minute, 30 * time.Minute} {
			at := now.Add(-age).UTC()
			exec(t, db, `INSERT INTO ?schema.jet_execution (id, tenant_id, kind, datasource_id, query_id, query_version, actor, on_behalf_of, params, status,
				error_code, row_count, cached, started_at, ends_by, stop_requested) VALUES (?, ?, 'run', ?, ?, 1, 'user:x', '', '{}', 'running', '', 0, FALSE, ?, ?, FALSE)`,
				id.First(at), w.a, q.DatasourceID, q.ID, at, at)
		}
		if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
			t.Fatal(err)
		}
		await(t, "what is old is gone", func() bool { return w.storedExecutions(t) == 2 })
		left := w.executions(t, datasource.ExecutionFilter{})
		if left[1].Status != datasource.ExecutionLost {
			t.Errorf("whose process never said how it ended: %+v", left[1])
		}
		if running := w.executions(t, datasource.ExecutionFilter{Running: true}); len(running) != 0 {
			t.Errorf("it runs: %+v", running)
		}
		requireKind(t, w.StopExecution(w.owner(t), left[1].ID), problem.Conflict)
	})
}

// storedExecutions counts those of tenant a in the database.
func (w *world) storedExecutions(t *testing.T) (n int) {
	t.Helper()
	if err := w.db.NewRaw("SELECT count(*) FROM ?schema.jet_execution WHERE tenant_id = ?", w.a).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Where nothing runs any more, what is too old is not listed, and goes when somebody
// looks.
func TestHistoryIsBoundedWhereNothingRuns(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var ahead atomic.Int64
		w := setup(t, db, func(c *datasource.Config) {
			c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			c.HistoryRetention = time.Hour
		})
		q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
		w.FillHistory(t, w.a, q.DatasourceID, 3)
		if n := len(w.executions(t, datasource.ExecutionFilter{})); n != 3 {
			t.Errorf("%d executions", n)
		}
		ahead.Store(int64(2 * time.Hour))
		if n := len(w.executions(t, datasource.ExecutionFilter{})); n != 0 {
			t.Errorf("%d executions are listed that are too old", n)
		}
		await(t, "what is old is gone", func() bool { return w.storedExecutions(t) == 0 })
	})
}

func TestHistoryOfATenantHasALimit(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
		w.FillHistory(t, w.b, q.DatasourceID, 20)
		w.FillHistory(t, w.a, q.DatasourceID, 30)
		if err := w.PruneHistory(t.Context(), w.a, 10); err != nil {
			t.Fatal(err)
		}
		if left := w.executions(t, datasource.ExecutionFilter{}); len(left) != 10 {
			t.Errorf("%d are left", len(left))
		}
		theirs, err := w.Executions(as(t, w.b, "*"), datasource.ExecutionFilter{}, page.Request{})
		if err != nil || len(theirs.Items) != 20 {
			t.Errorf("another tenant has %d, %v", len(theirs.Items), err)
		}
	})
}

// A database that is away costs executions their place in the history, and no run
// anything.
func TestRunsDoNotWaitForTheirHistory(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
	exec(t, w.db, "ALTER TABLE ?schema.jet_execution RENAME TO elsewhere")
	for range 3 {
		if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the log tells", func() bool { return strings.Contains(w.log.String(), "history") })
	exec(t, w.db, "ALTER TABLE elsewhere RENAME TO jet_execution")
	await(t, "they are taken down in the end", func() bool { return len(w.executions(t, datasource.ExecutionFilter{})) == 3 })
}

func TestHistoryAtTheEnd(t *testing.T) {
	t.Parallel()
	var cfg datasource.Config
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { cfg = *c })
	q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err == nil {
		t.Error("it runs after Close")
	}
	next, err := datasource.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	list, err := next.Executions(context.WithoutCancel(w.owner(t)), datasource.ExecutionFilter{}, page.Request{})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

// Case T57: no secret gets into what is kept of changes and runs: versions, the
// record, the history, and what was told to others.
func TestT57_WhatIsKeptHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		const canary = "c4n4ry"
		ds, err := w.Create(ctx, datasource.NewDatasource{Name: "x", Type: "fake", Settings: map[string]any{"host": "x"}, Secrets: map[string]string{"password": canary + "1", "token": canary + "2"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Secrets: map[string]string{"token": canary + "3"}, Settings: map[string]any{"mode": "slow"}}); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"ok", "fail", "panic", "refuse"} {
			q, err := w.CreateQuery(ctx, datasource.NewQuery{
				Name: word, DatasourceID: ds.ID, Operation: sqlText(word + " {{ s }} {{ l }}"), CacheTTLMS: anHour,
				Params: []datasource.Param{{Name: "s", Type: "string", Sensitive: true}, {Name: "l", Type: "json[]", Sensitive: true}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.UpdateQuery(ctx, q.ID, datasource.QueryUpdate{Description: new("again")}); err != nil {
				t.Fatal(err)
			}
			values := map[string]any{"s": canary + "4", "l": []any{canary + "5", map[string]any{"k": canary + "6"}}}
			_, _ = w.RunQuery(ctx, q.ID, values)
			_, _ = w.StreamQuery(ctx, q.ID, values, &count{})
		}
		w.executions(t, datasource.ExecutionFilter{}) // all are stored
		for _, table := range []string{"jet_datasource", "jet_query", "jet_query_version", "jet_execution"} {
			var rows []map[string]any
			if err := db.NewRaw("SELECT * FROM ?schema."+table+" /* across tenants: the test looks at all */").Scan(t.Context(), &rows); err != nil || len(rows) == 0 {
				t.Fatalf("%s: %d rows, %v", table, len(rows), err)
			}
			if text := fmt.Sprint(rows); strings.Contains(text, canary) {
				t.Errorf("%s holds a secret: %s", table, text)
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if b, _ := json.Marshal(w.entries); strings.Contains(string(b), canary) {
			t.Errorf("the record tells a secret: %s", b)
		}
		if strings.Contains(w.log.String(), canary) {
			t.Errorf("the log tells a secret: %s", w.log.String())
		}
	})
}

// Whoever lists executions right after a run finds it, also while the rows of a
// round are on their way.
func TestAListHasWhatHasJustRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		q := w.savedOn(t, "fake", "ok", datasource.NewQuery{Operation: sqlText("ok")})
		for n := range 40 {
			got, err := w.RunQuery(w.viewer(t), q.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.KickHistory()
			requireKind(t, w.StopExecution(w.viewer(t), got.ExecutionID), problem.Conflict)
			if list := w.executions(t, datasource.ExecutionFilter{QueryID: q.ID}); len(list) != n+1 || list[0].ID != got.ExecutionID {
				t.Fatalf("the list has %d of %d", len(list), n+1)
			}
		}
	})
}
