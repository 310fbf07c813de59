package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
)

// A query on a GraphQL API. Its text is constant; a parameter fills a variable.
func Example_graphql() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Variables struct{ Country string } }
		check(json.NewDecoder(r.Body).Decode(&asked))
		_ = json.NewEncoder(w).Encode(object{"data": object{"orders": []object{{"id": 7, "country": asked.Variables.Country}}}})
	}))
	defer api.Close()
	ctx, app, end := open(jetadmin.Config{
		Egress: jetadmin.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, // public addresses need no leave
	})
	defer end()

	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Orders", Type: "graphql", Settings: map[string]any{"endpoint": api.URL}})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Orders of a country", DatasourceID: ds.ID,
		Operation: json.RawMessage(`{
			"query": "query ($country: String!) { orders(country: $country) { id country } }",
			"variables": {"country": "{{ country }}"}, "rows": "/orders"
		}`),
		Params: []datasource.Param{{Name: "country", Type: datasource.ParamString, Required: true}},
	})
	check(err)
	result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"country": `DE") { secret }`})
	check(err)
	for i, column := range result.Columns {
		fmt.Println(column.Name, result.Rows[0][i])
	}
	// Output:
	// country DE") { secret }
	// id 7
}
