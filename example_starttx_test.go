package jetadmin_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

// shop is a host that keeps its own tables beside those of the library.
type shop struct {
	app        *jetadmin.App
	db         *sql.DB
	tenantID   string
	workflowID string
}

// place stores an order and starts its workflow in one transaction: both are
// there, or neither is.
func (s *shop) place(ctx context.Context, order string, stock int) (run workflow.Run, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return run, err
	}
	defer tx.Rollback() // does nothing after a Commit

	if _, err := tx.ExecContext(ctx, "INSERT INTO shop_order (number) VALUES ($1)", order); err != nil {
		return run, err
	}
	// The host starts it by itself, with the one right that this takes.
	who := auth.ServicePrincipal(s.tenantID, "shop", auth.Grant{Permission: auth.WorkflowExecute, ObjectID: s.workflowID})
	run, err = s.app.Workflows().StartTx(auth.NewContext(ctx, who), tx, workflow.StartParams{
		WorkflowID: s.workflowID, Input: map[string]any{"order": order}, IdempotencyKey: order,
	})
	if err != nil {
		return run, err
	}
	if stock == 0 {
		return run, errors.New("out of stock")
	}
	return run, tx.Commit()
}

// A run that is started inside the host's own transaction: rolled back, it never
// happened.
func Example_startTx() {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	defer os.RemoveAll(dir)
	ctx := context.Background()

	// The host's database, here a file; PostgreSQL would be OpenPostgres(dsn).
	db, err := jetadmin.OpenSQLite(ctx, filepath.Join(dir, "shop.db"))
	check(err)
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE TABLE shop_order (number TEXT PRIMARY KEY)")
	check(err)

	app, err := jetadmin.New(jetadmin.Config{DB: db, DataDir: dir})
	check(err)
	check(app.Migrate(ctx))
	check(app.Start(ctx))
	defer app.Stop(ctx)

	owner, err := enter(ctx, app)
	check(err)
	id, err := publish(owner, app, "Order", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "end", Type: "end", Config: map[string]any{"output": "thank you for {{ input.order }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "end"}},
	})
	check(err)
	s := &shop{app: app, db: db, tenantID: auth.FromContext(owner).TenantID, workflowID: id}

	_, err = s.place(ctx, "A-1", 0)
	fmt.Println("A-1:", err)

	run, err := s.place(ctx, "A-2", 5)
	check(err)
	waiting, cancel := context.WithTimeout(owner, 10*time.Second)
	defer cancel()
	ended, err := app.Workflows().Wait(waiting, run.ID)
	check(err)
	fmt.Println("A-2:", ended.Status, ended.Output)

	runs, err := app.Workflows().Runs(owner, workflow.RunFilter{}, jetadmin.PageRequest{})
	check(err)
	fmt.Println("runs:", len(runs.Items))
	// Output:
	// A-1: out of stock
	// A-2: succeeded thank you for A-2
	// runs: 1
}
