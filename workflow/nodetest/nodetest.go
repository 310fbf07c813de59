// Package nodetest is the suite that every type of node passes. A host runs it on
// a node of its own:
//
//	nodetest.Run(t, mynode.New(), nodetest.Cases{
//		Calls: map[string]nodetest.Call{
//			"paid":   {Config: map[string]any{"orderId": "1"}, Port: "paid"},
//			"absent": {Config: map[string]any{"orderId": "2"}, Kind: problem.NotFound},
//		},
//	})
//
// It holds the node to what the engine relies on: what it says about itself is
// sound, it comes back soon after its context has ended, its output is JSON, its
// errors can be shown, it leaves its call alone, passes on the idempotency key,
// may be called concurrently, and makes an outcome of each answer that it waits for. Run it with -race.
package nodetest

import (
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// Cases are what the suite calls the node with.
type Cases struct {
	// Calls are made by every part of the suite, so each is made many times, also
	// concurrently; the time of all of them is noon of 2030-01-31, UTC. At least
	// one is needed.
	Calls map[string]Call

	// Slow is a call that takes at least a minute when nobody ends its context.
	// Leave it out for a node that waits for nothing.
	Slow *Call

	// Sent lists the idempotency keys that have reached whoever the node works
	// with, in any order: that of the call or, of a node with several effects, keys
	// that go on behind it with a slash. nil = the node passes none on; one that causes effects
	// outside should.
	Sent func() []string

	// Secrets must not be in an error that is shown.
	Secrets []string
}

// Call is one call of the node, and what must come of it.
type Call struct {
	Config map[string]any // expanded: it holds no templates
	Input  map[string]any // of the run
	Steps  map[string]any // outputs of earlier nodes, for a node that evaluates expressions

	Port string       // that the node takes; "" = success
	Kind problem.Kind // of the error that is expected; "" = none

	// Waits says that the node waits for people or for an event, instead of taking
	// a port. Answers are what people may send then; an event needs none.
	Waits   bool
	Answers map[string]Answer
}

// Answer is what somebody answers to a node that waits, and what must come of it.
type Answer struct {
	workflow.Answer

	Port string       // that the node takes; "" = success
	Kind problem.Kind // of the error that is expected, usually Invalid; "" = none
}

// The bounds of the suite. The engine gives a node up that has not come back five
// seconds after its context ended.
const (
	bound    = 3 * time.Second
	patience = time.Minute
	settle   = 50 * time.Millisecond // before a slow call is cancelled
)

// Run holds a node to everything that the engine relies on.
func Run(t *testing.T, n workflow.Node, c Cases) {
	t.Helper()
	s := &suite{node: n, cases: c}
	for _, p := range s.parts() {
		t.Run(p.name, func(t *testing.T) { p.check(t) })
	}
}

type suite struct {
	node  workflow.Node
	cases Cases
}

type part struct {
	name  string
	check func(testing.TB)
}

func (s *suite) parts() []part {
	return []part{
		{"spec", s.spec},
		{"drafts", s.drafts},
		{"calls", s.calls},
		{"repetition", s.repetition},
		{"ended", s.ended},
		{"cancelled", s.cancelled},
		{"concurrent", s.concurrent},
	}
}
