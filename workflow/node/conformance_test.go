package node_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow/node"
	"github.com/jetadmin/jetadmin/workflow/nodetest"
)

// Every built-in node passes the suite that a host's nodes are held to.
func TestBuiltinsConform(t *testing.T) {
	t.Parallel()
	other := newService(t)
	nodes, err := node.Builtins(node.Config{
		Client: http.DefaultClient, Scripts: newSandbox(t),
		RunQuery: func(ctx context.Context, queryID string, _ map[string]any) (any, error) {
			switch queryID {
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			case "missing":
				return nil, problem.Missing("query")
			}
			return map[string]any{"rows": []any{[]any{1}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cases := conformance(other)
	for _, n := range nodes {
		typ := n.Spec().Type
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			if len(cases[typ].Calls) == 0 {
				t.Skip("there are no cases")
			}
			nodetest.Run(t, n, cases[typ])
		})
	}
}

func conformance(other *service) map[string]nodetest.Cases {
	config := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	branches := []any{map[string]any{"port": "many", "when": "steps.rows > 5"}, map[string]any{"port": "few", "when": "steps.rows > input.few"}}
	return map[string]nodetest.Cases{
		"start": {Calls: map[string]nodetest.Call{
			"any input": {Config: config(), Input: map[string]any{"a": 1}},
			"declared":  {Config: config("input", map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "integer"}}}), Input: map[string]any{"a": 1}},
		}},
		"query": {
			Calls: map[string]nodetest.Call{
				"rows":    {Config: config("queryId", "q", "params", map[string]any{"a": 1})},
				"missing": {Config: config("queryId", "missing"), Kind: problem.NotFound},
			},
			Slow: &nodetest.Call{Config: config("queryId", "slow")},
		},
		"http": {
			Calls: map[string]nodetest.Call{
				"get":         {Config: config("url", other.URL+"/ok")},
				"post":        {Config: config("url", other.URL+"/ok", "method", "POST", "body", map[string]any{"a": []any{1, "b"}})},
				"refused":     {Config: config("url", other.URL+"/no?key=hunter2"), Kind: problem.Conflict},
				"unreachable": {Config: config("url", "http://127.0.0.1:1/?key=hunter2"), Kind: problem.Upstream},
				"relative":    {Config: config("url", "/x"), Kind: problem.Invalid},
			},
			Slow:    &nodetest.Call{Config: config("url", other.URL+"/slow")},
			Sent:    other.keys,
			Secrets: []string{"hunter2", "127.0.0.1"},
		},
		"transform": {Calls: map[string]nodetest.Call{
			"value":   {Config: config("value", map[string]any{"a": []any{1, nil, "b"}})},
			"nothing": {Config: config("value", nil)},
		}},
		"condition": {Calls: map[string]nodetest.Call{
			"first":     {Config: config("branches", branches), Steps: map[string]any{"rows": 6}, Input: map[string]any{"few": 1}, Port: "many"},
			"second":    {Config: config("branches", branches), Steps: map[string]any{"rows": 2}, Input: map[string]any{"few": 1}, Port: "few"},
			"none":      {Config: config("branches", branches), Steps: map[string]any{"rows": 0}, Input: map[string]any{"few": 1}, Port: "default"},
			"missing":   {Config: config("branches", branches), Kind: problem.Invalid},
			"no answer": {Config: config("branches", []any{map[string]any{"port": "a", "when": "1"}}), Kind: problem.Invalid},
		}},
		"delay": {Calls: map[string]nodetest.Call{
			"duration": {Config: config("duration", "90s")},
			"until":    {Config: config("until", "2030-02-01T00:00:00Z")},
			"past":     {Config: config("until", "2001-01-01T00:00:00Z")},
			"too long": {Config: config("duration", "400d"), Kind: problem.Invalid},
		}},
		"script": {
			Calls: map[string]nodetest.Call{
				"output":   {Config: config("source", "return { sum: input.a + 1 }", "input", map[string]any{"a": 1})},
				"of a run": {Config: config("source", "console.log('{{ x }}', input.a); return input", "timeout", "10s", "memory", 16), Input: map[string]any{"a": 1}},
				"thrown":   {Config: config("source", "throw new Error('no stock')"), Kind: problem.Invalid},
				"memory":   {Config: config("source", "const a = []; for (;;) a.push([a.length])", "memory", 4), Kind: problem.TooLarge},
				"timeout":  {Config: config("source", "for (;;);", "timeout", "1ms"), Kind: problem.Timeout},
			},
			Slow: &nodetest.Call{Config: config("source", "for (;;);", "timeout", "5m")},
		},
		"end": {Calls: map[string]nodetest.Call{
			"output":    {Config: config("output", map[string]any{"a": 1})},
			"failed":    {Config: config("failed", true, "message", "no stock")},
			"terminate": {Config: config("terminate", true)},
			"wrong":     {Config: config("failed", "yes"), Kind: problem.Invalid},
		}},
	}
}

// service is somebody else's, who notes the idempotency keys that reach it.
type service struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newService(t *testing.T) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Header.Get("Idempotency-Key"))
		s.mu.Unlock()
		switch r.URL.Path {
		case "/no":
			w.WriteHeader(http.StatusConflict)
		case "/slow":
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"a": 1}`))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}
