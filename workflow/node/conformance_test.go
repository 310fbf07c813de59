package node_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
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
	ask := func(kv ...any) map[string]any { return config(append([]any{"title", "Well?"}, kv...)...) }
	fields := map[string]any{"type": "object", "required": []any{"limit"}, "properties": map[string]any{"limit": map[string]any{"type": "integer"}}}
	countries := []any{map[string]any{"equals": "DE", "port": "near"}, map[string]any{"equals": 7, "port": "lucky"}}
	hook := func(path string) any { return []any{map[string]any{"type": "webhook", "url": other.URL + path}} }
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
		"switch": {Calls: map[string]nodetest.Call{
			"text":   {Config: config("value", "DE", "cases", countries), Port: "near"},
			"number": {Config: config("value", 7.0, "cases", countries), Port: "lucky"},
			"none":   {Config: config("value", map[string]any{}, "cases", countries), Port: "default"},
		}},
		"approval": {Calls: map[string]nodetest.Call{
			"ask": {Config: ask("message", "9 000 €", "roles", []any{"operator"}, "deadline", "3d"), Waits: true, Answers: map[string]nodetest.Answer{
				"yes":     {Answer: workflow.Answer{Approved: new(true), Comment: "fine"}, Port: "approved"},
				"no":      {Answer: workflow.Answer{Approved: new(false)}, Port: "rejected"},
				"nothing": {Kind: problem.Invalid},
				"values":  {Answer: workflow.Answer{Approved: new(true), Values: map[string]any{}}, Kind: problem.Invalid},
			}},
			"nobody":   {Config: ask("users", []any{""}), Kind: problem.Invalid},
			"too late": {Config: ask("deadline", "400d"), Kind: problem.Invalid},
		}},
		"form": {Calls: map[string]nodetest.Call{
			"ask": {Config: ask("fields", fields), Waits: true, Answers: map[string]nodetest.Answer{
				"filled in": {Answer: workflow.Answer{Values: map[string]any{"limit": 5}}},
				"empty":     {Kind: problem.Invalid},
				"unknown":   {Answer: workflow.Answer{Values: map[string]any{"limit": 5, "x": 1}}, Kind: problem.Invalid},
				"decision":  {Answer: workflow.Answer{Approved: new(true), Values: map[string]any{"limit": 5}}, Kind: problem.Invalid},
			}},
			"no schema": {Config: ask("fields", map[string]any{"type": 5}), Kind: problem.Invalid},
		}},
		"waitEvent": {Calls: map[string]nodetest.Call{
			"any":      {Config: config("event", "paid"), Waits: true},
			"keyed":    {Config: config("event", "paid", "key", "1", "timeout", "10m"), Waits: true},
			"nameless": {Config: config("event", ""), Kind: problem.Invalid},
			"too long": {Config: config("event", "paid", "timeout", "400d"), Kind: problem.Invalid},
		}},
		"respond": {Calls: map[string]nodetest.Call{
			"nothing": {Config: config()},
			"json":    {Config: config("status", 201, "headers", map[string]any{"X-Order": "1"}, "body", map[string]any{"id": 1})},
			"text":    {Config: config("body", "thanks")},
			"wrong":   {Config: config("status", "many"), Kind: problem.Invalid},
		}},
		"notify": {
			Calls: map[string]nodetest.Call{
				"sent":        {Config: config("message", "sold out", "data", map[string]any{"sku": 1}, "channels", hook("/ok"))},
				"logged":      {Config: config("message", "sold out", "channels", []any{map[string]any{"type": "log", "level": "warn"}})},
				"refused":     {Config: config("message", "sold out", "channels", hook("/no?key=hunter2")), Kind: problem.Conflict},
				"unreachable": {Config: config("message", "sold out", "channels", []any{map[string]any{"type": "webhook", "url": "http://127.0.0.1:1"}}), Kind: problem.Upstream},
			},
			Slow:    &nodetest.Call{Config: config("message", "sold out", "channels", hook("/slow"))},
			Sent:    other.keys,
			Secrets: []string{"hunter2", "127.0.0.1"},
		},
		"subWorkflow": {Calls: map[string]nodetest.Call{
			"awaited":  {Config: config("workflowId", "w", "input", map[string]any{"a": 1})},
			"detached": {Config: config("workflowId", "w", "wait", false)},
			"wrong":    {Config: config("workflowId", "w", "wait", "no"), Kind: problem.Invalid},
		}},
		"forEach": {Calls: map[string]nodetest.Call{
			"list":     {Config: config("items", []any{1, "b", nil})},
			"nothing":  {Config: config("items", []any{})},
			"batches":  {Config: config("items", []any{1, 2, 3}, "batchSize", 2, "maxFailurePercent", 12.5, "maxFailures", 0)},
			"no list":  {Config: config("items", map[string]any{"rows": []any{}}), Kind: problem.Invalid},
			"too many": {Config: config("items", []any{1}, "batchSize", 20_000), Kind: problem.Invalid},
			"negative": {Config: config("items", []any{1}, "maxFailures", -1), Kind: problem.Invalid},
			"wrong":    {Config: config("items", []any{1}, "concurrency", "all"), Kind: problem.Invalid},
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
		_, _ = io.Copy(io.Discard, r.Body) // only then a server sees that the client is gone
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
