package datasource_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/datasource/service"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// A client secret is sent to the token URL: another one, or another client, does
// not get what was entered before.
func TestT63_AnotherTokenURLForgetsTheClientSecret(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(cfg *datasource.Config) { cfg.Connectors = append(cfg.Connectors, rest.Connector()) })
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{
		Name: "api", Type: "rest",
		Settings: map[string]any{"baseUrl": "https://api.test/", "auth": "oauth2", "tokenUrl": "https://login.test/token", "clientId": "me"},
		Secrets:  map[string]string{"clientSecret": "canary"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for field, v := range map[string]string{"tokenUrl": "https://evil.test/token", "clientId": "other", "baseUrl": "https://evil.test/"} {
		_, err := w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{field: v}})
		if got := paths(t, err); len(got) != 1 || got[0] != "secrets.clientSecret" {
			t.Errorf("%s: the faults are at %q", field, got)
		}
	}
	got, err := w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"scope": "more"}})
	if err != nil || got.Secrets["clientSecret"] != datasource.SecretSet {
		t.Errorf("another scope: %v, %v", got.Secrets, err)
	}
}

// A document becomes queries that are saved as they are, and send what it says.
func TestQueriesAreSuggestedFromOpenAPI(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- r.Method + " " + r.RequestURI + " " + string(body)
		_, _ = io.WriteString(w, `{"items": [{"id": 1}, {"id": 2}]}`)
	}))
	t.Cleanup(server.Close)
	w := setup(t, testdb.SQLite(t), func(cfg *datasource.Config) {
		cfg.Connectors = append(cfg.Connectors, rest.Connector())
		cfg.Egress = egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	document, err := os.ReadFile("internal/openapi/testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in, err := w.Suggest(as(t, w.a, auth.QueryCreate), "rest", document)
	if err != nil || len(in.Suggestions) != 6 {
		t.Fatalf("%d suggestions, %v", len(in.Suggestions), err)
	}
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "api", Type: "rest", Settings: map[string]any{"baseUrl": server.URL + "/v2"}})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]struct {
		params map[string]any
		want   string
	}{
		"listOrders": {map[string]any{"status": []any{"open", "paid"}, "since": "2024-01-02T03:04:05Z", "filter": map[string]any{"country": "NL"}},
			"GET /v2/orders?filter%5Bcountry%5D=NL&limit=20&since=2024-01-02T03%3A04%3A05Z&status=open&status=paid "},
		"createOrder": {map[string]any{"customer": "0190163d-8694-739b-aea5-966c26f8ad91", "address_country": "NL"},
			`POST /v2/orders {"address":{"country":"NL"},"customer":"0190163d-8694-739b-aea5-966c26f8ad91","gift":false}`},
		"changeLine":                           {map[string]any{"order_id": "o_1", "no": 2, "quantity": 3}, `PATCH /v2/orders/o_1/lines/2 {"quantity":3}`},
		"DELETE /orders/{order-id}/lines/{no}": {map[string]any{"order_id": "o_1", "no": 2}, "DELETE /v2/orders/o_1/lines/2 "},
		"pay":                                  {map[string]any{"amount": 1.5, "tags": []any{"a", "b"}, "metadata": map[string]any{"k": "v"}}, "POST /v2/pay amount=1.5&metadata%5Bk%5D=v&tags=a&tags=b"},
		"bulk":                                 {map[string]any{"body": []any{map[string]any{"customer": "x"}}}, `POST /v2/bulk [{"customer":"x"}]`},
	}
	for _, s := range in.Suggestions {
		q, err := w.CreateQuery(w.owner(t), datasource.NewQuery{Name: s.Name, Description: s.Description, DatasourceID: ds.ID, Operation: s.Operation, Params: s.Params, Writes: s.Writes})
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		result, err := w.RunQuery(w.owner(t), q.ID, values[s.Name].params)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if got := <-requests; got != values[s.Name].want {
			t.Errorf("%s sends %s, want %s", s.Name, got, values[s.Name].want)
		}
		if s.Name == "listOrders" && fmt.Sprint(result.Rows) != "[[1] [2]]" {
			t.Errorf("the rows are %v", result.Rows)
		}
	}
}

// T76: nothing is fetched, whatever a document refers to, and its size has a limit.
func TestT76_AnImportFetchesNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was fetched", r.URL) }))
	t.Cleanup(server.Close)
	w := setup(t, testdb.SQLite(t), func(cfg *datasource.Config) {
		cfg.Connectors = append(cfg.Connectors, rest.Connector())
		cfg.Egress = egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	in, err := w.Suggest(w.owner(t), "rest", []byte(strings.ReplaceAll(`
openapi: 3.1.0
jsonSchemaDialect: URL/dialect
servers: [{url: URL/api}]
externalDocs: {url: URL/docs}
paths:
  /a: {$ref: 'URL/paths.yaml'}
  /b: {get: {parameters: [{$ref: 'URL/p.yaml#/x'}]}}
  /c: {get: {parameters: [{name: q, in: query, schema: {$ref: 'URL/s.yaml'}}]}}
  /d: {post: {requestBody: {$ref: 'file:///etc/passwd'}}}
  /e: {post: {requestBody: {content: {application/json: {schema: {$id: 'URL/e', type: object, properties: {a: {$ref: 'e.json'}}}}}}}}
  /f: {get: {responses: {'200': {$ref: 'URL/r.yaml'}}}}
`, "URL", server.URL)))
	if err != nil || len(in.Suggestions) != 1 || len(in.Skipped) != 5 {
		t.Errorf("got %+v, %v", in, err)
	}
	_, err = w.Suggest(w.owner(t), "rest", make([]byte, datasource.MaxDescription+1))
	requireKind(t, err, problem.TooLarge)
	_, err = w.Suggest(w.owner(t), "sqlite", []byte("x"))
	requireKind(t, err, problem.Conflict)
	_, err = w.Suggest(w.viewer(t), "rest", []byte("x"))
	requireKind(t, err, problem.Forbidden)
}

// The key of a service account is a file of several lines; it is sealed as any
// other secret, and no setting takes it elsewhere.
func TestServicesAreSavedAndRead(t *testing.T) {
	t.Parallel()
	services, err := service.Builtins()
	if err != nil {
		t.Fatal(err)
	}
	w := setup(t, testdb.SQLite(t), func(cfg *datasource.Config) { cfg.Connectors = append(cfg.Connectors, services...) })
	_, err = w.Create(w.owner(t), datasource.NewDatasource{
		Name: "reports", Type: "googleanalytics", Settings: map[string]any{"propertyId": "1"}, Secrets: map[string]string{"credentials": "{\n\"type\": \"canary\"\n}"},
	})
	if got := paths(t, err); fmt.Sprint(got) != "[secrets.credentials]" || strings.Contains(err.Error(), "canary") {
		t.Errorf("a key that is none: %v", err)
	}
	for _, secret := range []string{"a\x00b", strings.Repeat("x", 1<<20)} {
		_, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "x", Type: "googleanalytics", Settings: map[string]any{"propertyId": "1"}, Secrets: map[string]string{"credentials": secret}})
		if got := paths(t, err); fmt.Sprint(got) != "[secrets.credentials]" {
			t.Errorf("%.10q: %v", secret, err)
		}
	}
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "texts", Type: "twilio", Settings: map[string]any{"accountSid": "AC1"}, Secrets: map[string]string{"authToken": "canary"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"accountSid": "AC2"}})
	if got := paths(t, err); fmt.Sprint(got) != "[secrets.authToken]" { // T63
		t.Errorf("another account: %v", err)
	}
	send := datasource.NewQuery{
		Name: "send", DatasourceID: ds.ID, Writes: true,
		Operation: []byte(`{"operation": "sendMessage", "args": {"to": "{{ to }}", "from": "+15550001", "body": "Dear {{ name }}"}}`),
		Params:    []datasource.Param{{Name: "to", Type: datasource.ParamString}, {Name: "name", Type: datasource.ParamString}},
	}
	if _, err := w.CreateQuery(w.owner(t), send); err != nil {
		t.Error(err)
	}
	send.Name, send.Writes = "unmarked", false
	_, err = w.CreateQuery(w.owner(t), send)
	if got := paths(t, err); fmt.Sprint(got) != "[writes]" {
		t.Errorf("a query that is not marked as writing: %v", err)
	}
}
