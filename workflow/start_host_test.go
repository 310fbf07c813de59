package workflow_test

import (
	"context"
	"database/sql"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A start inside the caller's own transaction waits for what that transaction
// holds: the lock of SQLite, or the last connection of a pool. It ends, and the
// lease of the process does not.
func TestStartInsideAHostsTransactionEnds(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, func(c *workflow.Config) { c.Lease = 4 * time.Second })
		w := b.publish(t, chain())
		if db.Dialect == store.PostgreSQL {
			db.SetMaxOpenConns(1)
		}
		tx, err := db.DB.DB.BeginTx(b.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
		took := time.Since(began)
		if p := problem.Of(err); err == nil || p.Kind != problem.Unavailable || !strings.Contains(p.Remedy, "StartTx") || p.RetryAfter == 0 {
			t.Errorf("it ended with %+v", p)
		}
		if took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if db.Dialect == store.PostgreSQL {
			db.SetMaxOpenConns(8)
		}
		if d := b.run(t, w, nil); d.Status != workflow.RunSucceeded {
			t.Errorf("the next run is %s", d.Status)
		}
	})
}

// Whoever gives up first is told so, and not that the database is slow.
func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	w := b.publish(t, chain())
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.Start(ctx, workflow.StartParams{WorkflowID: w}); problem.Is(err, problem.Unavailable) || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestStartTxRefusesTransactionsThatDoNotServe(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db)
		w := b.publish(t, chain())
		ended, err := db.DB.DB.BeginTx(b.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := ended.Rollback(); err != nil {
			t.Fatal(err)
		}
		elsewhere, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "other.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		other, err := elsewhere.BeginTx(b.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Rollback() }()
		for code, tx := range map[string]*sql.Tx{"tx_missing": nil, "tx_ended": ended, "tx_of_another_database": other} {
			_, err := b.StartTx(b.ctx, tx, workflow.StartParams{WorkflowID: w})
			if p := problem.Of(err); err == nil || p.Kind != problem.Invalid || p.Code != code || p.Remedy == "" {
				t.Errorf("%s: %+v", code, p)
			}
		}
	})
}

func refusesConfig[C any](t *testing.T) {
	t.Helper()
	n := workflow.NodeFunc(workflow.NodeSpec{Type: "odd"}, func(context.Context, *workflow.Call, C) (any, error) { return nil, nil })
	if err := workflow.CheckNode(n); err == nil || !strings.Contains(err.Error(), `"odd"`) {
		t.Errorf("%T is taken: %v", *new(C), err)
	}
}

// A configuration is an object: what cannot hold one would fail in every run.
func TestNodeFuncNeedsAStruct(t *testing.T) {
	t.Parallel()
	refusesConfig[string](t)
	refusesConfig[int](t)
	refusesConfig[[]string](t)
	refusesConfig[any](t)
	refusesConfig[time.Time](t)
	refusesConfig[map[int]string](t)
	refusesConfig[chan int](t)
	type config struct{ A int }
	for _, n := range []workflow.Node{
		workflow.NodeFunc(workflow.NodeSpec{Type: "a"}, func(context.Context, *workflow.Call, config) (any, error) { return nil, nil }),
		workflow.NodeFunc(workflow.NodeSpec{Type: "a"}, func(context.Context, *workflow.Call, map[string]any) (any, error) { return nil, nil }),
	} {
		if err := workflow.CheckNode(n); err != nil {
			t.Error(err)
		}
	}
}

// What a host hands in and JSON cannot hold is a fault of its place, not a panic.
func TestInputsThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	w := b.publish(t, chain())
	done := b.run(t, w, nil)
	for name, value := range map[string]any{"channel": make(chan int), "function": func() {}, "not a number": math.NaN()} {
		input := map[string]any{"x": value}
		_, started := b.Start(b.ctx, workflow.StartParams{WorkflowID: w, Input: input})
		_, replayed := b.Replay(b.ctx, done.ID, input, workflow.VersionSame)
		_, tested := b.Test(b.ctx, workflow.TestParams{Graph: chain(), Input: input})
		for _, err := range []error{started, replayed, tested} {
			if p := problem.Of(err); p.Kind != problem.Invalid || len(p.Faults) != 1 || p.Faults[0].Path != "input" {
				t.Errorf("%s: got %+v", name, p)
			}
		}
		_, err := b.Test(b.ctx, workflow.TestParams{Graph: chain(), Pins: map[string]workflow.Pin{"end": {Output: value}}})
		if p := problem.Of(err); p.Kind != problem.Invalid || len(p.Faults) == 0 || !strings.HasPrefix(p.Faults[0].Path, "pins.") {
			t.Errorf("%s in a pin: got %+v", name, p)
		}
	}
}

// A status that there is not finds nothing, and says so.
func TestRunsOfAnUnknownStatus(t *testing.T) {
	t.Parallel()
	b := newBundle(t, testdb.SQLite(t))
	if _, err := b.Runs(b.ctx, workflow.RunFilter{Status: "sucess"}, page.Request{}); !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
}
