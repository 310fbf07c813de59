package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// storeroom is a tenant with a datasource and a query that was saved twice and run.
type storeroom struct {
	ada                              *caller
	tenant, source, query, execution string
}

func newStoreroom(t *testing.T, w *world) *storeroom {
	t.Helper()
	s := &storeroom{ada: w.as("ada")}
	s.tenant = s.ada.tenant("Store")
	source := s.ada.call("POST", s.tenant+"/datasources", `{"name":"Stock","type":"fixed","settings":{"host":"db.example.com"},"secrets":{"password":"hunter2"}}`).want(201)
	s.source = "/datasources/" + source.text("id")
	query := s.ada.call("POST", s.tenant+"/queries", map[string]any{"name": "All", "datasourceId": source.text("id"), "operation": map[string]any{}}).want(201)
	s.query = "/queries/" + query.text("id")
	s.ada.call("PATCH", s.tenant+s.query, `{"description":"everything"}`).want(200)
	s.execution = "/executions/" + s.ada.call("POST", s.tenant+s.query+"/run", nil).want(200).text("executionId")
	return s
}

// Whoever is of another tenant finds nothing, and a member without the right is
// told so; nobody learns more by what he sends.
func TestDatasourceRoutesRefuse(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := newStoreroom(t, w)
	bob, eve := w.as("bob"), w.as("eve")
	bob.call("GET", "/auth/me", nil).want(200)
	role := s.ada.call("POST", s.tenant+"/roles", `{"name":"Nothing","permissions":[]}`).want(201).text("id")
	w.addMember(s.ada, s.tenant, eve, role)
	test := `{"datasourceId":"` + strings.TrimPrefix(s.source, "/datasources/") + `","operation":{}}`
	for _, route := range []struct{ method, path, body string }{
		{"GET", "/datasource-types", ""}, {"GET", "/datasources", ""}, {"POST", "/datasources", `{"name":"x","type":"fixed","settings":{"host":"x"}}`},
		{"POST", "/datasources/test", `{"name":"x","type":"fixed","settings":{"host":"x"}}`},
		{"GET", s.source, ""}, {"PATCH", s.source, `{"name":"x"}`}, {"DELETE", s.source, ""}, {"POST", s.source + "/test", ""},
		{"GET", s.source + "/schema", ""}, {"GET", s.source + "/schema?refresh=true", ""}, {"GET", s.source + "/usage", ""},
		{"GET", "/queries", ""}, {"POST", "/queries", `{"name":"x","datasourceId":"x","operation":{}}`}, {"POST", "/queries/test", test}, {"POST", "/queries/explain", test},
		{"GET", s.query, ""}, {"PATCH", s.query, `{"name":"x"}`}, {"DELETE", s.query, ""}, {"POST", s.query + "/run", ""},
		{"GET", s.query + "/versions", ""}, {"GET", s.query + "/versions/1", ""}, {"GET", s.query + "/versions/2/diff", ""}, {"POST", s.query + "/versions/1/restore", `{}`},
		{"GET", s.query + "/executions", ""}, {"GET", "/executions", ""}, {"DELETE", s.execution, ""},
	} {
		bob.call(route.method, s.tenant+route.path, route.body).want(404)
		if refused := eve.call(route.method, s.tenant+route.path, route.body).want(403); strings.Contains(string(refused.Body), "hunter2") || strings.Contains(string(refused.Body), "Stock") {
			t.Errorf("%s: the refusal tells %s", route.path, refused.Body)
		}
	}
}

// All that is wrong with an input is told at once, each fault at its place.
func TestDatasourceRoutesTellAllFaults(t *testing.T) {
	t.Parallel()
	s := newStoreroom(t, setup(t))
	for _, c := range []struct {
		method, path, body string
		faults             []string
	}{
		{"POST", "/datasources", `{"name":"","type":"fixed","settings":{"port":1},"secrets":{"token":"x"}}`, []string{"name", "secrets.token", "settings.host", "settings.port"}},
		{"POST", "/datasources/test", `{"name":"x","type":"fixed","settings":{},"secrets":{"host":"x"}}`, []string{"secrets.host", "settings.host"}},
		{"PATCH", s.source, `{"name":"\n","settings":{"host":5}}`, []string{"name", "settings.host"}},
		{"POST", "/queries", `{"name":"","datasourceId":"x","operation":{},"rowLimit":-1,"timeoutMs":99999,"cacheTtlMs":-5}`, []string{"cacheTtlMs", "datasourceId", "name", "rowLimit", "timeoutMs"}},
		{"PATCH", s.query, `{"params":[{"name":"a b","type":"text"},{"name":"c","type":"string","sensitive":true,"default":"x"}],"transform":{"language":"expression","text":"1 +"}}`,
			[]string{"params.a b", "params.c", "transform.text"}},
		{"PATCH", s.query, `{"writes":true,"cacheTtlMs":5,"transform":{"language":"expression","text":"1"}}`, []string{"cacheTtlMs", "transform", "writes"}},
		{"PATCH", s.query, `{"transform":{"language":"basic"}}`, []string{"transform.language"}},
		{"POST", s.query + "/run", `{"params":{"a":1,"tenant.id":"x"}}`, []string{"params.a", "params.tenant.id"}},
		{"GET", s.query + "/versions/2/diff?from=0", "", []string{"from"}},
		{"GET", s.query + "/executions?running=maybe&limit=0", "", []string{"limit", "running"}},
		{"GET", s.source + "/usage?limit=500&cursor=x", "", []string{"limit"}},
	} {
		faults := map[string]bool{}
		var body any
		if c.body != "" {
			body = c.body
		}
		for _, fault := range s.ada.call(c.method, s.tenant+c.path, body).want(422).problem().Errors {
			faults[fault.Path] = true
		}
		if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, c.faults) {
			t.Errorf("%s %s: faults at %q, want %q", c.path, c.body, got, c.faults)
		}
	}
}

// Nobody overwrites what he has not seen, however he says what he has seen.
func TestDatasourceRoutesRefuseStaleChanges(t *testing.T) {
	t.Parallel()
	s := newStoreroom(t, setup(t))
	for path, change := range map[string]string{s.source: `{"name":"Renamed"%s}`, s.query: `{"name":"Renamed"%s}`} {
		patch := func(version string) string { return fmt.Sprintf(change, version) }
		etag := s.ada.call("PATCH", s.tenant+path, patch("")).want(200).Header.Get("ETag")
		s.ada.with("If-Match", etag).call("PATCH", s.tenant+path, patch("")).want(200)
		s.ada.with("If-Match", etag).call("PATCH", s.tenant+path, patch("")).want(412)
		s.ada.call("PATCH", s.tenant+path, patch(`,"version":1`)).want(412)
		s.ada.with("If-Match", etag).call("DELETE", s.tenant+path, nil).want(412)
	}
	restore := s.tenant + s.query + "/versions/1/restore"
	s.ada.call("POST", restore, `{"version":1}`).want(412)
	s.ada.with("If-Match", `"1"`).call("POST", restore, `{}`).want(412)
	seen := s.ada.call("GET", s.tenant+s.query, nil).want(200).Header.Get("ETag")
	back := s.ada.with("If-Match", seen).call("POST", restore, nil).want(200)
	if back.text("name") != "All" || back.Header.Get("ETag") == seen {
		t.Errorf("restored to %s, %s", back.Header.Get("ETag"), back.Body)
	}
}

// Cases T83 and T142: what filters, cursors and limits can be given is refused or
// finds nothing, and no list is without end.
func TestT83_T142_ListsTakeNothingElse(t *testing.T) {
	t.Parallel()
	s := newStoreroom(t, setup(t))
	lists := []string{"/datasources", "/queries", "/executions", s.query + "/executions", s.query + "/versions", s.source + "/usage"}
	for _, list := range lists {
		for _, hostile := range []string{"'", "' OR '1'='1", `"; DROP TABLE jet_query; --`, "%00", "*", "-1", "0", "1e3", "99999999999999999999", "NaN", "201", "[]", "{}", "\\", "id desc"} {
			for _, name := range []string{"limit", "cursor", "sort", "order", "filter", "q", "where", "tenantId"} {
				s.ada.call("GET", s.tenant+list+"?"+name+"="+escaped(hostile), nil).want(422)
			}
			if got := s.ada.call("GET", s.tenant+"/queries?datasourceId="+escaped(hostile), nil); got.Status != 422 {
				if items := got.want(200).field("items").([]any); len(items) != 0 {
					t.Errorf("%q finds %v", hostile, items)
				}
			}
		}
		if _, endless := s.ada.call("GET", s.tenant+list+"?limit=1", nil).want(200).field("items").([]any); !endless {
			t.Errorf("%s has no items", list)
		}
	}
}

// escaped is a text for a query string, with NUL as it comes from whoever means it.
func escaped(text string) string {
	if text == "%00" {
		return text
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// Case T54: nothing in a URL is a credential, and nothing there is taken for one.
func TestT54_DatasourceRoutesTakeNoKeyInTheURL(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := newStoreroom(t, w)
	key := s.ada.call("POST", s.tenant+"/apikeys", `{"name":"export","scopes":["*"]}`).want(201).text("key")
	for _, route := range []struct{ method, path string }{
		{"GET", s.source}, {"GET", s.source + "/usage"}, {"GET", s.query + "/versions"}, {"GET", "/executions"}, {"DELETE", s.execution}, {"POST", s.query + "/run"},
	} {
		for _, name := range []string{"api_key", "key", "token", "access_token", "X-API-Key"} {
			for _, accept := range []string{"application/json", "text/csv"} {
				path := s.tenant + route.path + "?" + name + "=" + key
				w.anonymous().with("Accept", accept).call(route.method, path, nil).want(401)
				if refused := s.ada.with("Accept", accept).call(route.method, path, nil).want(422); strings.Contains(string(refused.Body), key) {
					t.Errorf("%s repeats the key: %s", path, refused.Body)
				}
			}
		}
	}
	if strings.Contains(w.log.String(), key) {
		t.Error("the key is in the log")
	}
}
