package graphql_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/graphql"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

func op(query string, more ...any) json.RawMessage {
	operation := map[string]any{"query": query}
	for i := 0; i+1 < len(more); i += 2 {
		operation[more[i].(string)] = more[i+1]
	}
	b, _ := json.Marshal(operation)
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	wrongToken := s.settings()
	wrongToken.Secrets = map[string]secret.Text{"token": secret.NewText("canary-wrong")}
	echo := op("query ($v: Any) { echo(v: $v) }", "variables", map[string]any{"v": "{{ v }}"})
	var aliases strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&aliases, "c%d: n ", i)
	}
	connectortest.Run(t, graphql.Connector(), s.settings(), connectortest.Fixtures{
		Echo:     func(datasource.ParamType) json.RawMessage { return echo },
		EchoList: echo,
		Many:     op("{ numbers(n: 6000) { n } }", "rows", "/numbers"),
		Wide:     op("{ numbers(n: 1) { "+aliases.String()+"} }", "rows", "/numbers"),
		Large:    op("{ large }"),
		Slow:     op("{ slow }"),
		Running:  func(*testing.T) int { return int(s.running.Load()) },
		Refused:  op("{ nobodyKnowsThis }"),
		Write:    op(`mutation { addNote(text: "note") }`),
		Harmful: map[string]json.RawMessage{
			"named":               op(`mutation Add { addNote(text: "x") }`),
			"behind a query":      op(`query A { __typename } mutation B { addNote(text: "x") }`, "operationName", "B"),
			"before a query":      op(`mutation B { addNote(text: "x") } query A { __typename }`, "operationName", "A"),
			"behind a comment":    op("# query { a }\nmutation { addNote(text: \"x\") }"),
			"behind a mark":       op("\uFEFF,,,mutation { addNote(text: \"x\") }"),
			"in a fragment":       op(`mutation { ...F } fragment F on Mutation { addNote(text: "x") }`),
			"in a string":         op(`query { echo(v: """ \""" } """) } mutation { addNote(text: "x") }`),
			"a line break of old": op("query { __typename } # \r mutation { addNote(text: \"x\") }"),
			"a subscription":      op(`subscription { notes }`),
			"a schema":            op(`type Query { a: Int }`),
			"a placeholder":       op(`{{ q }}`),
		},
		State: func(*testing.T) string { return s.state() },
		Unreachable: map[string]datasource.Settings{
			"no such host":    s.with("endpoint", "http://nowhere.invalid/graphql"),
			"closed port":     s.with("endpoint", "http://127.0.0.1:1/graphql"),
			"refused address": s.with("endpoint", "http://169.254.169.254/graphql"),
			"no GraphQL":      s.with("endpoint", s.URL+"/other"),
			"wrong token":     wrongToken,
		},
	})
}

func open(t testing.TB, s datasource.Settings) datasource.Conn {
	t.Helper()
	if err := graphql.Connector().(datasource.SettingsChecker).CheckSettings(s); err != nil {
		t.Fatal(err)
	}
	conn, err := graphql.Connector().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// run gives the columns and rows of an operation as text.
func run(t testing.TB, conn datasource.Conn, operation json.RawMessage, params map[string]any) (string, error) {
	t.Helper()
	parsed, err := graphql.Connector().Parse(operation)
	if err != nil {
		return "", err
	}
	rows, err := conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: parsed, Params: params, MaxRows: 100, MaxBytes: 1 << 20})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range rows.Columns() {
		_, _ = fmt.Fprintf(&b, "%s:%s ", c.Name, c.Type)
	}
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprint(&b, row)
	}
}

func TestAnswersBecomeRows(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn := open(t, s.settings())
	for _, c := range []struct {
		operation json.RawMessage
		params    map[string]any
		want      string
	}{
		{op("{ users { id name } }", "rows", "/users"), nil, "id:string name:string [1 Zoë][2 Björn]"},
		{op("{ users(first: 1) { name friends { id } } }", "rows", "/users"), nil, `name:string friends:json [Zoë [{"id":"9"}]]`},
		{op("query ($id: ID!) { user(id: $id) { name friends { name } } }", "rows", "/user/friends", "variables", map[string]any{"id": "{{ id }}"}), map[string]any{"id": "4"}, "name:string [Eve]"},
		{op("query ($id: ID!) { user(id: $id) { name friends { name } } }", "rows", "/user/friends", "variables", map[string]any{"id": "{{ id }}"}), map[string]any{"id": "0"}, ""},
		{op("query ($id: ID!) { user(id: $id) { name } }", "variables", map[string]any{"id": "no {{ id }}"}), map[string]any{"id": "4"}, `user:json [{"name":"Zoë"}]`},
		{op("{ a: user(id: 1) { balance } }", "rows", "/a"), nil, "balance:number [12345678901234567.89]"},
		{op("query A { __typename } query B { users(first: 1) { id } }", "operationName", "B"), nil, `users:json [[{"id":"1"}]]`},
		{op(`mutation ($t: String!) { addNote(text: $t) }`, "variables", map[string]any{"t": "{{ t }}"}), map[string]any{"t": "}) { x"}, "addNote:integer [1]"},
	} {
		if got, err := run(t, conn, c.operation, c.params); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.operation, got, err, c.want)
		}
	}
	if got := s.state(); got != "[}) { x]" {
		t.Errorf("the notes are %s", got)
	}
}

// A variable with a default is left out when there is no value: null would take
// the place of the default.
func TestAbsentVariables(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn := open(t, s.settings())
	text := "query ($n: Int = 1, $named: String, $o: Any) { users(first: $n, named: $named) { id } echo(v: $o) }"
	variables := map[string]any{"n": "{{ n }}", "named": "{{ named }}", "o": map[string]any{"a": "{{ named }}"}}
	for omit, want := range map[bool]string{false: "map[named:<nil> o:map[a:<nil>]]", true: "map[]"} {
		got, err := run(t, conn, op(text, "variables", variables, "rows", "/users", "omitNull", omit), map[string]any{"n": nil, "named": nil})
		if err != nil || got != "id:string [1]" {
			t.Errorf("got %s, %v", got, err)
		}
		s.mu.Lock()
		if sent := fmt.Sprint(s.last); sent != want {
			t.Errorf("sent %s, want %s", sent, want)
		}
		s.mu.Unlock()
	}
}

func TestErrorsAreRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn := open(t, s.settings())
	for _, c := range []struct {
		operation     json.RawMessage
		message, code string
		position      int
	}{
		{op("{\n  users { id }\n  nope }"), `the API refused: Cannot query field "nope" on type "Query".`, "", 19},
		{op(`{ fail(say: "not today") users { id } }`), "the API refused: not today", "SAID_SO", 2},
		{op(`{ fail(say: "two\nlines of ` + token + `, \u0000") }`), "the API refused: two lines of " + secret.Mask + ",", "SAID_SO", 2},
		{op(`{ a: nope b: nope }`), `the API refused: Cannot query field "nope" on type "Query". (and 1 more)`, "", 2},
	} {
		_, err := run(t, conn, c.operation, nil)
		refusal, ok := errors.AsType[*datasource.StatementError](err)
		if !ok || refusal.Message != c.message || refusal.Code != c.code || refusal.Position != c.position && c.code == "" {
			t.Errorf("%s: got %#v, %v", c.operation, refusal, err)
		}
	}
}

func TestOddAnswers(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		status int
		body   string
		code   string // of a problem; "" = a refusal
	}{
		"errors":         {200, `{"errors": [{"message": "no"}], "data": {"a": 1}}`, ""},
		"errors, 400":    {400, `{"errors": [{"message": "no"}]}`, ""},
		"odd errors":     {200, `{"errors": {"message": "no"}, "data": {}}`, ""},
		"odder errors":   {200, `{"errors": "no", "data": {}}`, ""},
		"odd locations":  {200, `{"errors": [{"locations": [{"line": 99999999, "column": -5}]}]}`, ""},
		"a page":         {200, `<html>`, "answer_not_graphql"},
		"another API":    {200, `{"items": []}`, "answer_not_graphql"},
		"a list":         {200, `[]`, "answer_not_graphql"},
		"nothing":        {204, ``, "answer_not_graphql"},
		"an error page":  {502, `<html>`, ""},
		"busy":           {429, ``, "api_busy"},
		"too much":       {200, `{"data": "` + strings.Repeat("x", 2<<20) + `"}`, "response_too_large"},
		"no such member": {200, `{"data": {"b": 1}}`, ""},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := answers[r.Header.Get("X-Case")]
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, c.body)
	}))
	t.Cleanup(server.Close)
	s := &server2{server.URL}
	for name, c := range answers {
		conn := open(t, s.settings(name))
		_, err := run(t, conn, op("{ a }", "rows", "/a"), nil)
		if c.code == "" {
			if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != c.code || e.Kind != problem.Upstream || e.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of a great many errors one is told.
func TestT79_ManyErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"errors": [{"message": "first", "locations": [{"line": 1, "column": 3}], "extensions": {"code": [[]]}}`)
	b.WriteString(strings.Repeat(",{}", 1<<20) + "]}")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, b.String()) }))
	t.Cleanup(server.Close)
	conn := open(t, (&server2{server.URL}).settings(""))
	operation, err := graphql.Connector().Parse(op("{ a }"))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = conn.Query(t.Context(), datasource.Statement{Operation: operation, MaxRows: 10, MaxBytes: 10 << 20})
	runtime.ReadMemStats(&after)
	refusal, ok := errors.AsType[*datasource.StatementError](err)
	if !ok || refusal.Message != "the API refused: first (and 1048576 more)" || refusal.Position != 2 || refusal.Code != "" {
		t.Errorf("got %v", err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 80<<20 {
		t.Errorf("%d MB for an answer of %d KB", made>>20, b.Len()>>10)
	}
}

// A mutation that did its work is not told as failed.
func TestAMutationThatWasCarriedOutSaysSo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data": {"b": 1}}`) }))
	t.Cleanup(server.Close)
	conn := open(t, (&server2{server.URL}).settings(""))
	operation, err := graphql.Connector().Parse(op("mutation { a }", "rows", "/a"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.(datasource.Execer).Exec(t.Context(), datasource.Statement{Operation: operation, MaxRows: 10, MaxBytes: 1 << 20})
	if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.HasPrefix(refusal.Message, "the request was carried out") {
		t.Errorf("got %v", err)
	}
}

type server2 struct{ url string }

func (s *server2) settings(name string) datasource.Settings {
	settings := (&server{Server: &httptest.Server{URL: s.url}}).settings()
	settings.Values["headers"] = map[string]string{"X-Case": name}
	return settings
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	schema, err := open(t, s.settings()).(datasource.Introspector).Introspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range schema.Tables {
		_, _ = fmt.Fprintf(&b, "%s %s\n", table.Kind, table.Name)
		for _, c := range table.Columns {
			_, _ = fmt.Fprintf(&b, "  %s %s %v\n", c.Name, c.Type, c.Nullable)
		}
	}
	want := `query Query
  echo (v: Any): Any true
  numbers (n: Int!): [Number!]! false
  large String! false
  slow Boolean true
  user (id: ID!): User true
  users (first: Int, named: String): [User!]! false
  fail (say: String!): Boolean true
mutation Mutation
  addNote (text: String!, tag: String): Int! false
interface Named
  name String! false
type Number
  n Int! false
input Unused
  text String! false
  tags [String!] true
type User
  id ID! false
  name String! false
  friends [User!] true
  balance Any true
`
	if b.String() != want || schema.Truncated {
		t.Errorf("got\n%s", b.String())
	}
}

// A schema of an unfriendly server stays within the limits of schemas.
func TestTheSchemaIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"kind":"LIST","ofType":`, 3000) + `{"name":"X"}` + strings.Repeat("}", 3000)
	var types strings.Builder
	_, _ = fmt.Fprintf(&types, `{"kind":"OBJECT","name":"Deep","fields":[{"name":"a","type":%s}]},{"kind":"OBJECT","name":"Bad name","fields":[{"name":"a","type":{}}]},{"kind":"OBJECT","name":"Empty"}`, deep)
	for i := range 2500 {
		_, _ = fmt.Fprintf(&types, `,{"kind":"OBJECT","name":"T%d","fields":[{"name":"a","type":{"kind":"SCALAR","name":"<b>"}},{"name":"b\n","type":{}}]}`, i)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"__schema":{"types":[`+types.String()+`]}}}`)
	}))
	t.Cleanup(server.Close)
	schema, err := open(t, (&server2{server.URL}).settings("")).(datasource.Introspector).Introspect(t.Context())
	if err != nil || len(schema.Tables) != datasource.MaxTables || !schema.Truncated {
		t.Fatalf("%d tables, truncated %v, %v", len(schema.Tables), schema.Truncated, err)
	}
	if c := schema.Tables[1].Columns; len(c) != 1 || c[0].Type != "…" {
		t.Errorf("got %+v", c)
	}
}
