package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// raw sends a request line as it is over a real connection, since clients tidy
// paths up.
func raw(t *testing.T, server *httptest.Server, method, target string, headers ...string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	lines := append([]string{method + " " + target + " HTTP/1.1", "Host: jet.example.com", "Connection: close"}, headers...)
	_, err = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
	must(t, err)
	reply, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(t, err)
	body, err := io.ReadAll(reply.Body)
	must(t, err)
	reply.Body = io.NopCloser(strings.NewReader(string(body)))
	return reply
}

// T3, T13, T33, T34: a path has one spelling. Every other one is answered
// without looking at who asks, and never with what stands behind it.
func TestPathsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	id := strings.TrimPrefix(tenant, "/tenants/")
	server := httptest.NewServer(w.api)
	defer server.Close()
	const root = basePath + apiPrefix
	credential := "Authorization: Host ada"
	if got := raw(t, server, "GET", root+tenant, credential).StatusCode; got != 200 {
		t.Fatalf("the canonical path: %d", got)
	}
	for _, target := range []string{
		root + "//tenants/" + id, root + "/tenants//" + id, "/" + root + "/tenants/" + id,
		root + "/./tenants/" + id, root + "/tenants/./" + id, root + "/x/../tenants/" + id, root + "/tenants/" + id + "/.",
		root + "/%2e/tenants/" + id, root + "/x/%2e%2e/tenants/" + id, root + "/tenants/%2e%2e/tenants/" + id, root + "/%252e%252e/tenants/" + id,
		root + "/tenants%2f" + id, root + "/tenants/" + id + "%2f", root + "/tenants/%2F" + id, root + "%2ftenants%2f" + id,
		root + "/tenants/" + id + ";x=1", root + "/tenants;x/" + id, root + "/tenants/" + id + ";/healthz",
		root + `\tenants\` + id, root + "/tenants/" + id + `\`, root + "/tenants/" + id + "%5c",
		root + "/tenants/" + id + "/", root + "/tenants/" + id + "%00", root + "/tenants/" + id + "%20", root + "/tenants/" + id + "%0a",
		root + "/tenants/" + id + "/healthz", root + "/tenants/" + id + "/docs", root + "/healthz/tenants/" + id, root + "/docs/tenants/" + id,
		basePath + "/healthz/.." + apiPrefix + "/tenants/" + id, basePath + "/healthz;" + apiPrefix + "/tenants/" + id,
		basePath + "/healthz%2f.." + apiPrefix + "/tenants/" + id, root + "/tenants/" + id + "%23/healthz", root + "/tenants/" + id + "%3f/healthz",
		root + "/tenants/" + strings.ToUpper(id), root + "/tenants/" + id + ".", root + "/tenants/" + strings.ReplaceAll(id, "-", ""),
		root + "/tenants/{" + id + "}", root + "/tenants/urn:uuid:" + id, root + "/%74enants/" + id, root + "/tenants/%30" + id[1:],
		root + "/TENANTS/" + id, "/ADMIN" + apiPrefix + "/tenants/" + id,
		root + "/tenants/*", root + "/tenants/.", root + "/tenants/..", root + "/tenants/%", root + "/tenants/null", root + "/tenants/0", root + "/tenants/-1",
		root + "/tenants/" + strings.Repeat("a", 5000), root + "/tenants/%ef%bc%90" + id[1:], root + "/tenants/" + id + "/roles/*", root + "/tenants/" + id + "/roles/null",
	} {
		reply := raw(t, server, "GET", target, credential)
		// net/http itself refuses what is no URL at all.
		if reply.StatusCode != 404 && !(reply.StatusCode == 400 && strings.ContainsAny(target, "%\\")) {
			t.Errorf("GET %.200s: %d %s", target, reply.StatusCode, reply.Header.Get("Location"))
		}
	}
	for _, target := range []string{root + "/tenants/" + strings.Repeat("a", 1<<20), root + "/tenants?x=" + strings.Repeat("a", maxURL)} {
		if got := raw(t, server, "GET", target, credential).StatusCode; got != 414 && got != 431 {
			t.Errorf("a URL of %d bytes: %d", len(target), got)
		}
	}
}

// T33, T34: a public name in the query, the fragment or a header of a private
// route opens nothing, and neither does another method.
func TestPrivateStaysPrivate(t *testing.T) {
	t.Parallel()
	w := setup(t)
	tenant := w.as("ada").tenant("Acme")
	server := httptest.NewServer(w.api)
	defer server.Close()
	target := basePath + apiPrefix + tenant
	for _, suffix := range []string{"", "?x=/healthz", "?/hooks/x", "?next=%2fhealthz", "#/healthz"} {
		if got := raw(t, server, "GET", target+suffix).StatusCode; got != 401 && got != 404 && got != 400 {
			t.Errorf("GET …%s: %d", suffix, got)
		}
	}
	for method, status := range map[string]int{"HEAD": 401, "OPTIONS": 405, "TRACE": 405, "CONNECT": 405, "PUT": 405, "DELETE": 401, "PROPFIND": 405, "get": 405} {
		if got := raw(t, server, method, target).StatusCode; got != status {
			t.Errorf("%s: %d, want %d", method, got, status)
		}
	}
	for _, header := range []string{
		"X-HTTP-Method-Override: DELETE", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz", "X-Forwarded-Prefix: /healthz",
		"X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-User: ada", "X-Tenant-Id: x",
	} {
		if got := raw(t, server, "GET", target, header).StatusCode; got != 401 {
			t.Errorf("%s: %d", header, got)
		}
	}
	large := "X-Large: " + strings.Repeat("a", maxHeader)
	if got := raw(t, server, "GET", target, "Authorization: Host ada", large).StatusCode; got != 431 {
		t.Errorf("a large header: %d", got)
	}
}

// T35: beside the health checks, the documentation page, the way in and the
// deliveries of webhooks, which prove themselves, nothing is public; an invitation
// may be accepted by somebody who has no credential, not by one who has a bad one.
func TestPublicOperations(t *testing.T) {
	t.Parallel()
	w := setup(t)
	public := map[string]bool{
		"/healthz": true, "/readyz": true, "/api/v1/docs": true, "/api/v1/docs/docs.js": true, "/api/v1/docs/docs.css": true,
		"/api/v1/auth/setup": true, "/api/v1/auth/login": true, "/api/v1/auth/providers": true, "/api/v1/ws": true, "/socket.io/": true, "/hooks/{id}": true,
	}
	for _, op := range w.api.Operations() {
		if (op.Access == Public) != public[op.URLPath()] {
			t.Errorf("%s %s is %s", op.Method, op.URLPath(), op.Access)
		}
		if (op.Access == Anyone) != (op.URLPath() == "/api/v1/invitations/accept") {
			t.Errorf("%s %s is %s", op.Method, op.URLPath(), op.Access)
		}
		if op.Access != Public {
			url := basePath + strings.NewReplacer("{", "", "}", "").Replace(op.URLPath())
			if op.Access != Anyone {
				w.anonymous().request(op.Method, url, nil).want(401)
			}
			w.anonymous().with("Authorization", "Bearer jas_wrong").request(op.Method, url, nil).want(401)
		}
	}
}

// T2, T8: of a tenant that is not his, a caller learns nothing, not even that it
// is there; and no second name for a tenant counts.
func TestTenantsOfOthers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mine, theirs := w.as("ada").tenant("Acme"), w.as("bob").tenant("Brand")
	missing := "/tenants/0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f"
	foreign := w.as("ada").call("GET", theirs+"/roles", nil).want(404).problem()
	absent := w.as("ada").call("GET", missing+"/roles", nil).want(404).problem()
	malformed := w.as("ada").call("GET", "/tenants/x/roles", nil).want(404).problem()
	foreign.RequestID, absent.RequestID, malformed.RequestID = "", "", ""
	if fmt.Sprint(foreign) != fmt.Sprint(absent) || fmt.Sprint(foreign) != fmt.Sprint(malformed) {
		t.Fatalf("%v, %v, %v", foreign, absent, malformed)
	}
	id := strings.TrimPrefix(theirs, "/tenants/")
	w.as("ada").with("X-Tenant-Id", id).call("GET", mine+"/roles", nil).want(404)
	w.as("ada").with("X-Tenant-Id", strings.TrimPrefix(mine, "/tenants/")).call("GET", mine+"/roles", nil).want(200)
	w.as("ada").call("GET", mine+"/roles?tenantId="+id, nil).want(422)
	w.as("ada").call("POST", mine+"/roles", map[string]any{"name": "x", "permissions": []string{"query.read"}, "tenantId": id}).want(422)
}

// T49, second half: a browser is not made to change anything by another site.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	w := setup(t)
	server := httptest.NewServer(w.api)
	defer server.Close()
	target := basePath + apiPrefix + "/tenants"
	post := func(headers ...string) int {
		body := `{"name":"Acme"}`
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
		if !strings.Contains(strings.Join(headers, "\n"), "Content-Type") {
			headers = append(headers, "Content-Type: application/json")
		}
		return raw(t, server, "POST", target, append(headers, "", body)...).StatusCode
	}
	const cookie, credential = "Cookie: session=x", "Authorization: Host ada"
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"program":                       {[]string{credential}, 201},
		"same origin":                   {[]string{credential, "Origin: http://jet.example.com", "Sec-Fetch-Site: same-origin"}, 201},
		"same origin, old browser":      {[]string{credential, "Origin: http://jet.example.com"}, 201},
		"allowed origin":                {[]string{credential, "Origin: https://console.example.com", "Sec-Fetch-Site: cross-site"}, 201},
		"other site":                    {[]string{credential, "Origin: https://evil.example.com", "Sec-Fetch-Site: cross-site"}, 403},
		"other site, old browser":       {[]string{credential, "Origin: https://evil.example.com"}, 403},
		"sister domain":                 {[]string{credential, "Origin: http://evil.jet.example.com", "Sec-Fetch-Site: same-site"}, 403},
		"other port":                    {[]string{credential, "Origin: http://jet.example.com:8080"}, 403},
		"null origin":                   {[]string{credential, "Origin: null"}, 403},
		"allowed origin as a prefix":    {[]string{credential, "Origin: https://console.example.com.evil.com"}, 403},
		"form of another site":          {[]string{cookie, "Origin: https://evil.example.com", "Content-Type: text/plain"}, 403},
		"cookie that comes by itself":   {[]string{cookie}, 403},
		"cookie with an explicit token": {[]string{cookie, credential}, 201},
		"cookie from the own page":      {[]string{cookie, "Origin: http://jet.example.com", "Sec-Fetch-Site: same-origin"}, 401},
		"text/plain from the own page":  {[]string{credential, "Origin: http://jet.example.com", "Content-Type: text/plain"}, 415},
	} {
		if got := post(c.headers...); got != c.status {
			t.Errorf("%s: %d, want %d", name, got, c.status)
		}
	}
	told := raw(t, server, "POST", target, cookie, "Content-Length: 2", "Content-Type: application/json", "", "{}")
	var said Problem
	if err := json.NewDecoder(told.Body).Decode(&said); err != nil || !strings.Contains(said.Remedy, "Origin") {
		t.Errorf("no remedy for a cookie that comes by itself: %+v, %v", said, err)
	}
	login := raw(t, server, "POST", basePath+apiPrefix+"/auth/login", "Origin: https://evil.example.com", "Content-Length: 0")
	if login.StatusCode != 403 {
		t.Errorf("a log-in that another site makes: %d", login.StatusCode)
	}
}

// A page of an allowed origin may ask and read; to every other one nothing is said.
func TestAllowedOriginReads(t *testing.T) {
	t.Parallel()
	w := setup(t)
	allowed := w.as("ada").with("Origin", "https://console.example.com")
	if got := allowed.call("GET", "/tenants", nil).want(200).Header.Get("Access-Control-Allow-Origin"); got != "https://console.example.com" {
		t.Fatalf("the reply is for %q", got)
	}
	preflight := func(origin string) *answer {
		return w.anonymous().with("Origin", origin).with("Access-Control-Request-Method", "PATCH").call("OPTIONS", "/tenants", nil)
	}
	said := preflight("https://console.example.com").want(204).Header
	if !strings.Contains(said.Get("Access-Control-Allow-Methods"), "PATCH") || !strings.Contains(said.Get("Access-Control-Allow-Headers"), "If-Match") {
		t.Fatalf("the answer is %v", said)
	}
	for _, origin := range []string{"https://evil.example.com", "null", "https://console.example.com.evil.com", "*"} {
		if said := preflight(origin).want(405).Header; said.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read", origin)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	a := &API{cfg: Config{BasePath: "/admin"}}
	for _, seed := range []string{"/admin/api/v1/tenants", "/admin//x", "/admin/../x", "/admin/%2e", "/administrator", "/admin/x;y", "/admin"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.0\r\n\r\n")))
		if err != nil || !a.canonical(r.URL) {
			return
		}
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/admin/")
		if !ok || rest != strings.Trim(rest, "/") || strings.ContainsAny(rest, "%;\\? \x00") {
			t.Fatalf("%q passed", target)
		}
		for segment := range strings.SplitSeq(rest, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q passed", target)
			}
		}
	})
}
