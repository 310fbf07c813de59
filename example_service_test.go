package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/service"
)

// A service of one's own is a description of its requests. slack, stripe and the
// others that are built in are no more than that.
func Example_service() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ticket struct{ Subject string }
		check(json.NewDecoder(r.Body).Decode(&ticket))
		_ = json.NewEncoder(w).Encode(object{"number": 12, "subject": ticket.Subject, "by": r.Header.Get("Authorization")})
	}))
	defer api.Close()
	spec, err := service.Parse([]byte(`{
		"type": "tickets", "title": "Tickets", "baseUrl": "` + api.URL + `",
		"fields": [{"name": "key", "title": "Key", "type": "string", "required": true, "secret": true}],
		"auth": {"type": "bearer", "secret": "key"},
		"ping": "me",
		"operations": [{"name": "me", "title": "The account", "path": "/me"}, {
			"name": "createTicket", "title": "Create a ticket", "writes": true, "method": "POST", "path": "/tickets",
			"body": {"subject": "{{ subject }}"},
			"params": [{"name": "subject", "type": "string", "required": true}]
		}]
	}`))
	check(err)
	tickets, err := service.New(spec)
	check(err)
	ctx, app, end := open(jetadmin.Config{
		Connectors: []datasource.Connector{tickets},
		Egress:     jetadmin.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, // public addresses need no leave
	})
	defer end()

	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Support", Type: "tickets", Secrets: map[string]string{"key": "a-key"}})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Ask support", DatasourceID: ds.ID, Writes: true,
		Operation: json.RawMessage(`{"operation": "createTicket", "args": {"subject": "Order {{ id }}"}}`),
		Params:    []datasource.Param{{Name: "id", Type: datasource.ParamInteger, Required: true}},
	})
	check(err)
	result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"id": 7})
	check(err)
	for i, column := range result.Columns {
		fmt.Println(column.Name, result.Rows[0][i])
	}
	// Output:
	// by Bearer a-key
	// number 12
	// subject Order 7
}
