package nodetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

// newCall is an attempt at the node with a configuration of its own.
func (s *suite) newCall(key string, c Call, attempt int) *workflow.Call {
	return workflow.Call{
		TenantID: "tenant", RunID: "run", Key: key, Attempt: attempt, IdempotencyKey: "run/" + key + "/0",
		Config: copied(c.Config), Input: copied(c.Input), Now: time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC),
		Logger: slog.New(slog.DiscardHandler),
	}.WithSteps(copied(c.Steps))
}

// answer is what an attempt came to.
type answer struct {
	result workflow.Result
	err    error
	panic  string
	silent bool // it did not come back in time
}

// attempt runs the node, within a time.
func (s *suite) attempt(ctx context.Context, call *workflow.Call, within time.Duration) answer {
	answers := s.begin(ctx, call)
	select {
	case a := <-answers:
		return a
	case <-time.After(within):
		return answer{silent: true}
	}
}

func (s *suite) begin(ctx context.Context, call *workflow.Call) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		a := answer{panic: "runtime.Goexit"} // what is left when nothing else happens
		defer func() { answers <- a }()
		defer func() {
			if r := recover(); r != nil {
				a.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
		}()
		result, err := s.node.Run(ctx, call)
		a = answer{result: result, err: err}
	}()
	return answers
}

// calls makes each call once and looks at everything that came of it.
func (s *suite) calls(t testing.TB) {
	for name, c := range s.cases.Calls {
		call := s.newCall("n", c, 1)
		before := s.newCall("n", c, 1)
		a := s.attempt(t.Context(), call, patience)
		s.judge(t, name, c, a)
		if !same(call, before) {
			t.Errorf("%s: the node changed its call: the next attempt, and other readers of the same input, see that", name)
		}
	}
}

// same compares what a node sees of two calls.
func same(a, b *workflow.Call) bool {
	return a.TenantID == b.TenantID && a.RunID == b.RunID && a.Key == b.Key && a.Attempt == b.Attempt &&
		a.IdempotencyKey == b.IdempotencyKey && a.Now.Equal(b.Now) &&
		reflect.DeepEqual(a.Config, b.Config) && reflect.DeepEqual(a.Input, b.Input)
}

// judge compares an answer with what a call must come to.
func (s *suite) judge(t testing.TB, name string, c Call, a answer) {
	switch {
	case a.silent:
		t.Errorf("%s: the node has not come back for %s", name, patience)
	case a.panic != "":
		t.Errorf("%s: the node panicked: %s", name, a.panic)
	case a.err != nil:
		s.judgeError(t, name, c, a.err)
	case c.Kind != "":
		t.Errorf("%s: the node succeeded with %v, want an error of kind %q", name, a.result.Output, c.Kind)
	default:
		s.judgeResult(t, name, c, a.result)
	}
}

func (s *suite) judgeResult(t testing.TB, name string, c Call, r workflow.Result) {
	port := r.Port
	if port == "" {
		port = workflow.PortSuccess
	}
	want := c.Port
	if want == "" {
		want = workflow.PortSuccess
	}
	if port != want {
		t.Errorf("%s: the node takes the port %q, want %q", name, port, want)
	}
	if ports := s.ports(c.Config); !slices.Contains(ports, port) {
		t.Errorf("%s: the node takes the port %q, which is none of %v: no edge can leave there", name, port, ports)
	}
	output, err := written(r.Output)
	switch {
	case err != nil:
		t.Errorf("%s: the output cannot be written as JSON: %v", name, err)
	case len(output) > workflow.MaxOutput:
		t.Errorf("%s: the output has %d bytes, the limit is %d", name, len(output), workflow.MaxOutput)
	}
}

// written is the JSON of an output, whose own methods may fail in any way.
func written(v any) (b []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return json.Marshal(v)
}

// repetition makes each call twice, as the engine does when a process dies inside
// the node: the second time with the same idempotency key.
func (s *suite) repetition(t testing.TB) {
	sent := s.cases.Sent
	if sent == nil {
		sent = func() []string { return nil }
	}
	total := 0
	for name, c := range s.cases.Calls {
		before := len(sent())
		for attempt := 1; attempt <= 2; attempt++ {
			s.judge(t, fmt.Sprintf("%s, attempt %d", name, attempt), c, s.attempt(t.Context(), s.newCall("again", c, attempt), patience))
		}
		keys := sent()[before:]
		total += len(keys)
		for _, key := range keys {
			if key != "run/again/0" {
				t.Errorf("%s: the node passed on %q instead of its idempotency key", name, key)
			}
		}
	}
	if s.cases.Sent != nil && total < 2 {
		t.Errorf("the node passed on %d idempotency keys, want one for each attempt: Sent is there, so it should", total)
	}
}

// concurrent makes all calls at the same time, some times each.
func (s *suite) concurrent(t testing.TB) {
	const times = 4
	type made struct {
		name    string
		call    Call
		answers <-chan answer
	}
	var all []made
	for range times {
		for name, c := range s.cases.Calls {
			s.node.Spec()
			all = append(all, made{name, c, s.begin(t.Context(), s.newCall("c", c, 1))})
		}
	}
	deadline := time.After(patience)
	for _, m := range all {
		select {
		case a := <-m.answers:
			s.judge(t, m.name, m.call, a)
		case <-deadline:
			t.Fatalf("%s: the node has not come back for %s", m.name, patience)
		}
	}
}

// ended makes each call with a context that has ended already: whether the node
// notices or is done at once, it comes back.
func (s *suite) ended(t testing.TB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range s.cases.Calls {
		switch a := s.attempt(ctx, s.newCall("n", c, 1), bound); {
		case a.silent:
			t.Errorf("%s: %s after its context ended the node has not come back", name, bound)
		case a.panic != "":
			t.Errorf("%s: the node panicked: %s", name, a.panic)
		}
	}
}

// cancelled ends the context of the slow call in the middle of it.
func (s *suite) cancelled(t testing.TB) {
	if s.cases.Slow == nil {
		return
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		answers := s.begin(ctx, s.newCall("n", *s.cases.Slow, 1))
		select {
		case a := <-answers:
			cancel()
			t.Fatalf("the slow call was over before it was cancelled: %v %v %s", a.result.Output, a.err, a.panic)
		case <-time.After(settle):
		}
		cancel()
		select {
		case a := <-answers:
			if a.panic != "" {
				t.Errorf("the node panicked: %s", a.panic)
			} else if a.err == nil {
				t.Errorf("the node was cut off and says that it succeeded")
			} else if !errors.Is(a.err, context.Canceled) {
				s.judgePublic(t, "slow", a.err)
			}
		case <-time.After(bound):
			t.Fatalf("%s after its context ended the node has not come back: its slot is lost meanwhile", bound)
		}
	}
}
