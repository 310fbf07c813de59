package jetadmin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// A saved query on a datasource, run from Go. Its parameters have types and are
// bound, never pasted into the SQL.
func Example_query() {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	defer os.RemoveAll(dir)

	app, err := jetadmin.New(jetadmin.Config{DataDir: dir})
	check(err)
	check(app.Start(context.Background()))
	defer app.Stop(context.Background())
	ctx, err := enter(context.Background(), app)
	check(err)

	// A tenant's SQLite files are in a folder of its own below DataDir.
	check(fillStock(ctx, filepath.Join(dir, "files", auth.FromContext(ctx).TenantID, "stock.db")))
	stock, err := app.Datasources().Create(ctx, datasource.NewDatasource{
		Name: "Stock", Type: "sqlite", Settings: map[string]any{"file": "stock.db"}, ReadOnly: true,
	})
	check(err)
	low, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Low stock", DatasourceID: stock.ID,
		Operation: json.RawMessage(`{"text": "SELECT name, left FROM item WHERE left < {{below}} ORDER BY name"}`),
		Params:    []datasource.Param{{Name: "below", Type: datasource.ParamInteger, Default: 10}},
	})
	check(err)

	for _, params := range []map[string]any{nil, {"below": 3}, {"below": "3 OR 1=1"}} {
		result, err := app.Datasources().RunQuery(ctx, low.ID, params)
		if err != nil {
			fmt.Println(problem.KindOf(err), problem.Of(err).Faults[0].Path)
			continue
		}
		fmt.Println(result.RowCount, result.Rows)
	}
	// Output:
	// 2 [[ink 2] [paper 7]]
	// 1 [[ink 2]]
	// invalid params.below
}

// fillStock stands for a database that was there before.
func fillStock(ctx context.Context, path string) error {
	db, err := jetadmin.OpenSQLite(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE item (name TEXT, left INTEGER);
		INSERT INTO item VALUES ('ink', 2), ('paper', 7), ('pens', 40)`)
	return err
}
