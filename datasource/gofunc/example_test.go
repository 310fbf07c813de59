package gofunc_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/gofunc"
)

// Customers of the host's own service become a datasource. The host gives the
// connector in Config.Connectors; here it is used by hand.
func ExampleNew() {
	type Params struct {
		Country string `json:"country"`
		MinAge  int    `json:"minAge,omitempty" jsonschema:"in years"`
	}
	type Customer struct {
		Name string          `json:"name"`
		Born datasource.Date `json:"born"`
		VIP  *bool           `json:"vip"`
	}
	customers := func(_ context.Context, p Params) ([]Customer, error) {
		return []Customer{{Name: "Zoë of " + p.Country, Born: "1990-02-28"}}, nil
	}
	connector := gofunc.New(datasource.Spec{Type: "func:customers", Title: "Customers"}, customers)

	operation, err := connector.Parse(json.RawMessage(`{"params": {"country": "{{ country }}"}}`))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	conn, err := connector.Open(ctx, datasource.Settings{})
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, datasource.Statement{
		Operation: operation, Params: map[string]any{"country": "NL"}, MaxRows: 10, MaxBytes: 1 << 20,
	})
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	row, err := rows.Next()
	for i, column := range rows.Columns() {
		fmt.Println(column.Name, column.Type, row[i])
	}
	fmt.Println(err)
	// Output:
	// name string Zoë of NL
	// born date 1990-02-28
	// vip boolean <nil>
	// <nil>
}
