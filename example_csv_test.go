package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/upload"
)

// A query on a CSV file that somebody has uploaded.
func Example_csv() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	file, err := app.Files().Create(ctx, upload.NewFile{Name: "orders.csv", Content: strings.NewReader("country;total\nDE;12,50\nFR;7,25\nDE;100,00\n")})
	check(err)
	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Orders", Type: "csv", Settings: map[string]any{"file": file.ID, "decimal": ","}})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Orders of a country", DatasourceID: ds.ID,
		Operation: json.RawMessage(`{"columns": ["total"], "where": [{"column": "country", "value": "{{ country }}"}]}`),
		Params:    []datasource.Param{{Name: "country", Type: datasource.ParamString, Required: true}},
	})
	check(err)
	result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"country": "DE"})
	check(err)
	fmt.Println(result.Columns[0].Name, result.Columns[0].Type, result.Rows)
	// Output:
	// total number [[12.5] [100]]
}
