package graphql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gophers "github.com/graph-gophers/graphql-go"
	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "canary-token"

const sdl = `
	scalar Any
	type Query {
		echo(v: Any): Any
		numbers(n: Int!): [Number!]!
		large: String!
		slow: Boolean
		user(id: ID!): User
		users(first: Int = 2, named: String): [User!]!
		fail(say: String!): Boolean
	}
	type Mutation { addNote(text: String!, tag: String): Int! }
	interface Named { name: String! }
	type User implements Named { id: ID!, name: String!, friends: [User!], balance: Any }
	input Unused { text: String!, tags: [String!] }
	type Number { n: Int! }
	schema { query: Query, mutation: Mutation }
`

// server is a GraphQL API with a schema of its own, executed by graph-gophers.
type server struct {
	*httptest.Server
	schema  *gophers.Schema
	running atomic.Int64

	mu    sync.Mutex
	notes []string
	last  map[string]any // the variables of the last request
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{}
	s.schema = gophers.MustParseSchema(sdl, &resolver{s})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you? "+r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		var in struct {
			Query         string         `json:"query"`
			OperationName string         `json:"operationName"`
			Variables     map[string]any `json:"variables"`
		}
		d := json.NewDecoder(r.Body)
		d.UseNumber()
		if err := d.Decode(&in); err != nil || r.Method != http.MethodPost || r.URL.Path != "/graphql" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.last = maps.Clone(in.Variables) // the executor fills defaults in
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/graphql-response+json")
		_ = json.NewEncoder(w).Encode(s.schema.Exec(r.Context(), in.Query, in.OperationName, in.Variables))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.notes)
}

func (s *server) settings() datasource.Settings {
	return datasource.Settings{
		Values:  map[string]any{"endpoint": s.URL + "/graphql", "auth": "bearer", "apiKeyIn": "header", "apiKeyName": "X-API-Key"},
		Secrets: map[string]secret.Text{"token": secret.NewText(token)},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

func (s *server) with(field string, v any) datasource.Settings {
	settings := s.settings()
	settings.Values[field] = v
	return settings
}

type resolver struct{ s *server }

// Any is a scalar of any value.
type Any struct{ v any }

func (Any) ImplementsGraphQLType(name string) bool { return name == "Any" }
func (a *Any) UnmarshalGraphQL(input any) error    { a.v = input; return nil }
func (a Any) MarshalJSON() ([]byte, error)         { return json.Marshal(a.v) }

func (r *resolver) Echo(args struct{ V *Any }) *Any { return args.V }

func (r *resolver) Large() string { return strings.Repeat("x", 1<<20) }

type number struct{ n int32 }

func (n number) N() int32 { return n.n }

func (r *resolver) Numbers(args struct{ N int32 }) []number {
	list := make([]number, args.N)
	for i := range list {
		list[i].n = int32(i)
	}
	return list
}

func (r *resolver) Slow(ctx context.Context) *bool {
	r.s.running.Add(1)
	defer r.s.running.Add(-1)
	<-ctx.Done()
	return nil
}

func (r *resolver) Fail(args struct{ Say string }) (*bool, error) {
	return nil, coded{args.Say}
}

type coded struct{ text string }

func (c coded) Error() string              { return c.text }
func (c coded) Extensions() map[string]any { return map[string]any{"code": "SAID_SO"} }

type user struct{ id, name string }

func (u user) ID() gophers.ID   { return gophers.ID(u.id) }
func (u user) Name() string     { return u.name }
func (u user) Friends() *[]user { return &[]user{{"9", "Eve"}} }
func (u user) Balance() *Any    { return &Any{json.Number("12345678901234567.89")} }

func (r *resolver) User(args struct{ ID gophers.ID }) *user {
	if args.ID == "0" {
		return nil
	}
	return &user{string(args.ID), "Zoë"}
}

func (r *resolver) Users(args struct {
	First int32
	Named *string
}) []user {
	list := []user{{"1", "Zoë"}, {"2", "Björn"}, {"3", "山田"}}
	if args.Named != nil {
		list[0].name = *args.Named
	}
	return list[:min(int(args.First), len(list))]
}

func (r *resolver) AddNote(args struct {
	Text string
	Tag  *string
}) int32 {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.notes = append(r.s.notes, args.Text)
	return int32(len(r.s.notes))
}
