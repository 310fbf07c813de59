package jetadmin_test

import (
	"context"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// Lists of runs on PostgreSQL, each filter and those that hit nothing among them,
// the first page and one from the middle. JETADMIN_BENCH_RUNS is how many runs the
// tenant has.
func BenchmarkListRuns(b *testing.B) {
	cfg, db := quiet(b), testdb.Postgres(b)
	cfg.DB, cfg.Schema = db.DB.DB, db.Schema()
	app := jetadmintest.Start(b, cfg)
	ctx := app.Owner.Context(b.Context())
	graph := line(1, workflow.GraphNode{Type: "transform", Config: object{"value": 1}})
	busy := app.Publish(ctx, workflow.NewWorkflow{Name: "busy", Draft: graph})
	rare := app.Publish(ctx, workflow.NewWorkflow{Name: "rare", Draft: graph})
	makeRuns(b, db, busy, rare, sized(b, "JETADMIN_BENCH_RUNS", 20_000))
	for _, f := range []struct {
		name   string
		filter workflow.RunFilter
	}{
		{"all", workflow.RunFilter{}},
		{"workflow", workflow.RunFilter{WorkflowID: busy}},
		{"rare workflow", workflow.RunFilter{WorkflowID: rare}},
		{"succeeded", workflow.RunFilter{Status: workflow.RunSucceeded}},
		{"failed", workflow.RunFilter{Status: workflow.RunFailed}},
		{"running", workflow.RunFilter{Status: workflow.RunRunning}},
		{"workflow and succeeded", workflow.RunFilter{WorkflowID: busy, Status: workflow.RunSucceeded}},
		{"workflow and failed", workflow.RunFilter{WorkflowID: rare, Status: workflow.RunFailed}},
		{"workflow and failed, none", workflow.RunFilter{WorkflowID: busy, Status: workflow.RunFailed}},
		{"tests, none", workflow.RunFilter{Test: true}},
		{"tests and failed, none", workflow.RunFilter{Test: true, Status: workflow.RunFailed}},
	} {
		b.Run(f.name, func(b *testing.B) { benchRunList(ctx, b, app, f.filter) })
	}
}

func benchRunList(ctx context.Context, b *testing.B, app *jetadmintest.App, f workflow.RunFilter) {
	var cursor string
	for range 20 { // somewhere in the middle
		p, err := app.Workflows().Runs(ctx, f, page.Request{Limit: 100, Cursor: cursor})
		must(b, err)
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	var took []time.Duration
	for b.Loop() {
		for _, r := range []page.Request{{Limit: 50}, {Limit: 100, Cursor: cursor}} {
			since := time.Now()
			_, err := app.Workflows().Runs(ctx, f, r)
			must(b, err)
			took = append(took, time.Since(since))
		}
	}
	reportPercentiles(b, took)
}

// makeRuns makes runs that have ended, and a few that have not: nine of ten of
// the busy workflow, none of which failed.
func makeRuns(b *testing.B, db *store.DB, busy, rare string, n int) {
	b.Helper()
	newID := "(lpad(to_hex(1700000000000 + i * 100), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid"
	_, err := db.NewRaw(`INSERT INTO ?schema.jet_run (id, tenant_id, workflow_id, workflow_version, status, trigger, started_by, on_behalf_of,
			open_nodes, waiting_nodes, created_at, started_at, finished_at)
		SELECT `+newID+`, w.tenant_id, w.id, 1,
			CASE WHEN i % 100000 = 0 THEN 'running' WHEN w.id = ?::uuid AND i % 4 = 0 THEN 'failed' ELSE 'succeeded' END, 'api', 'user:x', '', 0, 0,
			now(), now(), now()
		FROM generate_series(1, ?) AS i JOIN ?schema.jet_workflow AS w /* across tenants: a table to list */
			ON w.id = CASE WHEN i % 10 = 0 THEN ?::uuid ELSE ?::uuid END`, rare, n, rare, busy).Exec(b.Context())
	must(b, err)
	_, err = db.NewRaw("ANALYZE ?schema.jet_run").Exec(b.Context())
	must(b, err)
}
