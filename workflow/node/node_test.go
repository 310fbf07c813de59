package node_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

// builtins are all built-in nodes, with a world that does nothing.
func builtins(t *testing.T) []workflow.Node { return builtinsBy(t, http.DefaultClient) }

func builtinsBy(t *testing.T, client *http.Client) []workflow.Node {
	t.Helper()
	nodes, err := node.Builtins(node.Config{
		Client:  client,
		Scripts: newSandbox(t),
		RunQuery: func(_ context.Context, queryID string, params map[string]any) (any, error) {
			return map[string]any{"ran": queryID, "with": params}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// builtin is a built-in node by its type.
func builtin(t *testing.T, typ string) workflow.Node {
	t.Helper()
	return named(t, builtins(t), typ)
}

func named(t *testing.T, nodes []workflow.Node, typ string) workflow.Node {
	t.Helper()
	for _, n := range nodes {
		if n.Spec().Type == typ {
			return n
		}
	}
	t.Fatalf("no node %q", typ)
	return nil
}

func TestBuiltinsNeedTheirConfig(t *testing.T) {
	t.Parallel()
	if _, err := node.Builtins(node.Config{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}

func TestEveryNodeDescribesItself(t *testing.T) {
	t.Parallel()
	for _, n := range builtins(t) {
		s := n.Spec()
		if s.Type == "" || s.Title == "" || s.Description == "" || s.Config == nil {
			t.Errorf("%+v", s)
		}
		for name, p := range s.Config.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", s.Type, name)
			}
		}
	}
}

func TestStartJudgesTheInput(t *testing.T) {
	t.Parallel()
	start := builtin(t, "start").(workflow.Starter)
	config := map[string]any{"input": map[string]any{
		"type": "object", "required": []any{"id"}, "additionalProperties": false,
		"properties": map[string]any{
			"id":   map[string]any{"type": "integer", "minimum": 1.0},
			"note": map[string]any{"type": "string", "default": "none"},
		},
	}}
	got, err := start.Input(config, map[string]any{"id": 7})
	if err != nil || got["note"] != "none" || got["id"] != 7 {
		t.Errorf("%v, %v", got, err)
	}
	for name, input := range map[string]map[string]any{
		"missing": {}, "wrong type": {"id": "x"}, "below the minimum": {"id": 0}, "unknown": {"id": 1, "other": true},
	} {
		if _, err := start.Input(config, input); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = start.Input(config, map[string]any{"note": 5})
	if p := problem.Of(err); len(p.Faults) != 2 {
		t.Errorf("want both faults, got %+v", p.Faults)
	}
	if err := builtin(t, "start").(workflow.Checker).Check(map[string]any{"input": map[string]any{"type": "array"}}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a schema that is not of an object: %v", err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	d := builtin(t, "delay")
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for config, want := range map[string]time.Duration{
		"duration=90s": 90 * time.Second, "duration=2d": 48 * time.Hour, "duration=0s": 0,
		"until=2030-01-01T00:01:00Z": time.Minute, "until=2029-01-01T00:00:00Z": 0,
	} {
		name, value, _ := strings.Cut(config, "=")
		r, err := d.Run(t.Context(), &workflow.Call{Config: map[string]any{name: value}, Now: now})
		if err != nil || max(r.Sleep, 0) != want {
			t.Errorf("%s: %s, %v", config, r.Sleep, err)
		}
	}
	for _, config := range []map[string]any{
		{}, {"duration": "1s", "until": "2030-01-01T00:00:00Z"}, {"duration": "soon"}, {"duration": "-1s"}, {"duration": "367d"}, {"until": "tomorrow"},
	} {
		if err := d.(workflow.Checker).Check(config); !problem.Is(err, problem.Invalid) {
			t.Errorf("%v: %v", config, err)
		}
	}
	if _, err := d.Run(t.Context(), &workflow.Call{Config: map[string]any{"until": "2040-01-01T00:00:00Z"}, Now: now}); !problem.Is(err, problem.Invalid) {
		t.Errorf("ten years: %v", err)
	}
}

func TestQueryNamesItsGrant(t *testing.T) {
	t.Parallel()
	q := builtin(t, "query")
	grants := q.(workflow.Granter).Grants(map[string]any{"queryId": "q1"})
	if len(grants) != 1 || grants[0] != (auth.Grant{Permission: auth.QueryExecute, ObjectID: "q1"}) {
		t.Errorf("%+v", grants)
	}
	r, err := q.Run(t.Context(), &workflow.Call{Config: map[string]any{"queryId": "q1", "params": map[string]any{"a": 1}}})
	if err != nil || r.Output.(map[string]any)["ran"] != "q1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestConditionPorts(t *testing.T) {
	t.Parallel()
	c := builtin(t, "condition")
	ports := c.(workflow.Porter).Ports(map[string]any{"branches": []any{map[string]any{"port": "yes", "when": "true"}}})
	if strings.Join(ports, " ") != "default yes" {
		t.Errorf("%v", ports)
	}
	for name, branches := range map[string][]any{
		"none": {}, "default": {map[string]any{"port": "default", "when": "true"}}, "error": {map[string]any{"port": "error", "when": "true"}},
		"twice":   {map[string]any{"port": "a", "when": "true"}, map[string]any{"port": "a", "when": "true"}},
		"no port": {map[string]any{"when": "true"}},
	} {
		if err := c.(workflow.Checker).Check(map[string]any{"branches": branches}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHTTPFailures(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/busy":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/large":
			_, _ = w.Write(make([]byte, workflow.MaxOutput))
		}
	}))
	defer server.Close()
	h := builtin(t, "http")
	run := func(config map[string]any) *problem.Error {
		_, err := h.Run(t.Context(), &workflow.Call{Config: config, IdempotencyKey: "k"})
		return problem.Of(err)
	}
	for path, want := range map[string]problem.Kind{
		"/missing": problem.Conflict, "/busy": problem.Upstream, "/down": problem.Upstream, "/large": problem.TooLarge,
	} {
		p := run(map[string]any{"url": server.URL + path})
		if p == nil || p.Kind != want {
			t.Errorf("%s: %v", path, p)
		}
		if path == "/busy" && p.RetryAfter != 7*time.Second {
			t.Errorf("Retry-After became %s", p.RetryAfter)
		}
	}
	for name, config := range map[string]map[string]any{
		"relative":   {"url": "/x"},
		"scheme":     {"url": "file:///etc/passwd"},
		"line break": {"url": server.URL, "headers": map[string]any{"X-A": "b\r\nX-C: d"}},
		"method":     {"url": server.URL, "method": "GET /"},
		"wrong type": {"url": 5},
	} {
		if p := run(config); p == nil || p.Kind != problem.Invalid {
			t.Errorf("%s: %v", name, p)
		}
	}
	server.Close()
	if p := run(map[string]any{"url": server.URL}); p == nil || p.Kind != problem.Upstream || strings.Contains(p.Message, "127.0.0.1") {
		t.Errorf("unreachable: %v", p)
	}
}

// A declaration that refers to itself would be followed without end, and the
// stack that takes cannot be recovered from.
func TestTheDeclaredInputHoldsNoReferences(t *testing.T) {
	t.Parallel()
	check := builtin(t, "start").(workflow.Checker)
	for name, schema := range map[string]map[string]any{
		"itself":    {"type": "object", "$ref": "#"},
		"a default": {"type": "object", "$ref": "#", "default": map[string]any{}},
		"any case":  {"type": "object", "$REF": "#"},
		"a part":    {"type": "object", "allOf": []any{map[string]any{"$ref": "#"}}},
		"a circle": {
			"type": "object", "properties": map[string]any{"a": map[string]any{"$ref": "#/$defs/a"}},
			"$defs": map[string]any{"a": map[string]any{"anyOf": []any{map[string]any{"$dynamicRef": "#/$defs/a"}}}},
		},
	} {
		if err := check.Check(map[string]any{"input": schema}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A condition is read once for each edge that leaves it.
func TestAConditionHasAThousandBranchesAtMost(t *testing.T) {
	t.Parallel()
	check := builtin(t, "condition").(workflow.Checker)
	for n, sound := range map[int]bool{1000: true, 1001: false} {
		list := make([]any, n)
		for i := range list {
			list[i] = map[string]any{"port": fmt.Sprint("p", i), "when": "true"}
		}
		if err := check.Check(map[string]any{"branches": list}); (err == nil) != sound {
			t.Errorf("%d branches: %v", n, err)
		}
	}
}
