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

// A query on an HTTP API. The token is the datasource's; a parameter fills one
// segment of the path, whatever it holds.
func Example_rest() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(object{"lines": []object{{"article": "ink", "path": r.URL.EscapedPath()}}})
	}))
	defer api.Close()
	ctx, app, end := open(jetadmin.Config{
		Egress: jetadmin.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, // public addresses need no leave
	})
	defer end()

	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{
		Name: "Orders", Type: "rest", Settings: map[string]any{"baseUrl": api.URL, "auth": "bearer"}, Secrets: map[string]string{"token": "a-token"},
	})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Lines", DatasourceID: ds.ID, Operation: json.RawMessage(`{"path": "/orders/{{ id }}/lines", "rows": "/lines"}`),
		Params: []datasource.Param{{Name: "id", Type: datasource.ParamString, Required: true}},
	})
	check(err)
	result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"id": "7/../8"})
	check(err)
	fmt.Println(result.Rows[0]...)
	// Output:
	// ink /orders/7%2F..%2F8/lines
}
