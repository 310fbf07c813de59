package nodetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// record is a test that keeps its faults to itself.
type record struct {
	testing.TB
	mu     sync.Mutex
	faults []string
}

func (r *record) Helper() {}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// verdict is the faults that each part of the suite finds.
func verdict(t *testing.T, n workflow.Node, c Cases) map[string][]string {
	t.Helper()
	s := &suite{node: n, cases: c}
	found := map[string][]string{}
	for _, p := range s.parts() {
		r := &record{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.check(r)
		}()
		<-done
		if len(r.faults) > 0 {
			found[p.name] = r.faults
		}
	}
	return found
}

// sample is a node that each test breaks in one way.
type sample struct {
	spec   workflow.NodeSpec
	run    func(context.Context, *workflow.Call) (workflow.Result, error)
	ports  func(map[string]any) []string
	check  func(map[string]any) error
	grants func(map[string]any) []auth.Grant
	answer func(workflow.Wait, workflow.Answered) (workflow.Result, error)
}

func (s *sample) Spec() workflow.NodeSpec { return s.spec }

func (s *sample) Run(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
	return s.run(ctx, call)
}

func (s *sample) Ports(config map[string]any) []string { return s.ports(config) }

func (s *sample) Check(config map[string]any) error { return s.check(config) }

func (s *sample) Answer(w workflow.Wait, a workflow.Answered) (workflow.Result, error) {
	return s.answer(w, a)
}

func (s *sample) Grants(config map[string]any) []auth.Grant { return s.grants(config) }

type sampleConfig struct {
	Name string   `json:"name"`
	Ask  bool     `json:"ask,omitempty"`
	Wait bool     `json:"wait,omitempty"`
	List []string `json:"list,omitempty"`
}

// sound is a node without a fault, and its cases.
func sound(t *testing.T) (*sample, *Cases) {
	t.Helper()
	schema, err := jsonschema.For[sampleConfig](nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var sent []string
	n := &sample{
		spec: workflow.NodeSpec{Type: "sample", Title: "Sample", Config: schema, Ports: []string{"success", "other", "expired"}, Expressions: []string{"name"}},
		run: func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
			var c sampleConfig
			if err := call.Bind(&c); err != nil {
				return workflow.Result{}, err
			}
			if c.Wait {
				<-ctx.Done()
				return workflow.Result{}, ctx.Err()
			}
			if c.Ask {
				return workflow.Result{Wait: &workflow.Wait{Title: "Well?", Form: map[string]any{"limit": 5}}}, nil
			}
			v, err := call.Eval(c.Name)
			if err != nil {
				return workflow.Result{}, err
			}
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, call.IdempotencyKey)
			return workflow.Result{Output: v, Port: "other"}, nil
		},
		ports:  func(map[string]any) []string { return []string{"success", "other", "expired"} },
		check:  func(map[string]any) error { return nil },
		grants: func(map[string]any) []auth.Grant { return nil },
		answer: func(w workflow.Wait, a workflow.Answered) (workflow.Result, error) {
			if w.Form["limit"] != 5.0 || a.Approved == nil {
				return workflow.Result{}, problem.New(problem.Invalid, "", "decide")
			}
			return workflow.Result{Port: "other", Output: a.By}, nil
		},
	}
	return n, &Cases{
		Calls: map[string]Call{
			"good": {Config: map[string]any{"name": "steps.a + input.b", "list": []any{"x"}}, Steps: map[string]any{"a": 1}, Input: map[string]any{"b": 2}, Port: "other"},
			"bad":  {Config: map[string]any{"name": "steps.missing"}, Kind: problem.Invalid},
			"ask": {Config: map[string]any{"name": "", "ask": true}, Waits: true, Answers: map[string]Answer{
				"decided": {Answer: workflow.Answer{Approved: new(true)}, Port: "other"},
				"nothing": {Kind: problem.Invalid},
			}},
		},
		Slow: &Call{Config: map[string]any{"name": "", "wait": true}},
		Sent: func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(sent)
		},
		Secrets: []string{"hunter2"},
	}
}

func TestASoundNodePasses(t *testing.T) {
	t.Parallel()
	n, c := sound(t)
	Run(t, n, *c)
}

// Each way to break a node is found by the part of the suite that is there for it.
func TestABrokenNodeFails(t *testing.T) {
	t.Parallel()
	type breaks func(t *testing.T, n *sample, c *Cases)
	// before does something ahead of the sound node.
	before := func(do func(ctx context.Context, call *workflow.Call)) breaks {
		return func(_ *testing.T, n *sample, _ *Cases) {
			run := n.run
			n.run = func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
				do(ctx, call)
				return run(ctx, call)
			}
		}
	}
	// returns replaces what the good call comes to.
	returns := func(r workflow.Result, err error) breaks {
		return func(_ *testing.T, n *sample, _ *Cases) {
			run := n.run
			n.run = func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
				if call.Config["name"] == "steps.a + input.b" {
					return r, err
				}
				return run(ctx, call)
			}
		}
	}
	// answers replaces what comes of every answer.
	answers := func(r workflow.Result, err error) breaks {
		return func(_ *testing.T, n *sample, _ *Cases) {
			n.answer = func(workflow.Wait, workflow.Answered) (workflow.Result, error) { return r, err }
		}
	}
	// asks replaces what the node waits for.
	asks := func(w *workflow.Wait) breaks {
		return func(_ *testing.T, n *sample, _ *Cases) {
			run := n.run
			n.run = func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
				r, err := run(ctx, call)
				if r.Wait != nil {
					r.Wait = w
				}
				return r, err
			}
		}
	}
	loop := map[string]any{}
	loop["loop"] = loop
	for name, c := range map[string]struct {
		part   string
		breaks breaks
	}{
		"type":        {"spec", func(_ *testing.T, n *sample, _ *Cases) { n.spec.Type = "no identifier" }},
		"title":       {"spec", func(_ *testing.T, n *sample, _ *Cases) { n.spec.Title = "" }},
		"schema":      {"spec", func(_ *testing.T, n *sample, _ *Cases) { n.spec.Config = &jsonschema.Schema{Ref: "#/$defs/none"} }},
		"expressions": {"spec", func(_ *testing.T, n *sample, _ *Cases) { n.spec.Expressions = []string{"list.name"} }},
		"port twice":  {"spec", func(_ *testing.T, n *sample, _ *Cases) { n.spec.Ports = []string{"a", "a"} }},
		"port error": {"spec", func(_ *testing.T, n *sample, _ *Cases) {
			n.ports = func(map[string]any) []string { return []string{"error"} }
		}},
		"no calls": {"spec", func(_ *testing.T, _ *sample, c *Cases) { c.Calls = nil }},
		"unfit config": {"spec", func(_ *testing.T, _ *sample, c *Cases) {
			c.Calls["good"] = Call{Config: map[string]any{"name": "1", "list": 5}, Port: "other"}
		}},
		"refused config": {"spec", func(_ *testing.T, n *sample, _ *Cases) {
			n.check = func(map[string]any) error { return problem.New(problem.Invalid, "", "no") }
		}},
		"ports that change": {"spec", func(_ *testing.T, n *sample, _ *Cases) {
			i := 0
			n.ports = func(map[string]any) []string { i++; return []string{"success", "other", fmt.Sprint(i)} }
		}},
		"draft panics ports": {"drafts", func(_ *testing.T, n *sample, _ *Cases) {
			n.ports = func(c map[string]any) []string { return []string{c["name"].(string), "other"} }
		}},
		"draft panics grants": {"drafts", func(_ *testing.T, n *sample, _ *Cases) {
			n.grants = func(c map[string]any) []auth.Grant { return []auth.Grant{{ObjectID: c["name"].(string)}} }
		}},
		"check not invalid": {"drafts", func(_ *testing.T, n *sample, _ *Cases) {
			n.check = func(map[string]any) error { return errors.New("no") }
		}},
		"panic":            {"calls", before(func(context.Context, *workflow.Call) { panic("ouch") })},
		"goexit":           {"calls", before(func(context.Context, *workflow.Call) { runtime.Goexit() })},
		"NaN":              {"calls", returns(workflow.Result{Output: math.NaN(), Port: "other"}, nil)},
		"cycle":            {"calls", returns(workflow.Result{Output: loop, Port: "other"}, nil)},
		"bad marshaler":    {"calls", returns(workflow.Result{Output: explosive{}, Port: "other"}, nil)},
		"too large":        {"calls", returns(workflow.Result{Output: strings.Repeat("x", workflow.MaxOutput), Port: "other"}, nil)},
		"unknown port":     {"calls", returns(workflow.Result{Port: "nowhere"}, nil)},
		"wrong port":       {"calls", returns(workflow.Result{}, nil)},
		"unforeseen error": {"calls", returns(workflow.Result{}, errors.New("ouch"))},
		"secret":           {"calls", returns(workflow.Result{}, problem.New(problem.Upstream, "", "password hunter2"))},
		"two lines":        {"calls", returns(workflow.Result{}, problem.New(problem.Upstream, "", "a\nb"))},
		"no error": {"calls", func(_ *testing.T, n *sample, _ *Cases) {
			n.run = func(context.Context, *workflow.Call) (workflow.Result, error) {
				return workflow.Result{Port: "other"}, nil
			}
		}},
		"wrong kind": {"calls", func(_ *testing.T, _ *sample, c *Cases) {
			c.Calls["bad"] = Call{Config: c.Calls["bad"].Config, Kind: problem.NotFound}
		}},
		"mutates": {"calls", before(func(_ context.Context, call *workflow.Call) { call.Config["x"] = 1 })},
		"mutates below": {"calls", before(func(_ context.Context, call *workflow.Call) {
			if l, ok := call.Config["list"].([]any); ok {
				l[0] = "y"
			}
		})},
		"mutates input": {"calls", before(func(_ context.Context, call *workflow.Call) {
			if call.Input != nil {
				call.Input["x"] = 1
			}
		})},
		"waits for nothing": {"calls", asks(nil)},
		"waits too long":    {"calls", asks(&workflow.Wait{Timeout: 2 * workflow.MaxWait})},
		"form not JSON":     {"calls", asks(&workflow.Wait{Form: map[string]any{"limit": math.Inf(1)}})},
		"waits where it should not": {"calls", func(_ *testing.T, _ *sample, c *Cases) {
			ask := c.Calls["ask"]
			ask.Waits = false
			c.Calls["ask"] = ask
		}},
		"no port expired": {"calls", func(_ *testing.T, n *sample, _ *Cases) {
			n.ports = func(map[string]any) []string { return []string{"success", "other"} }
		}},
		"impossible response":  {"calls", returns(workflow.Result{Port: "other", Response: &workflow.Response{Status: 99}}, nil)},
		"answer to a port":     {"calls", answers(workflow.Result{Port: "nowhere"}, nil)},
		"answer not JSON":      {"calls", answers(workflow.Result{Port: "other", Output: math.NaN()}, nil)},
		"answer never invalid": {"calls", answers(workflow.Result{Port: "other"}, nil)},
		"answer waits again":   {"calls", answers(workflow.Result{Wait: &workflow.Wait{}}, nil)},
		"answer panics": {"calls", func(_ *testing.T, n *sample, _ *Cases) {
			n.answer = func(workflow.Wait, workflow.Answered) (workflow.Result, error) { panic("ouch") }
		}},
		"own key": {"repetition", func(_ *testing.T, _ *sample, c *Cases) {
			sent, n := c.Sent, 0
			c.Sent = func() []string { n++; return append(sent(), make([]string, n)...) }
		}},
		"no key": {"repetition", func(_ *testing.T, _ *sample, c *Cases) { c.Sent = func() []string { return nil } }},
		"deaf": {"ended", func(t *testing.T, n *sample, c *Cases) {
			before(func(ctx context.Context, _ *workflow.Call) {
				if ctx.Err() != nil {
					<-t.Context().Done()
				}
			})(t, n, c)
		}},
		"not slow": {"cancelled", func(_ *testing.T, _ *sample, c *Cases) { s := c.Calls["good"]; c.Slow = &s }},
		"pretends": {"cancelled", func(_ *testing.T, n *sample, _ *Cases) {
			run := n.run
			n.run = func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
				r, err := run(ctx, call)
				if call.Config["wait"] == true {
					err = nil
				}
				return r, err
			}
		}},
		"deaf when slow": {"cancelled", func(t *testing.T, n *sample, c *Cases) {
			before(func(_ context.Context, call *workflow.Call) {
				if call.Config["wait"] == true {
					<-t.Context().Done()
				}
			})(t, n, c)
		}},
		"once at a time": {"concurrent", func(_ *testing.T, n *sample, _ *Cases) {
			var mu sync.Mutex
			run := n.run
			n.run = func(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
				if call.Key == "c" && call.Config["list"] != nil && !mu.TryLock() {
					return workflow.Result{}, problem.New(problem.Unavailable, "", "busy")
				}
				return run(ctx, call) // it stays locked: nobody else gets in
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, cases := sound(t)
			c.breaks(t, n, cases)
			found := verdict(t, n, *cases)
			if len(found[c.part]) == 0 {
				t.Errorf("the part %q finds nothing; others: %v", c.part, found)
			}
		})
	}
}

// explosive cannot be written.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("ouch") }

// A function whose configuration cannot be described is refused by its error.
func TestAConfigurationWithoutASchemaFails(t *testing.T) {
	t.Parallel()
	n := workflow.NodeFunc(workflow.NodeSpec{Type: "f", Title: "F"}, func(context.Context, *workflow.Call, struct{ C chan int }) (any, error) {
		return nil, nil
	})
	if found := verdict(t, n, Cases{Calls: map[string]Call{"x": {}}}); len(found["spec"]) == 0 {
		t.Errorf("found %v", found)
	}
}
