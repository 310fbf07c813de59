package rest_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// badAPI misbehaves in each of its paths.
func badAPI(t *testing.T, sent *atomic.Int64) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	endless := func(w io.Writer, r *http.Request) {
		_, _ = io.WriteString(w, `["`)
		for chunk := make([]byte, 64<<10); r.Context().Err() == nil; {
			for i := range chunk {
				chunk[i] = 'x'
			}
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil || sent.Load() > 10<<30 {
				return
			}
		}
	}
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"fine": true}`) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { endless(w, r) })
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		endless(z, r)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		for ctx := r.Context(); ctx.Err() == nil; {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/malformed", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"a": [1, 2`) })
	mux.HandleFunc("/dropped", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `[{"a": 1}`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/unzipped", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `[]`)
	})
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 2000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 500))
		}
	})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func anonymous(base string) datasource.Settings {
	return datasource.Settings{
		Values: map[string]any{"baseUrl": base, "auth": "none", "apiKeyName": "X-API-Key"},
		Egress: egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

func get(ctx context.Context, conn datasource.Conn, path string) (datasource.Rows, error) {
	op, err := rest.Connector().Parse(json.RawMessage(`{"path": "` + path + `"}`))
	if err != nil {
		return nil, err
	}
	return conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1000, MaxBytes: 10 << 20})
}

func TestT79_BadUpstreamsAreBoundedAndSurvived(t *testing.T) {
	var sent atomic.Int64
	server := badAPI(t, &sent)
	conn := open(t, anonymous(server.URL))
	for path, code := range map[string]string{
		"/endless": "response_too_large", "/bomb": "response_too_large", "/loop": "too_many_redirects", "/malformed": "answer_not_json",
		"/dropped": "answer_broken", "/unzipped": "answer_broken", "/silent": "connect_failed", "/headers": "connect_failed", "/busy": "api_busy",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sent.Store(0)
		_, err := get(t.Context(), conn, path)
		runtime.ReadMemStats(&after)
		e, ok := errors.AsType[*problem.Error](err)
		if !ok || e.Kind != problem.Upstream || e.Code != code || e.Remedy == "" || strings.ContainsAny(e.Message+e.Remedy, "\r\n") {
			t.Errorf("%s: got %v, want %s with a remedy", path, err, code)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 150<<20 {
			t.Errorf("%s: %d MB of memory", path, made>>20)
		}
		if path == "/busy" && e.RetryAfter != 7*time.Second {
			t.Errorf("try again after %s", e.RetryAfter)
		}
		if _, err := get(t.Context(), conn, "/good"); err != nil {
			t.Errorf("after %s the connection is of no more use: %v", path, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	started := time.Now()
	if _, err := get(ctx, conn, "/slow"); err == nil || time.Since(started) > 5*time.Second {
		t.Errorf("a slow answer: %v after %s", err, time.Since(started))
	}
	if _, err := get(t.Context(), conn, "/good"); err != nil {
		t.Errorf("after a slow answer the connection is of no more use: %v", err)
	}
}

func TestT79_WideRowsAndLargeCells(t *testing.T) {
	t.Parallel()
	var wide strings.Builder
	for i := range 1000 {
		_, _ = fmt.Fprintf(&wide, `,"c%d":%d`, i, i)
	}
	answers := map[string]string{
		"/wide":  "[{" + strings.Repeat("{"+wide.String()[1:]+"},", 9)[1:] + "{}]",
		"/large": `[{"v": "` + strings.Repeat("x", 1<<20) + `"}]`,
		"/deep":  strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, answers[r.URL.Path]) }))
	t.Cleanup(server.Close)
	conn := open(t, anonymous(server.URL))
	rows, err := get(t.Context(), conn, "/wide")
	if err != nil || len(rows.Columns()) != 1000 {
		t.Fatalf("%v", err)
	}
	if row, err := rows.Next(); err != nil || row[999] != int64(999) {
		t.Errorf("got %v", err)
	}
	rows, err = get(t.Context(), conn, "/large")
	if err != nil {
		t.Fatal(err)
	}
	if row, err := rows.Next(); err != nil || len(row[0].(string)) != 1<<20 {
		t.Errorf("got %v", err)
	}
	if _, err := get(t.Context(), conn, "/deep"); err != nil {
		t.Error(err)
	}
}

// What is sent to another origin is a bare GET, and its answer is none to a
// request that should have written.
func TestT74_AnotherOriginGetsNeitherCredentialsNorBody(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 4)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Body", string(body))
		seen <- r
		_, _ = io.WriteString(w, `{"ok": true}`)
	}))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	a := &api{server: first}
	settings := a.settings()
	settings.Values["headers"] = map[string]string{"X-Fixed": "canary"}
	conn := open(t, settings)
	for _, operation := range []string{`{"headers": {"X-Value": "canary"}}`, `{"method": "POST", "body": "canary", "headers": {"X-Value": "canary"}}`} {
		op, err := rest.Connector().Parse(json.RawMessage(operation))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 10})
		if _, refused := errors.AsType[*datasource.StatementError](err); refused != strings.Contains(operation, "POST") {
			t.Errorf("%s: %v", operation, err)
		}
		r := <-seen
		if r.Method != http.MethodGet || strings.Contains(fmt.Sprint(r.Header), "canary") {
			t.Errorf("%s: the other origin got %s with %v", operation, r.Method, r.Header)
		}
	}
}
