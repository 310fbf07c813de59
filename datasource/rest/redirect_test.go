package rest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/problem"
)

// mover redirects /from to /to with the status that the query asks for, and keeps
// what arrives.
func mover(t *testing.T, answer http.HandlerFunc) (conn datasource.Conn, arrived func() string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.URL.Path)
		mu.Unlock()
		if status := r.URL.Query().Get("status"); status != "" {
			code := map[string]int{"301": 301, "302": 302, "303": 303, "307": 307, "308": 308}[status]
			http.Redirect(w, r, "http://"+strings.ToUpper(r.Host)+"/to", code)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	conn = open(t, anonymous(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)))
	return conn, func() string {
		mu.Lock()
		defer mu.Unlock()
		all := strings.Join(seen, ", ")
		seen = nil
		return all
	}
}

func exec(t *testing.T, conn datasource.Conn, operation string, params map[string]any) (datasource.Rows, error) {
	t.Helper()
	return execUpTo(t, conn, operation, params, 1<<20)
}

func execLarge(t *testing.T, conn datasource.Conn, operation string) (datasource.Rows, error) {
	t.Helper()
	return execUpTo(t, conn, operation, nil, 10<<20)
}

func execUpTo(t *testing.T, conn datasource.Conn, operation string, params map[string]any, limit int64) (datasource.Rows, error) {
	t.Helper()
	op, err := rest.Connector().Parse(json.RawMessage(operation))
	if err != nil {
		t.Fatal(err)
	}
	return conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 10, MaxBytes: limit})
}

// A client follows 301 and 302 with a GET, whose answer would look like that of
// the request that should have written.
func TestT74_ARedirectDoesNotLoseAWrite(t *testing.T) {
	t.Parallel()
	conn, arrived := mover(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	for _, c := range []struct {
		method, status string
		want           string
		refused        bool
	}{
		{"POST", "301", "POST /from, GET /to", true},
		{"PUT", "302", "PUT /from, GET /to", true},
		{"DELETE", "302", "DELETE /from, GET /to", true},
		{"POST", "303", "POST /from, GET /to", false}, // done: this is where to see it
		{"PATCH", "307", "PATCH /from, PATCH /to", false},
		{"POST", "308", "POST /from, POST /to", false},
		{"GET", "301", "GET /from, GET /to", false},
	} {
		_, err := exec(t, conn, `{"method": "`+c.method+`", "path": "/from", "query": {"status": "`+c.status+`"}}`, nil)
		refusal, refused := errors.AsType[*datasource.StatementError](err)
		if got := arrived(); refused != c.refused || !refused && err != nil || got != c.want {
			t.Errorf("%s and %s: %s, %v", c.method, c.status, got, err)
		}
		if refused && !strings.Contains(refusal.Message, "not known") {
			t.Errorf("%s and %s: %s", c.method, c.status, refusal.Message)
		}
	}
}

func TestT74_ARefusedTokenSendsNoWriteTwice(t *testing.T) {
	t.Parallel()
	s := newTokenServer(t)
	var mu sync.Mutex
	posts := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/seen" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		posts++
		mu.Unlock()
		http.Redirect(w, r, "/seen", http.StatusSeeOther)
	}))
	t.Cleanup(api.Close)
	settings := s.settings()
	settings.Values["baseUrl"] = api.URL
	conn := open(t, settings)
	for method, want := range map[string]int{"POST": 1, "GET": 2} {
		mu.Lock()
		posts = 0
		mu.Unlock()
		_, err := exec(t, conn, `{"method": "`+method+`", "path": "/from"}`, nil)
		mu.Lock()
		if err == nil || posts != want {
			t.Errorf("%s was sent %d times, %v", method, posts, err)
		}
		mu.Unlock()
	}
}

func TestOnlyAStatusOfSuccessIsOne(t *testing.T) {
	t.Parallel()
	var next atomic.Int64
	conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(next.Load())) })
	for _, status := range []int{300, 301, 302, 304, 307} {
		next.Store(int64(status))
		if _, err := exec(t, conn, `{"method": "POST", "path": "/x"}`, nil); err == nil {
			t.Errorf("%d without a place to go to is a success", status)
		}
	}
	for _, status := range []int{200, 201, 202, 204} {
		next.Store(int64(status))
		if _, err := exec(t, conn, `{"method": "POST", "path": "/x"}`, nil); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestRetryAfterCanBeADate(t *testing.T) {
	t.Parallel()
	var after atomic.Value
	conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after.Load().(string))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	for _, c := range []struct {
		after    string
		min, max time.Duration
	}{
		{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 50 * time.Minute, time.Hour},
		{time.Now().Add(1000 * time.Hour).UTC().Format(http.TimeFormat), 24 * time.Hour, 24 * time.Hour},
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0, 0},
		{"7", 7 * time.Second, 7 * time.Second}, {"soon", 0, 0},
	} {
		after.Store(c.after)
		_, err := exec(t, conn, `{"path": "/x"}`, nil)
		if e := problem.Of(err); e.Code != "api_busy" || e.RetryAfter < c.min || e.RetryAfter > c.max {
			t.Errorf("%s: %v, again after %s", c.after, err, e.RetryAfter)
		}
	}
}
