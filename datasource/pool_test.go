package datasource_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// await polls until ok, with a deadline.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("in vain: ", what)
		case <-tick.C:
		}
	}
}

func (w *world) requireOpen(t *testing.T, opens, closes int64) {
	t.Helper()
	if o, c := w.fake.opens.Load(), w.fake.closes.Load(); o != opens || c != closes {
		t.Errorf("%d opened and %d closed, want %d and %d", o, c, opens, closes)
	}
}

func TestADatasourceIsOpenedOnceAndClosedWhenItChanges(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.fakeQuery(t, "ok", func(q datasource.Query) {
		w.requireOpen(t, 0, 0)
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.requireOpen(t, 1, 0)
		if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Settings: map[string]any{"mode": "slow"}}); err != nil {
			t.Fatal(err)
		}
		w.requireOpen(t, 1, 1)
		if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil || w.fake.last().String("mode") != "slow" {
			t.Errorf("opened with %v, %v", w.fake.last().Values, err)
		}
		// Another process changes it: the next run here reads the new version.
		exec(t, w.db, "UPDATE ?schema.jet_datasource SET version = version + 1 WHERE tenant_id = ? AND id = ?", w.a, q.DatasourceID)
		if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
			t.Fatal(err)
		}
		w.requireOpen(t, 3, 2)
		if err := errors.Join(w.DeleteQuery(w.owner(t), q.ID), w.Delete(w.owner(t), q.DatasourceID)); err != nil {
			t.Fatal(err)
		}
		w.requireOpen(t, 3, 3)
	})
}

func TestAConnectionInUseIsClosedByItsLastUser(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.fakeQuery(t, "wait", func(q datasource.Query) {
		ctx, cancel := context.WithCancel(w.viewer(t))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = w.RunQuery(ctx, q.ID, nil)
		}()
		<-w.fake.started
		if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Name: new("changed")}); err != nil {
			t.Fatal(err)
		}
		w.requireOpen(t, 1, 0)
		cancel()
		<-done
		w.requireOpen(t, 1, 1)
	})
}

// Who waits for his turn while the datasource is changed, or deleted, does not open
// it as it was.
func TestAWaitingCallDoesNotOpenWhatWasChanged(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.MaxStatements = 1 })
	changed := w.savedOn(t, "fake", "changed", datasource.NewQuery{Operation: sqlText("ok")})
	deleted := w.savedOn(t, "fake", "deleted", datasource.NewQuery{Operation: sqlText("ok")})
	gate := w.savedOn(t, "fake", "gate", datasource.NewQuery{Operation: sqlText("gate")})
	first := w.start(w.viewer(t), gate.ID, nil)
	<-w.fake.started
	second, third := w.start(w.viewer(t), changed.ID, nil), w.start(w.viewer(t), deleted.ID, nil)
	await(t, "both wait", func() bool { return w.Waiting(w.a) == 3 })
	if _, err := w.Update(w.owner(t), changed.DatasourceID, datasource.DatasourceUpdate{Settings: map[string]any{"mode": "slow"}}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.DeleteQuery(w.owner(t), deleted.ID), w.Delete(w.owner(t), deleted.DatasourceID)); err != nil {
		t.Fatal(err)
	}
	w.fake.open()
	<-first.done
	if <-second.done; second.err != nil || w.fake.last().String("mode") != "slow" {
		t.Errorf("opened with %v, %v", w.fake.last().Values, second.err)
	}
	<-third.done
	requireKind(t, third.err, problem.NotFound)
	w.requireOpen(t, 2, 0)
}

func TestIdleDatasourcesAreClosed(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.IdleTimeout = time.Millisecond })
	w.fakeQuery(t, "ok", func(q datasource.Query) {
		for n := int64(1); n <= 2; n++ {
			if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
				t.Fatal(err)
			}
			await(t, "the idle datasource is closed", func() bool { return w.fake.closes.Load() == n })
		}
	})
}

func TestTheNumberOfOpenDatasourcesIsBounded(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.MaxOpen = 1 })
	w.fakeQuery(t, "ok", func(first datasource.Query) {
		w.fakeQuery(t, "wait", func(second datasource.Query) {
			if _, err := w.RunQuery(w.viewer(t), first.ID, nil); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(w.viewer(t))
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = w.RunQuery(ctx, second.ID, nil)
			}()
			<-w.fake.started
			w.requireOpen(t, 2, 1)
			_, err := w.RunQuery(w.viewer(t), first.ID, nil)
			requireKind(t, err, problem.Unavailable)
			cancel()
			<-done
			if _, err := w.RunQuery(w.viewer(t), first.ID, nil); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestCloseEndsWhatRuns(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	w.fakeQuery(t, "wait", func(q datasource.Query) {
		ended := make(chan error, 1)
		go func() {
			_, err := w.RunQuery(w.viewer(t), q.ID, nil)
			ended <- err
		}()
		<-w.fake.started
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		requireKind(t, <-ended, problem.Unavailable)
		w.requireOpen(t, 1, 1)
		_, err := w.RunQuery(w.viewer(t), q.ID, nil)
		requireKind(t, err, problem.Unavailable)
		if err := w.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// Changes, deletions and runs at once leave nothing open.
func TestConcurrentChangesLeakNothing(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *datasource.Config) { c.IdleTimeout = time.Millisecond; c.MaxOpen = 2 })
	var group sync.WaitGroup
	for _, word := range []string{"ok", "panic", "fail", "big"} {
		w.fakeQuery(t, word, func(q datasource.Query) {
			for range 4 {
				group.Go(func() {
					for range 10 {
						_, _ = w.RunQuery(w.viewer(t), q.ID, nil)
					}
				})
			}
			group.Go(func() {
				for range 10 {
					if _, err := w.Update(w.owner(t), q.DatasourceID, datasource.DatasourceUpdate{Description: new("x")}); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
	group.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if o, c := w.fake.opens.Load(), w.fake.closes.Load(); o == 0 || o != c {
		t.Errorf("%d opened, %d closed", o, c)
	}
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ctx := w.owner(t)
	ds := w.shopSource(t)
	report, err := w.TestSaved(ctx, ds.ID)
	if err != nil || !report.OK || len(report.Steps) != 2 || report.Steps[1].Status != datasource.StepOK {
		t.Errorf("got %+v, %v", report, err)
	}
	report, err = w.Test(ctx, datasource.NewDatasource{Type: "sqlite", Settings: map[string]any{"file": "missing.db"}})
	if err != nil || report.OK || len(report.Steps) != 1 || report.Steps[0].Message == "" || report.Steps[0].Remedy == "" {
		t.Errorf("got %+v, %v", report, err)
	}
	w.fake.set(errors.New("dial fake://canary"))
	report, err = w.Test(ctx, datasource.NewDatasource{Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil || report.OK || report.Steps[0].Message == "dial fake://canary" {
		t.Errorf("got %+v, %v", report, err)
	}
	if w.log.String() == "" {
		t.Error("the cause is not in the log")
	}
}

// Case T77: tests are limited per tenant.
func TestT77_ConnectionTestsAreRateLimited(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := datasource.NewDatasource{Type: "fake", Settings: map[string]any{"host": "x"}}
	var err error
	for range 100 {
		if _, err = w.Test(w.owner(t), in); err != nil {
			break
		}
	}
	requireKind(t, err, problem.RateLimited)
	if problem.Of(err).RetryAfter <= 0 {
		t.Error("it does not say when to try again")
	}
	if _, err := w.Test(as(t, w.b, "*"), in); err != nil {
		t.Errorf("another tenant: %v", err)
	}
}
