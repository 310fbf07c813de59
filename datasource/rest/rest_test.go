package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "canary-token"

// api is a real HTTP API: it echoes, lists, sleeps, and keeps notes.
type api struct {
	server  *httptest.Server
	running atomic.Int64

	mu    sync.Mutex
	notes []string
	last  *http.Request
	body  string
}

func newAPI(t testing.TB) *api {
	t.Helper()
	a := &api{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	mux.HandleFunc("/v1/echo/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		a.mu.Lock()
		body := a.body
		a.mu.Unlock()
		if body != "" {
			_, _ = io.WriteString(w, body)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"path": r.URL.EscapedPath(), "query": r.URL.Query(), "raw": r.URL.RawQuery})
	})
	mux.HandleFunc("GET /v1/value", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode([]any{map[string]any{"v": value(r.URL.Query()["v"])}})
	})
	mux.HandleFunc("GET /v1/many", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data": {"items": [{"n": 0}`)
		for n := range 6000 {
			_, _ = fmt.Fprintf(w, `,{"n": %d}`, n)
		}
		_, _ = io.WriteString(w, `]}}`)
	})
	mux.HandleFunc("GET /v1/wide", func(w http.ResponseWriter, _ *http.Request) {
		object := map[string]int{}
		for n := range 1000 {
			object[fmt.Sprint("c", n)] = n
		}
		_ = json.NewEncoder(w).Encode(object)
	})
	mux.HandleFunc("GET /v1/large", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"v": strings.Repeat("x", 1<<20)})
	})
	mux.HandleFunc("GET /v1/slow", func(_ http.ResponseWriter, r *http.Request) {
		a.running.Add(1)
		defer a.running.Add(-1)
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /v1/notes", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		a.notes = append(a.notes, "note")
		a.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.last, a.body = r.Clone(r.Context()), string(body)
		a.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "who are you? "+r.Header.Get("Authorization"))
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.server.Close)
	return a
}

// value is null, one string, or a list of them.
func value(v []string) any {
	switch len(v) {
	case 0:
		return nil
	case 1:
		return v[0]
	}
	return v
}

func (a *api) settings() datasource.Settings {
	return datasource.Settings{
		Values: map[string]any{
			"baseUrl": a.server.URL + "/v1", "auth": "bearer", "apiKeyIn": "header", "apiKeyName": "X-API-Key",
			"headers": map[string]string{"X-Fixed": "yes"},
		},
		Secrets: map[string]secret.Text{"token": secret.NewText(token)},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

func (a *api) with(field string, v any) datasource.Settings {
	s := a.settings()
	s.Values[field] = v
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	wrongToken := a.settings()
	wrongToken.Secrets = map[string]secret.Text{"token": secret.NewText("canary-wrong")}
	connectortest.Run(t, rest.Connector(), a.settings(), connectortest.Fixtures{
		Echo: func(datasource.ParamType) json.RawMessage {
			return json.RawMessage(`{"path": "/value", "query": {"v": "{{ v }}"}}`)
		},
		EchoList: json.RawMessage(`{"path": "/value", "query": {"v": "{{ v }}"}}`),
		Many:     json.RawMessage(`{"path": "many", "rows": "/data/items"}`),
		Wide:     json.RawMessage(`{"path": "/wide"}`),
		Large:    json.RawMessage(`{"path": "/large"}`),
		Slow:     json.RawMessage(`{"path": "/slow"}`),
		Running:  func(*testing.T) int { return int(a.running.Load()) },
		Refused:  json.RawMessage(`{"path": "/nowhere"}`),
		Write:    json.RawMessage(`{"method": "POST", "path": "/notes"}`),
		Harmful: map[string]json.RawMessage{
			"delete":         json.RawMessage(`{"method": "DELETE", "path": "/notes"}`),
			"unknown method": json.RawMessage(`{"method": "PURGE", "path": "/notes"}`),
			"other host":     json.RawMessage(`{"path": "//evil.test/x"}`), // below the base URL, and not found there
			"other URL":      json.RawMessage(`{"path": "http://evil.test/x"}`),
			"other folder":   json.RawMessage(`{"path": "/../notes"}`),
			"encoded dots":   json.RawMessage(`{"path": "/%2e%2e/notes"}`),
		},
		State: func(*testing.T) string {
			a.mu.Lock()
			defer a.mu.Unlock()
			return fmt.Sprint(a.notes)
		},
		Unreachable: map[string]datasource.Settings{
			"no such host":    a.with("baseUrl", "http://nowhere.invalid/"),
			"closed port":     a.with("baseUrl", "http://127.0.0.1:1/"),
			"refused address": a.with("baseUrl", "http://169.254.169.254/"),
			"wrong token":     wrongToken,
		},
	})
}

// call runs an operation and returns the request that arrived.
func call(t *testing.T, a *api, s datasource.Settings, operation string, params map[string]any) (*http.Request, string, error) {
	t.Helper()
	op, err := rest.Connector().Parse(json.RawMessage(operation))
	if err != nil {
		return nil, "", err
	}
	conn, err := rest.Connector().Open(t.Context(), s)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	a.mu.Lock()
	a.last = nil
	a.mu.Unlock()
	rows, err := conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 10, MaxBytes: 1 << 20})
	if err == nil {
		_ = rows.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, a.body, err
}

func TestT80_ValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	operation := `{"method": "POST", "path": "/echo/a/{{ v }}/z", "query": {"q": "x {{ v }}"}, "headers": {"X-Value": "{{ h }}"}, "body": {"fixed": "{{ v }}", "in": "<{{ v }}>"}}`
	for _, v := range connectortest.Injections() {
		header := strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, v)
		r, body, err := call(t, a, a.settings(), operation, map[string]any{"v": v, "h": header})
		if v == "" || v == "." || v == ".." {
			if !problem.Is(err, problem.Invalid) || r != nil {
				t.Errorf("%q as a segment: %v", v, err)
			}
			continue
		}
		if r == nil {
			if !strings.ContainsAny(v, "\r\n\t") {
				t.Errorf("%q: %v", v, err)
			}
			continue
		}
		segments := strings.Split(r.URL.EscapedPath(), "/")
		got, _ := url.PathUnescape(segments[min(4, len(segments)-1)])
		if len(segments) != 6 || got != v {
			t.Errorf("%q in the path is %s", v, r.URL.EscapedPath())
		}
		if q := r.URL.Query(); len(q) != 1 || q.Get("q") != "x "+v {
			t.Errorf("%q in the query is %s", v, r.URL.RawQuery)
		}
		var document map[string]string
		if err := json.Unmarshal([]byte(body), &document); err != nil || len(document) != 2 || document["fixed"] != v || document["in"] != "<"+v+">" {
			t.Errorf("%q in the body is %s", v, body)
		}
		if got := r.Header.Get("X-Value"); got != strings.Trim(header, " ") || r.Header.Get("X-Injected") != "" {
			t.Errorf("%q in a header is %q", header, got)
		}
	}
}

func TestHeadersTakeNoLineBreaks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, v := range []any{"a\r\nX-Injected: 1", "a\nb", "\x00", []any{"a", "b"}} {
		r, _, err := call(t, a, a.settings(), `{"path": "/value", "headers": {"X-Value": "{{ v }}"}}`, map[string]any{"v": v})
		if !problem.Is(err, problem.Invalid) || r != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
}

func TestJSONBodyKeepsTypes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	_, body, err := call(t, a, a.settings(), `{"method": "PUT", "path": "/echo/x", "body": {"n": "{{ n }}", "l": "{{ l }}", "j": "{{ j }}", "none": "{{ none }}", "b": true}}`,
		map[string]any{"n": json.Number("1.50"), "l": []any{int64(1), "a"}, "j": json.RawMessage(`{"k":[1]}`), "none": nil})
	if want := `{"b":true,"j":{"k":[1]},"l":[1,"a"],"n":1.50,"none":null}`; err != nil || body != want {
		t.Errorf("got %s, %v; want %s", body, err, want)
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		`{"path": "/a?b=1"}`, `{"path": "/a#b"}`, `{"path": "/a b"}`, `{"path": "/a\\b"}`, `{"path": "/ä"}`, `{"path": "/../x"}`, `{"path": "/a/%2e%2e/b"}`,
		`{"path": "/{{ a b }}"}`, `{"path": "/%zz"}`,
		`{"method": "get"}`, `{"method": "CONNECT"}`, `{"body": {}}`, `{"method": "POST", "body": {"{{ k }}": 1}}`, `{"query": {"{{ k }}": "1"}}`,
		`{"headers": {"Authorization": "x"}}`, `{"headers": {"cookie": "x"}}`, `{"headers": {"Host": "x"}}`, `{"headers": {"x-forwarded-for": "x"}}`,
		`{"headers": {"Transfer-Encoding": "chunked"}}`, `{"headers": {"X Y": "x"}}`, `{"headers": {"X-Y": "a\r\nb: c"}}`, `{"headers": {"X-{{ a }}": "x"}}`,
		`{"rows": "data"}`, `{"url": "http://evil.test"}`,
	} {
		_, err := rest.Connector().Parse(json.RawMessage(operation))
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	checker := rest.Connector().(datasource.SettingsChecker)
	for _, u := range []string{
		"ftp://x", "file:///etc/passwd", "http://user:pass@x", "http://a@b", "http://", "//x", "x", "http://x?a=b", "http://x?", "http://x#y", "http://x/../y", "http://x\t/",
	} {
		if !problem.Is(checker.CheckSettings(a.with("baseUrl", u)), problem.Invalid) {
			t.Errorf("the base URL %q passes", u)
		}
	}
	for _, name := range []string{"Authorization", "cookie", "Host", "X-Forwarded-Host", "a b", "", "a:b"} {
		if !problem.Is(checker.CheckSettings(a.with("headers", map[string]string{name: "x"})), problem.Invalid) {
			t.Errorf("the header %q passes", name)
		}
	}
	s := a.settings()
	s.Secrets = nil
	if !problem.Is(checker.CheckSettings(s), problem.Invalid) {
		t.Error("bearer authentication passes without a token")
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r }))
	t.Cleanup(server.Close)
	a := &api{server: server}
	cases := map[string]struct {
		values map[string]any
		want   func(*http.Request) bool
	}{
		"none":   {map[string]any{"auth": "none"}, func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }},
		"basic":  {map[string]any{"auth": "basic", "username": "u"}, func(r *http.Request) bool { u, p, ok := r.BasicAuth(); return ok && u == "u" && p == "p" }},
		"header": {map[string]any{"auth": "apiKey", "apiKeyName": "X-Key"}, func(r *http.Request) bool { return r.Header.Get("X-Key") == "k&y" }},
		"query":  {map[string]any{"auth": "apiKey", "apiKeyIn": "query", "apiKeyName": "key"}, func(r *http.Request) bool { return r.URL.Query().Get("key") == "k&y" && r.URL.Query().Get("q") == "1" }},
	}
	for name, c := range cases {
		s := a.settings()
		for field, v := range c.values {
			s.Values[field] = v
		}
		s.Secrets = map[string]secret.Text{"password": secret.NewText("p"), "apiKey": secret.NewText("k&y")}
		if _, _, err := call(t, a, s, `{"query": {"q": "1"}}`, nil); err != nil {
			t.Fatal(err)
		}
		if r := <-requests; !c.want(r) || r.Header.Get("X-Fixed") != "yes" {
			t.Errorf("%s: got %s with %v", name, r.URL, r.Header)
		}
	}
}

// The key is in the URL, and the driver's errors hold the URL.
func TestErrorsHoldNoKey(t *testing.T) {
	t.Parallel()
	a := &api{server: httptest.NewServer(http.NotFoundHandler())}
	a.server.Close()
	s := a.settings()
	s.Values["auth"], s.Values["apiKeyIn"] = "apiKey", "query"
	s.Secrets = map[string]secret.Text{"apiKey": secret.NewText("canary-key")}
	_, _, err := call(t, a, s, `{}`, nil)
	if err == nil || strings.Contains(err.Error(), "canary-key") {
		t.Errorf("got %v", err)
	}
}

func TestAnswersBecomeRows(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	cases := []struct{ body, pointer, columns, rows string }{
		{`[{"b": 1, "a": "x"}, {"a": null, "c": true}]`, "", "b:integer a:string c:boolean", "[[1 x <nil>] [<nil> <nil> true]]"},
		{`{"n": 1.5, "big": 9007199254740993, "wide": 0.1234567890123456789, "o": {"k": 1}, "l": [1]}`, "", "n:number big:integer wide:number o:json l:json",
			`[[1.5 9007199254740993 0.1234567890123456789 {"k":1} [1]]]`},
		{`[1, "a", null]`, "", "value:json", "[[1] [a] [<nil>]]"},
		{`{"data": {"a/b": [{"id": 1}]}}`, "/data/a~1b", "id:integer", "[[1]]"},
		{`{"list": [{"id": 1}, {"id": 2}]}`, "/list/1", "id:integer", "[[2]]"},
		{`[]`, "", "", "[]"},
		{`"text"`, "", "value:string", "[[text]]"},
		{`[{"id": 1}, {"id": 2.5}]`, "", "id:number", "[[1] [2.5]]"},
	}
	for _, c := range cases {
		conn, err := rest.Connector().Open(t.Context(), a.settings())
		if err != nil {
			t.Fatal(err)
		}
		var body any
		d := json.NewDecoder(strings.NewReader(c.body))
		d.UseNumber()
		_ = d.Decode(&body)
		operation, _ := json.Marshal(map[string]any{"method": "POST", "path": "/echo/x", "body": "{{ body }}", "rows": c.pointer})
		op, err := rest.Connector().Parse(operation)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, Params: map[string]any{"body": json.RawMessage(c.body)}, MaxRows: 10, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		var columns []string
		for _, column := range rows.Columns() {
			columns = append(columns, column.Name+":"+string(column.Type))
		}
		all := [][]any{}
		for row, err := rows.Next(); err == nil; row, err = rows.Next() {
			all = append(all, slices.Clone(row))
		}
		if got := strings.Join(columns, " "); got != c.columns || fmt.Sprint(all) != c.rows {
			t.Errorf("%s: got %s %v, want %s %s", c.body, got, all, c.columns, c.rows)
		}
		_ = conn.Close()
	}
}

// T79: rows that share no keys make a wide table of a short answer.
func TestAWideAnswerTakesNoMoreThanItsText(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 3000 {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		body.WriteByte(sep)
		body.WriteByte('{')
		for j := range 10 {
			if j > 0 {
				body.WriteByte(',')
			}
			_, _ = fmt.Fprintf(&body, `"%d":1`, 10*i+j)
		}
		body.WriteByte('}')
	}
	body.WriteByte(']')
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body.String()) }))
	t.Cleanup(server.Close)
	conn, err := rest.Connector().Open(t.Context(), datasource.Settings{
		Values: map[string]any{"baseUrl": server.URL, "auth": "none"},
		Egress: egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	op, err := rest.Connector().Parse(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, MaxRows: 10_000, MaxBytes: 10 << 20})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := len(rows.Columns()); n != 30_000 {
		t.Fatalf("%d columns", n)
	}
	// Other tests run meanwhile; 3000 rows of 30 000 cells would be 1.4 GB.
	if made := after.TotalAlloc - before.TotalAlloc; made > 400<<20 {
		t.Errorf("%d MB for an answer of %d KB", made>>20, body.Len()>>10)
	}
	row, err := rows.Next()
	if err != nil || len(row) != 30_000 || row[9] != int64(1) || row[10] != nil {
		t.Errorf("the first row is not what was sent: %v", err)
	}
}

func TestThePointerToTheRowsIsShort(t *testing.T) {
	t.Parallel()
	for n, sound := range map[int]bool{32: true, 33: false} {
		_, err := rest.Connector().Parse(json.RawMessage(`{"rows": "` + strings.Repeat("/a", n) + `"}`))
		if (err == nil) != sound {
			t.Errorf("%d steps: %v", n, err)
		}
	}
}
