package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/upload"
)

// A query on a workbook that somebody has uploaded.
func Example_excel() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	workbook, err := os.Open("internal/xlsx/testdata/excelize.xlsx")
	check(err)
	defer workbook.Close()
	file, err := app.Files().Create(ctx, upload.NewFile{Name: "stock.xlsx", Content: workbook})
	check(err)
	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Stock", Type: "excel", Settings: map[string]any{"file": file.ID}})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "At least", DatasourceID: ds.ID,
		Operation: json.RawMessage(`{"sheet": "Sheet1", "columns": ["whole", "day"], "where": [{"column": "whole", "op": "gte", "value": "{{ least }}"}]}`),
		Params:    []datasource.Param{{Name: "least", Type: datasource.ParamInteger, Required: true}},
	})
	check(err)
	result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"least": 1})
	check(err)
	for _, row := range result.Rows {
		fmt.Println(row...)
	}
	// Output:
	// 42 2024-02-29
	// 9007199254740993 1900-01-01
}
