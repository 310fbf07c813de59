package nodetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

// noon is the time of every call.
func noon() time.Time { return time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC) }

// newCall is an attempt at the node with a configuration of its own.
func (s *suite) newCall(key string, c Call, attempt int) *workflow.Call {
	return workflow.Call{
		TenantID: "tenant", RunID: "run", Key: key, Attempt: attempt, IdempotencyKey: "run/" + key + "/0",
		Config: copied(c.Config), Input: copied(c.Input), Now: noon(),
		Logger: slog.New(slog.DiscardHandler),
	}.WithSteps(copied(c.Steps))
}

// outcome is what an attempt came to.
type outcome struct {
	result workflow.Result
	err    error
	panic  string
	silent bool // it did not come back in time
}

// attempt runs the node, within a time.
func (s *suite) attempt(ctx context.Context, call *workflow.Call, within time.Duration) outcome {
	return await(s.begin(ctx, call), within)
}

func (s *suite) begin(ctx context.Context, call *workflow.Call) <-chan outcome {
	return begin(func() (workflow.Result, error) { return s.node.Run(ctx, call) })
}

// begin calls a method of the node, which may end in any way.
func begin(method func() (workflow.Result, error)) <-chan outcome {
	outcomes := make(chan outcome, 1)
	go func() {
		o := outcome{panic: "runtime.Goexit"} // what is left when nothing else happens
		defer func() { outcomes <- o }()
		defer func() {
			if r := recover(); r != nil {
				o.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
		}()
		result, err := method()
		o = outcome{result: result, err: err}
	}()
	return outcomes
}

// await is an outcome, unless it takes longer.
func await(outcomes <-chan outcome, within time.Duration) outcome {
	select {
	case o := <-outcomes:
		return o
	case <-time.After(within):
		return outcome{silent: true}
	}
}

// calls makes each call once and looks at everything that came of it.
func (s *suite) calls(t testing.TB) {
	for name, c := range s.cases.Calls {
		call := s.newCall("n", c, 1)
		before := s.newCall("n", c, 1)
		s.judge(t, name, c, s.attempt(t.Context(), call, patience))
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

// judge compares an outcome with what a call must come to.
func (s *suite) judge(t testing.TB, name string, c Call, o outcome) {
	switch {
	case o.silent:
		t.Errorf("%s: the node has not come back for %s", name, patience)
	case o.panic != "":
		t.Errorf("%s: the node panicked: %s", name, o.panic)
	case o.err != nil:
		s.judgeError(t, name, c, o.err)
	case c.Kind != "":
		t.Errorf("%s: the node succeeded with %v, want an error of kind %q", name, o.result.Output, c.Kind)
	default:
		s.judgeResult(t, name, c, o.result)
	}
}

func (s *suite) judgeResult(t testing.TB, name string, c Call, r workflow.Result) {
	port, want := cmp.Or(r.Port, workflow.PortSuccess), cmp.Or(c.Port, workflow.PortSuccess)
	switch waits := r.Wait != nil; {
	case waits != c.Waits:
		t.Errorf("%s: that the node waits is %t, want %t", name, waits, c.Waits)
	case !waits && port != want:
		t.Errorf("%s: the node takes the port %q, want %q", name, port, want)
	}
	if ports := s.ports(c.Config); r.Check(ports) != nil {
		t.Errorf("%s: the engine cannot go on with the port %q of %v: %v", name, port, ports, r.Check(ports))
	}
	output, err := written(r.Output)
	switch {
	case err != nil:
		t.Errorf("%s: the output cannot be written as JSON: %v", name, err)
	case len(output) > workflow.MaxOutput:
		t.Errorf("%s: the output has %d bytes, the limit is %d", name, len(output), workflow.MaxOutput)
	}
	if r.Wait != nil {
		s.answers(t, name, c, *r.Wait)
	}
}

// answers gives the node each answer to what it waits for. As in the engine, which
// has kept the wait meanwhile, its form has been through JSON.
func (s *suite) answers(t testing.TB, name string, c Call, w workflow.Wait) {
	if w.Form != nil {
		w.Form = plain(t, name+": the form", w.Form)
	}
	for title, a := range c.Answers {
		answered := workflow.Answered{Answer: a.Answer, By: "user:u", UserID: "u", At: noon()}
		o := await(begin(func() (workflow.Result, error) {
			if n, ok := s.node.(workflow.Answerer); ok {
				return n.Answer(w, answered)
			}
			return workflow.Result{}, nil // the answer is the output
		}), patience)
		s.judge(t, name+", answered "+title, Call{Config: c.Config, Port: a.Port, Kind: a.Kind}, o)
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
			if key != "run/again/0" && !strings.HasPrefix(key, "run/again/0/") {
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
		name     string
		call     Call
		outcomes <-chan outcome
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
		case o := <-m.outcomes:
			s.judge(t, m.name, m.call, o)
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
		switch o := s.attempt(ctx, s.newCall("n", c, 1), bound); {
		case o.silent:
			t.Errorf("%s: %s after its context ended the node has not come back", name, bound)
		case o.panic != "":
			t.Errorf("%s: the node panicked: %s", name, o.panic)
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
		outcomes := s.begin(ctx, s.newCall("n", *s.cases.Slow, 1))
		select {
		case o := <-outcomes:
			cancel()
			t.Fatalf("the slow call was over before it was cancelled: %v %v %s", o.result.Output, o.err, o.panic)
		case <-time.After(settle):
		}
		cancel()
		select {
		case o := <-outcomes:
			if o.panic != "" {
				t.Errorf("the node panicked: %s", o.panic)
			} else if o.err == nil {
				t.Errorf("the node was cut off and says that it succeeded")
			} else if !errors.Is(o.err, context.Canceled) {
				s.judgePublic(t, "slow", o.err)
			}
		case <-time.After(bound):
			t.Fatalf("%s after its context ended the node has not come back: its slot is lost meanwhile", bound)
		}
	}
}
