package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// stream is a query of Ada's, on a server with a real connection.
type stream struct {
	*caller
	server *httptest.Server
	path   string
}

func newStream(t *testing.T, operation map[string]any) *stream {
	t.Helper()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	source := ada.call("POST", tenant+"/datasources", `{"name":"Shop","type":"fixed","settings":{"host":"db.example.com"}}`).want(201)
	query := ada.call("POST", tenant+"/queries", map[string]any{"name": "All", "datasourceId": source.text("id"), "operation": operation}).want(201)
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	return &stream{ada, server, tenant + "/queries/" + query.text("id") + "/run"}
}

// read asks for a media type and reads as much as comes.
func (s *stream) read(t *testing.T, accept string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+s.w.cfg.BasePath+apiPrefix+s.path, nil)
	must(t, err)
	r.Header = s.header.Clone()
	r.Header.Set("Accept", accept)
	reply, err := s.server.Client().Do(r)
	must(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	return reply, string(text), err
}

func TestStreamsSayThatTheyAreWhole(t *testing.T) {
	t.Parallel()
	s := newStream(t, map[string]any{"more": 20_000})
	for accept, c := range map[string]struct{ mediaType, head, tail string }{
		"text/csv":                         {csvType, "n,name\r\n0,'=more\r\n", "\r\n1,Ärmel\r\n9007199254740993,\r\n"},
		"application/x-ndjson":             {ndjsonType, `{"columns":[{"name":"n","type":"integer","databaseType":""},{"name":"name","type":"string","databaseType":""}]}` + "\n[0,\"=more\"]\n", "\"}}\n"},
		"application/json;q=0.5, text/csv": {csvType, "n,name\r\n", "\r\n"},
	} {
		reply, text, err := s.read(t, accept)
		if err != nil || reply.StatusCode != 200 || reply.Header.Get("Content-Type") != c.mediaType {
			t.Fatalf("%s: %v, %v", accept, reply, err)
		}
		if !strings.HasPrefix(text, c.head) {
			t.Errorf("%s begins with %q", accept, text[:200])
		}
		if c.mediaType == csvType && !strings.HasSuffix(text, c.tail) {
			t.Errorf("%s ends with %q", accept, text[len(text)-200:])
		}
		if lines := strings.Split(strings.TrimSpace(text), "\n"); c.mediaType == ndjsonType &&
			(!strings.HasPrefix(lines[len(lines)-1], `{"rowCount":20002,"truncated":false,`) || lines[len(lines)-2] != `["9007199254740993",null]`) {
			t.Errorf("the last lines are %q", lines[len(lines)-2:])
		}
		if reply.Trailer.Get(rowCountTrailer) != "20002" || reply.Trailer.Get(truncatedTrailer) != "false" {
			t.Errorf("%s: the trailers are %v", accept, reply.Trailer)
		}
		checkHeaders(t, &answer{t: t, what: accept, Header: reply.Header})
	}
	for _, accept := range []string{"", "*/*", "application/json", "text/html", "text/csv;q=0", "text/csv;q=x", "text/csv;q=0.1, application/json", ";;;"} {
		if reply, text, err := s.read(t, accept); err != nil || reply.Header.Get("Content-Type") != jsonType || !strings.Contains(text, `"rowCount":1000`) {
			t.Errorf("%q gets %v, %v", accept, reply.Header, err)
		}
	}
}

// A stream that fails before its first row is a problem; later on NDJSON has it in
// its last line, and of CSV the connection is broken off.
func TestStreamsSayThatRowsAreMissing(t *testing.T) {
	t.Parallel()
	s := newStream(t, map[string]any{"more": 50_000, "fail": true})
	reply, text, err := s.read(t, "text/csv")
	if err == nil || len(text) == 0 || reply.Trailer.Get(rowCountTrailer) != "" {
		t.Errorf("CSV ends well: %d bytes, %v, %v", len(text), reply.Trailer, err)
	}
	reply, text, err = s.read(t, ndjsonType)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	if err != nil || !strings.HasPrefix(last, `{"error":{`) || !strings.Contains(last, `"status":502`) || !strings.Contains(last, `"division by zero"`) ||
		!strings.Contains(last, `"requestId":"`+reply.Header.Get("X-Request-Id")) || reply.Trailer.Get(rowCountTrailer) != "" {
		t.Errorf("NDJSON ends with %q, %v, %v", last, reply.Trailer, err)
	}

	refused := s.with("Accept", "text/csv")
	if p := refused.call("POST", strings.Replace(s.path, "/run", "x/run", 1), nil).want(404).problem(); p.Code != "not_found" {
		t.Errorf("got %+v", p)
	}
	for what, call := range map[string]func() *answer{
		"unknown parameters":          func() *answer { return refused.call("POST", s.path, `{"params":{"x":1}}`) },
		"members that are not there":  func() *answer { return refused.call("POST", s.path, `{"params":{},"sql":"SELECT 1"}`) },
		"case T54: a key in the URL":  func() *answer { return refused.call("POST", s.path+"?api_key=jak_x", nil) },
		"an idempotency key":          func() *answer { return refused.with(idempotencyHeader, "1").call("POST", s.path, nil) },
		"a body that is not JSON":     func() *answer { return refused.call("POST", s.path, `{`) },
		"parameters that are no list": func() *answer { return refused.call("POST", s.path, `{"params":[]}`) },
	} {
		if a := call(); a.Status != 422 {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	(&caller{w: s.w, header: http.Header{"Accept": {"text/csv"}}}).call("POST", s.path, nil).want(401)
	s.w.as("bob").with("Accept", "text/csv").call("POST", s.path, nil).want(404)
}

// A reader who goes takes the statement with him.
func TestAReaderWhoLeavesEndsTheStream(t *testing.T) {
	t.Parallel()
	s := newStream(t, map[string]any{"more": 1_500_000})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+s.w.cfg.BasePath+apiPrefix+s.path, nil)
	must(t, err)
	r.Header = s.header.Clone()
	r.Header.Set("Accept", "text/csv")
	for range 3 { // more than may run at once
		reply, err := s.server.Client().Do(r.Clone(t.Context()))
		must(t, err)
		if _, err := io.ReadFull(reply.Body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		must(t, reply.Body.Close())
		s.server.CloseClientConnections()
	}
	// Close waits for the handlers: with one that goes on it would not come back.
	s.server.Close()
}

func TestOutletsTellWhatTheyCannot(t *testing.T) {
	t.Parallel()
	o := newOutlet(&brokenWriter{httptest.NewRecorder()}, csvType)
	if err := o.Begin(nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if cause := recover(); !errors.Is(fmt.Errorf("%w", cause.(error)), http.ErrAbortHandler) {
			t.Errorf("got %v", cause)
		}
	}()
	o.abandon(&Problem{})
}

type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
