package jetadmin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/problem"
)

// The schema, migrated by the host's own tool: shown first, then applied in the
// transaction of the host's own migrations.
func Example_migrate() {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	defer os.RemoveAll(dir)
	ctx := context.Background()

	db, err := jetadmin.OpenSQLite(ctx, filepath.Join(dir, "host.db"))
	check(err)
	defer db.Close()
	app, err := jetadmin.New(jetadmin.Config{DB: db, DataDir: dir})
	check(err)
	defer app.Stop(ctx)

	// A database of the host's is never changed behind his back.
	err = app.Start(ctx)
	fmt.Println("start:", problem.Of(err).Code)

	script, err := app.MigrateDryRun(ctx)
	check(err)
	fmt.Println("creates jet_tenant:", strings.Contains(script, "CREATE TABLE main.jet_tenant"))

	tx, err := db.BeginTx(ctx, nil)
	check(err)
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "CREATE TABLE shop_order (number TEXT PRIMARY KEY)")
	check(err)
	check(app.MigrateTx(ctx, tx))
	check(tx.Commit())

	script, err = app.MigrateDryRun(ctx)
	check(err)
	fmt.Printf("still to do: %q\n", script)
	fmt.Println("start:", app.Start(ctx))
	// Output:
	// start: schema_not_current
	// creates jet_tenant: true
	// still to do: ""
	// start: <nil>
}
