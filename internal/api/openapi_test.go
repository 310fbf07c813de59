package api

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
)

// The document is OpenAPI 3.1 and has every operation, with its declaration;
// every schema in it is one, and every example fits its schema.
func TestDocument(t *testing.T) {
	t.Parallel()
	w := setup(t)
	answer := w.as("ada").call("GET", "/openapi.json", nil).want(200)
	if got := answer.Header.Get("Content-Type"); got != jsonType {
		t.Fatalf("it comes as %q", got)
	}
	doc := w.document()
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Servers[0].URL != basePath+apiPrefix {
		t.Fatalf("openapi %s at %s", doc.OpenAPI, doc.Servers[0].URL)
	}
	for name, schema := range doc.Components.Schemas {
		if !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(name) {
			t.Errorf("schema %q has no name for people", name)
		}
		w.resolve(schema)
	}
	routes, ids := 0, map[string]bool{}
	for path, methods := range doc.Paths {
		for method, route := range methods {
			routes++
			if ids[route.OperationID] {
				t.Errorf("two operations are %s", route.OperationID)
			}
			ids[route.OperationID] = true
			checkRoute(t, w, path, method, route)
		}
	}
	if operations := w.api.Operations(); routes != len(operations) {
		t.Fatalf("%d routes in the document, %d operations", routes, len(operations))
	}
	for _, op := range w.api.Operations() {
		route, ok := doc.Paths[op.Path][strings.ToLower(op.Method)]
		switch {
		case !ok:
			t.Errorf("%s %s is not in the document", op.Method, op.Path)
		case route.OperationID != op.ID || route.Access != string(op.Access) || route.Permission != string(op.Permission):
			t.Errorf("%s is documented as %+v", op.ID, route)
		case (len(route.Security) == 0) != (op.Access == Public) || route.Security == nil || slices.ContainsFunc(route.Security, isNone) != (op.Access == Anyone):
			t.Errorf("%s is %s and has the security %v", op.ID, op.Access, route.Security)
		case op.Root && route.Servers[0].URL != basePath:
			t.Errorf("%s is at %v", op.ID, route.Servers)
		}
	}
}

func isNone(credential map[string][]string) bool { return len(credential) == 0 }

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

func checkRoute(t *testing.T, w *world, path, method string, route documentedRoute) {
	t.Helper()
	name := method + " " + path
	if route.Summary == "" || len(route.Responses) == 0 {
		t.Errorf("%s is not described", name)
	}
	for _, found := range pathParam.FindAllStringSubmatch(path, -1) {
		declared := false
		for _, p := range route.Parameters {
			declared = declared || p.In == "path" && p.Name == found[1] && p.Required
		}
		if !declared {
			t.Errorf("%s does not declare {%s}", name, found[1])
		}
	}
	for _, p := range route.Parameters {
		w.resolve(p.Schema)
		if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
			t.Errorf("%s declares {%s}, which it does not have", name, p.Name)
		}
	}
	for status, response := range route.Responses {
		if response.Description == "" {
			t.Errorf("%s: the response %s has no description", name, status)
		}
		for _, content := range response.Content {
			if content.Schema != nil {
				w.resolve(content.Schema)
			}
		}
	}
	for _, content := range route.RequestBody.Content {
		schema := w.resolve(content.Schema)
		if content.Example == nil {
			continue
		}
		var example any
		must(t, json.Unmarshal(content.Example, &example))
		if err := schema.Validate(example); err != nil {
			t.Errorf("%s: the example does not fit: %v", name, err)
		}
	}
}

// Creations say where the object is, and take an idempotency key; what changes
// an object says that it can be stale.
func TestConventionsAreDocumented(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, op := range w.api.Operations() {
		route := w.document().Paths[op.Path][strings.ToLower(op.Method)]
		takesKey := slices.ContainsFunc(route.Parameters, func(p struct {
			Name, In string
			Required bool
			Schema   json.RawMessage
		}) bool {
			return p.Name == idempotencyHeader && p.In == "header"
		})
		if takesKey != op.idempotent() {
			t.Errorf("%s: takes an idempotency key: %v", op.ID, takesKey)
		}
		if _, stale := route.Responses["412"]; stale != (op.Method == http.MethodPatch || op.Method == http.MethodPut && !op.Raw) {
			t.Errorf("%s: 412 is documented: %v", op.ID, stale)
		}
	}
}

// An operation that does not say who may call it does not come to be.
func TestUndeclaredOperation(t *testing.T) {
	t.Parallel()
	good := Operation{
		ID: "x", Method: "GET", Path: "/tenants/{tenantId}/x", Access: InTenant, Permission: auth.QueryRead, Tag: "test", Summary: "X",
	}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(op *Operation){
		"no access":                      func(op *Operation) { op.Access = "" },
		"unknown access":                 func(op *Operation) { op.Access = "everybody" },
		"no permission":                  func(op *Operation) { op.Permission = "" },
		"public below a tenant":          func(op *Operation) { op.Access, op.Permission = Public, "" },
		"signed in below a tenant":       func(op *Operation) { op.Access, op.Permission = SignedIn, "" },
		"permission without a tenant":    func(op *Operation) { op.Path = "/x" },
		"public with a permission":       func(op *Operation) { op.Access, op.Path = Public, "/x" },
		"tenant somewhere in the path":   func(op *Operation) { op.Path = "/x/tenants/{tenantId}/x" },
		"tenant under another parameter": func(op *Operation) { op.Path = "/tenants/{id}/x" },
		"no id":                          func(op *Operation) { op.ID = "" },
		"no method":                      func(op *Operation) { op.Method = "" },
		"no path":                        func(op *Operation) { op.Path = "" },
		"no summary":                     func(op *Operation) { op.Summary = "" },
		"no tag":                         func(op *Operation) { op.Tag = "" },
	} {
		op := good
		spoil(&op)
		if op.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	w := setup(t)
	a, err := newAPI(w.cfg)
	must(t, err)
	register(a, Operation{ID: "x", Method: "GET", Path: "/x", Tag: "test", Summary: "X"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	if a.finish() == nil || len(a.Operations()) != 0 {
		t.Fatal("the operation is there")
	}
}

func TestConfigNamesItsField(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for field, spoil := range map[string]func(c *Config){
		"AllowedOrigins": func(c *Config) { c.AllowedOrigins = []string{"console.example.com/path"} },
		"Auth":           func(c *Config) { c.Auth = nil },
		"BasePath":       func(c *Config) { c.BasePath = "admin/" },
		"DB":             func(c *Config) { c.DB = nil },
		"Hub":            func(c *Config) { c.Hub = nil },
		"Keys":           func(c *Config) { c.Keys = nil },
		"MaxBody":        func(c *Config) { c.MaxBody = -1 },
		"SocketIO":       func(c *Config) { c.SocketIO = nil },
		"Workflows":      func(c *Config) { c.Workflows = nil },
	} {
		cfg := w.cfg
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "api.Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
