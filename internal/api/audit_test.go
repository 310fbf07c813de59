package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
)

// take reads an export over a real connection.
func take(t *testing.T, c *caller, path string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(c.w.api)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+c.w.cfg.BasePath+apiPrefix+path, nil)
	must(t, err)
	r.Header = c.header.Clone()
	reply, err := server.Client().Do(r)
	must(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	must(t, err)
	return reply, string(text)
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("=Acme")
	const roles = 60
	for i := range roles {
		ada.call("POST", tenant+"/roles", map[string]any{"name": fmt.Sprint("=role ", i), "permissions": []string{}}).want(201)
	}
	reply, text := take(t, ada, tenant+"/audit/export?action=role.create")
	if reply.StatusCode != 200 || reply.Header.Get("Content-Type") != ndjsonType || reply.Trailer.Get(rowCountTrailer) != fmt.Sprint(roles) {
		t.Fatalf("%v %v", reply, reply.Trailer)
	}
	lines, last := 0, int64(0)
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); lines++ {
		var e audit.Event
		must(t, json.Unmarshal(scan.Bytes(), &e))
		if e.Action != "role.create" || e.Seq <= last || len(e.Hash) != 64 {
			t.Fatalf("line %d is %+v", lines, e)
		}
		last = e.Seq
	}
	if lines != roles {
		t.Errorf("%d lines", lines)
	}
	reply, text = take(t, ada, tenant+"/audit/export?format=csv&action=role.create")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	must(t, err)
	if reply.Header.Get("Content-Type") != csvType || len(rows) != roles+1 || rows[0][0] != "seq" || rows[1][4] != "role.create" {
		t.Errorf("%v: %d rows, %v", reply.Header, len(rows), rows[:1])
	}
	checkHeaders(t, &answer{t: t, what: "export", Header: reply.Header})
	if _, text = take(t, ada, tenant+"/audit/export?action=nothing"); text != "" {
		t.Errorf("an empty export is %q", text)
	}
	// Who took the record along is in it.
	if _, text = take(t, ada, tenant+"/audit/export?action=audit.export"); strings.Count(text, "\n") != 3 || !strings.Contains(text, `"action":"role.create"`) {
		t.Errorf("the exports are %q", text)
	}
}

func TestAuditFiltersAndFacets(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	ada.tenant("Other") // T6: what is there is in no number here
	for i := range 3 {
		w.advance(time.Second)
		ada.call("POST", tenant+"/roles", map[string]any{"name": fmt.Sprint("role ", i), "permissions": []string{}}).want(201)
	}
	var facets audit.Facets
	ada.call("GET", tenant+"/audit/facets", nil).want(200).into(&facets)
	if facets.Events != 4 || facets.Partial || len(facets.Actions) != 2 || facets.Actions[0] != (audit.Facet{Value: "role.create", Events: 3}) ||
		len(facets.Actors) != 1 || facets.Actors[0].Events != 4 || len(facets.ObjectTypes) != 2 {
		t.Errorf("%+v", facets)
	}
	ada.call("GET", tenant+"/audit/facets?action=tenant.create", nil).want(200).into(&facets)
	if facets.Events != 1 || len(facets.ObjectTypes) != 1 {
		t.Errorf("%+v", facets)
	}
	var list struct{ Items []audit.Event }
	ada.call("GET", tenant+"/audit", nil).want(200).into(&list)
	moment := url.QueryEscape(list.Items[1].Time.Format("2006-01-02T15:04:05.999999Z07:00"))
	for query, want := range map[string]int{"from=" + moment: 2, "until=" + moment: 2, "from=" + moment + "&until=" + moment: -1, "from=2020-01-01T00:00:00Z": 4} {
		got := ada.call("GET", tenant+"/audit?"+query, nil)
		if want < 0 {
			got.want(422)
			continue
		}
		if got.want(200).into(&list); len(list.Items) != want {
			t.Errorf("%s: %d events, want %d", query, len(list.Items), want)
		}
	}
	for _, query := range []string{"format=xml", "from=yesterday", "colour=red", "objectId=" + strings.Repeat("x", 201), "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"} {
		if reply, text := take(t, ada, tenant+"/audit/export?"+query); reply.StatusCode != 422 {
			t.Errorf("%s: %d %s", query, reply.StatusCode, text)
		}
	}
}

func TestAPIKeysAreChangedAndRotated(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	made := ada.call("POST", tenant+"/apikeys", `{"name":"k","scopes":["*"]}`).want(201)
	at, old := tenant+"/apikeys/"+made.text("id"), w.bearer(made.text("key"))
	old.call("GET", tenant, nil).want(200)

	rotated := ada.call("POST", at+"/rotate", `{"overlap":"1h"}`).want(201)
	fresh := w.bearer(rotated.text("key"))
	fresh.call("GET", tenant, nil).want(200)
	old.call("GET", tenant, nil).want(200)
	ada.call("POST", at+"/rotate", nil).want(409)
	fresh.call("POST", at+"/rotate", nil).want(403)

	changed := ada.with("If-Match", rotated.Header.Get("ETag")).call("PATCH", at, `{"addresses":["198.51.100.0/24"],"name":"elsewhere"}`).want(200)
	if changed.text("name") != "elsewhere" || changed.Header.Get("ETag") == rotated.Header.Get("ETag") {
		t.Errorf("changed to %s", changed.Body)
	}
	refused := fresh.call("GET", tenant, nil).want(401)
	wrong := w.bearer("jak_wrong").call("GET", tenant, nil).want(401)
	if a, b := refused.problem(), wrong.problem(); a.Code != b.Code || a.Detail != b.Detail {
		t.Errorf("a key from elsewhere gets %+v, a wrong one %+v", a, b)
	}
	fresh.with("X-Forwarded-For", "198.51.100.7").call("GET", tenant, nil).want(401)
	ada.with("If-Match", made.Header.Get("ETag")).call("PATCH", at, `{"name":"x"}`).want(412)
	ada.call("PATCH", at, `{"addresses":["nowhere"],"name":""}`).want(422)
	ada.call("PATCH", at, `{"addresses":[],"neverExpires":true}`).want(200)
	fresh.call("GET", tenant, nil).want(200)
}
