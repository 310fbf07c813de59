package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// Graph is what a workflow does: nodes, and edges from an output port of one to
// another. It has exactly one node of type "start" and no cycles.
type Graph struct {
	Nodes    []GraphNode `json:"nodes"`
	Edges    []Edge      `json:"edges"`
	Settings *Settings   `json:"settings,omitempty" doc:"of its runs as a whole"`
}

// MarshalJSON writes a graph without edges as one with an empty list of them.
func (g Graph) MarshalJSON() ([]byte, error) {
	type plain Graph
	p := plain(g)
	if p.Nodes == nil {
		p.Nodes = []GraphNode{}
	}
	if p.Edges == nil {
		p.Edges = []Edge{}
	}
	return json.Marshal(p)
}

// GraphNode is one step.
type GraphNode struct {
	Key      string         `json:"key" doc:"unique identifier; expressions read its output as steps.<key>"`
	Type     string         `json:"type" doc:"one of the node types"`
	Name     string         `json:"name,omitempty" doc:"for people"`
	Parent   string         `json:"parent,omitempty" doc:"key of the loop whose body the node belongs to; default none"`
	Config   map[string]any `json:"config,omitempty" doc:"as the node type's schema says; strings may hold {{ expressions }}"`
	Policy   *Policy        `json:"policy,omitempty"`
	Position *Position      `json:"position,omitempty"`
}

// Position is where an editor draws a node. The engine ignores it.
type Position struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Edge leads from an output port of a node to another node of the same body.
type Edge struct {
	From string `json:"from"`
	Port string `json:"port,omitempty" doc:"output port of from; default success"`
	To   string `json:"to"`
}

// The ports that every node can have. A node type may name others.
const (
	PortSuccess = "success" // the default
	PortError   = "error"   // taken instead of success when policy.onError is "branch"
)

// Policy is how the engine treats a node. The zero value: one attempt of at
// most 5 minutes, join "all", a failure fails the run.
type Policy struct {
	Timeout Duration `json:"timeout,omitempty" doc:"of one attempt; default 5m, at most 24h"`

	TotalTimeout Duration `json:"totalTimeout,omitempty" doc:"of the node from when it is ready, over its attempts and the pauses between them; default without limit, at most 366d"`

	Retry   *Retry  `json:"retry,omitempty"`
	OnError OnError `json:"onError,omitempty" enum:"fail,branch,continue" doc:"after the last attempt failed; default fail"`
	Join    Join    `json:"join,omitempty" enum:"all,any,allSucceeded" doc:"when a node with several incoming edges runs; default all"`
}

// Retry says how often and how fast a failed attempt is repeated. A failure
// that cannot change (bad input, no right, not found) is repeated only when On
// names its kind.
type Retry struct {
	Max      int      `json:"max" doc:"attempts after the first; at most 100"`
	Backoff  Backoff  `json:"backoff,omitempty" enum:"fixed,linear,exponential" doc:"default exponential"`
	Delay    Duration `json:"delay,omitempty" doc:"before the first repetition; default 1s"`
	MaxDelay Duration `json:"maxDelay,omitempty" doc:"upper bound of the delay; default 5m. A remote service that asks for more by Retry-After gets up to 1h"`

	On     []problem.Kind `json:"on,omitempty" doc:"only failures of these kinds are repeated; default: all that may pass by themselves"`
	Except []problem.Kind `json:"except,omitempty" doc:"failures of these kinds are not repeated, when on is not given"`
}

// Backoff is how the delay between attempts grows. The delay that is really
// waited is random between nothing and all of it.
type Backoff string

// The back-offs.
const (
	BackoffFixed       Backoff = "fixed"
	BackoffLinear      Backoff = "linear"
	BackoffExponential Backoff = "exponential"
)

// OnError is what happens after a node failed for good.
type OnError string

// The ways to go on after a failure.
const (
	OnErrorFail     OnError = "fail"     // the run fails, its other nodes are cancelled
	OnErrorBranch   OnError = "branch"   // the error port is taken, all others are dead; the output is {"error": the failure}
	OnErrorContinue OnError = "continue" // as if it had succeeded with the output null
)

// Join is when a node with several incoming edges runs.
type Join string

// The joins.
const (
	JoinAll          Join = "all"          // when every edge is decided and at least one is taken
	JoinAny          Join = "any"          // at the first edge that is taken, once
	JoinAllSucceeded Join = "allSucceeded" // when every edge is taken; skipped as soon as one is dead
)

const (
	defaultAttemptTimeout = 5 * time.Minute
	defaultRetryDelay     = time.Second
	defaultRetryMaxDelay  = 5 * time.Minute
)

func (n *GraphNode) policy() Policy {
	p := Policy{}
	if n.Policy != nil {
		p = *n.Policy
	}
	if p.Timeout == 0 {
		p.Timeout = Duration(defaultAttemptTimeout)
	}
	if p.OnError == "" {
		p.OnError = OnErrorFail
	}
	if p.Join == "" {
		p.Join = JoinAll
	}
	return p
}

func (e *Edge) port() string {
	if e.Port == "" {
		return PortSuccess
	}
	return e.Port
}

// Duration is a length of time, in JSON a string in Go's notation with days as
// well: "1.5s", "2h45m", "30d".
type Duration time.Duration

// ParseDuration reads a [Duration].
func ParseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n <= 36600) {
			return 0, fmt.Errorf("not a duration: use a number and a unit, like 1.5s, 10m or 30d")
		}
		return Duration(n * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("not a duration: use a number and a unit, like 1.5s, 10m or 30d")
	}
	return Duration(d), nil
}

// String is the notation that [ParseDuration] reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// decode reads JSON with its numbers as they are written, so that large
// integers and decimals pass through the engine unchanged.
func decode(text string, dst any) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	return dec.Decode(dst)
}
