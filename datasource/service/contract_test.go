package service_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/service"
	"github.com/jetadmin/jetadmin/problem"
)

// Every operation of every service sends exactly what its maker documents, and
// reads the answer, also when that is a refusal.
func TestContracts(t *testing.T) {
	t.Parallel()
	known := contracts(t)
	builtins, err := service.Builtins()
	if err != nil || len(builtins) != len(known) {
		t.Fatalf("%d services, %d contracts, %v", len(builtins), len(known), err)
	}
	for name, c := range known {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := spec(t, name)
			if in.BaseURL != c.BaseURL {
				t.Errorf("the base URL is %s, want %s", in.BaseURL, c.BaseURL)
			}
			s := newServer(t)
			made := connector(t, s.at(in))
			conn := open(t, made, s.settings(c))
			tested := map[string]bool{}
			for _, e := range c.Exchanges {
				tested[e.Operation] = true
				s.answer(e.Status, string(e.Reply))
				rows, err := run(t, made, conn, e.Operation, e.Args, nil)
				e.checkRequest(t, s.got(), c.Headers)
				e.checkAnswer(t, rows, err, c)
			}
			for _, op := range in.Operations {
				if !tested[op.Name] {
					t.Errorf("no exchange for %s", op.Name)
				}
			}
		})
	}
}

func (e exchange) checkRequest(t *testing.T, r *request, headers map[string]string) {
	t.Helper()
	if r == nil {
		t.Errorf("%s: no request", e.Operation)
		return
	}
	if got := r.method + " " + r.uri; got != e.Request {
		t.Errorf("%s: got  %s\nwant %s", e.Operation, got, e.Request)
	}
	for _, set := range []map[string]string{headers, e.Headers} {
		for name, want := range set {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", e.Operation, name, got, want)
			}
		}
	}
	switch {
	case e.JSON != nil:
		var got any
		if err := json.Unmarshal([]byte(r.body), &got); err != nil || !reflect.DeepEqual(got, e.JSON) {
			t.Errorf("%s: the body is %s", e.Operation, r.body)
		}
	case e.Form != nil:
		got, err := url.ParseQuery(r.body)
		if err != nil || !reflect.DeepEqual(got, url.Values(e.Form)) {
			t.Errorf("%s: the form is %v", e.Operation, got)
		}
	case r.body != "":
		t.Errorf("%s: the body is %s, want none", e.Operation, r.body)
	}
}

func (e exchange) checkAnswer(t *testing.T, rows datasource.Rows, err error, c contract) {
	t.Helper()
	if err != nil {
		for _, value := range c.Secrets {
			if value != "" && strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error holds a secret: %v", e.Operation, err)
			}
		}
	}
	if e.Problem != "" {
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != e.Problem {
			t.Errorf("%s: %v", e.Operation, err)
		}
		return
	}
	if e.Refusal != "" {
		refusal, ok := errors.AsType[*datasource.StatementError](err)
		if !ok || refusal.Message != e.Refusal || refusal.Code != e.Code {
			t.Errorf("%s: got %v (%#v)", e.Operation, err, refusal)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", e.Operation, err)
		return
	}
	columns, list, err := all(rows)
	want := len(e.Row)
	if want > 0 {
		want = 1
	}
	if e.Count != nil {
		want = *e.Count
	}
	if err != nil || columns != e.Columns || len(list) != want {
		t.Errorf("%s: columns %s and %d rows, %v", e.Operation, columns, len(list), err)
		return
	}
	for i := range e.Row {
		if got := plain(list[0][i]); !reflect.DeepEqual(got, e.Row[i]) {
			t.Errorf("%s: value %d is %v, want %v", e.Operation, i, got, e.Row[i])
		}
	}
}

// T80: in every parameter of every operation of every service the corpus stays a
// value: the request around it is the one of a harmless value.
func TestT80_ValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range contracts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			made := connector(t, s.at(spec(t, name)))
			conn := open(t, made, s.settings(c))
			s.answer(0, `{"ok": true}`)
			tried := map[string]bool{}
			for _, e := range c.Exchanges {
				for _, p := range operation(t, name, e.Operation).Params {
					if tried[e.Operation+"."+p.Name] {
						continue
					}
					tried[e.Operation+"."+p.Name] = true
					inject(t, s, made, conn, e, p)
				}
			}
		})
	}
}

func operation(t *testing.T, name, operation string) service.Operation {
	t.Helper()
	for _, op := range spec(t, name).Operations {
		if op.Name == operation {
			return op
		}
	}
	t.Fatalf("%s has no operation %s", name, operation)
	return service.Operation{}
}

const harmless = "H4RML3SS"

// inject tries one parameter with a value of its type that holds a text.
func inject(t *testing.T, s *server, c datasource.Connector, conn datasource.Conn, e exchange, p service.Param) {
	t.Helper()
	if len(p.Enum) > 0 || p.Pattern != "" {
		if _, err := send(t, s, c, conn, e, p, "' OR 1=1 --"); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s.%s takes any value: %v", e.Operation, p.Name, err)
		}
		return
	}
	element, _ := p.Type.Element()
	if element != datasource.ParamString && element != datasource.ParamJSON {
		if _, err := send(t, s, c, conn, e, p, "1; DROP TABLE x"); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s.%s takes any value: %v", e.Operation, p.Name, err)
		}
		return
	}
	sent, err := send(t, s, c, conn, e, p, harmless)
	if err != nil || !strings.Contains(sent, harmless) {
		t.Errorf("%s.%s: %v: the value is not in %s", e.Operation, p.Name, err, sent)
		return
	}
	for _, v := range connectortest.Injections() {
		got, err := send(t, s, c, conn, e, p, v)
		if problem.Is(err, problem.Invalid) { // it has no place there, and was not sent
			if s.got() != nil || v != "" && v != "." && v != ".." && !strings.ContainsAny(v, "\r\n\t") && p.MaxLength == 0 {
				t.Errorf("%s.%s: %q: %v", e.Operation, p.Name, v, err)
			}
			continue
		}
		want := strings.NewReplacer(
			"key "+harmless, "key "+strings.Trim(v, " "), quoted(harmless), quoted(v), quoted(harmless+".json"), quoted(v+".json"),
		).Replace(sent)
		if err != nil || got != want {
			t.Errorf("%s.%s: %q: %v\ngot  %s\nwant %s", e.Operation, p.Name, v, err, got, want)
		}
	}
}

func quoted(v any) string { b, _ := json.Marshal(v); return string(b) }

// send runs an exchange with a text in one parameter and gives the shape of the
// request. The text comes from a parameter of the query.
func send(t *testing.T, s *server, c datasource.Connector, conn datasource.Conn, e exchange, p service.Param, text string) (string, error) {
	t.Helper()
	s.mu.Lock()
	s.last = nil
	s.mu.Unlock()
	args := map[string]any{}
	for name, v := range e.Args {
		args[name] = v
	}
	args[p.Name] = "{{ v }}"
	var v any = text
	switch p.Type {
	case datasource.ParamJSON:
		b, _ := json.Marshal([]any{map[string]any{"k": text}})
		v = json.RawMessage(b)
	case datasource.ParamString.List():
		v = []any{text, "end"}
	}
	_, err := run(t, c, conn, e.Operation, args, map[string]any{"v": v})
	if s.got() == nil {
		return "", err
	}
	return shape(t, s.got()), nil
}

// shape is a request as its parts, every value in quotes.
func shape(t *testing.T, r *request) string {
	t.Helper()
	path, query, _ := strings.Cut(r.uri, "?")
	segments := strings.Split(path, "/")
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			t.Fatal(err)
		}
	}
	for name, values := range r.header {
		if len(values) != 1 || name == "X-Injected" {
			t.Errorf("the header %s is %q", name, values)
		}
	}
	var body any
	if strings.Contains(r.header.Get("Content-Type"), "form") {
		body = form(t, r.body)
	} else if r.body != "" {
		if err := json.Unmarshal([]byte(r.body), &body); err != nil {
			t.Fatal(err)
		}
	}
	key := "none"
	if values, ok := r.header["Idempotency-Key"]; ok {
		key = values[0]
	}
	return r.method + " " + quoted(segments) + quoted(form(t, query)) + quoted(body) + " key " + key
}

func form(t *testing.T, encoded string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return values
}
