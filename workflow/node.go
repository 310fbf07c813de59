package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Node is a type of node. Implementations are safe for concurrent use and keep
// nothing between calls.
//
// Optional abilities are found by assertion: [Porter], [Checker], [Granter],
// [ReferenceChecker], [Assigner], [Answerer], [Starter].
type Node interface {
	Spec() NodeSpec
	// Run makes one attempt. The context ends at the attempt's timeout, when the
	// run is cancelled and when the process stops.
	//
	// An error of package problem is shown to who may read the run; any other is
	// logged and shown as "the node failed". Kinds that a repetition cannot cure
	// (Invalid, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge) are not retried.
	Run(ctx context.Context, call *Call) (Result, error)
}

// Porter is a Node whose output ports follow from its configuration.
type Porter interface {
	Ports(config map[string]any) []string
}

// Checker is a Node that finds faults in its configuration beyond the schema.
// Strings may still hold templates.
type Checker interface {
	Check(config map[string]any) error
}

// Granter is a Node that uses other objects of the tenant. Who publishes must
// hold each grant; the version pins them, and its runs have no others.
type Granter interface {
	Grants(config map[string]any) []auth.Grant
}

// ReferenceChecker is a Node that finds faults in how its configuration uses other
// objects of the tenant. It is asked when a graph is saved or published, as the
// caller, who then holds the node's grants. Strings may still hold templates.
//
// Errors of the kinds Invalid, NotFound and Forbidden are faults of the graph, any
// other one ends the call.
type ReferenceChecker interface {
	CheckReferences(ctx context.Context, config map[string]any) error
}

// Starter is the Node that a run begins at: it turns what the caller sent into
// the run's input, or says what is wrong with it.
type Starter interface {
	Input(config, input map[string]any) (map[string]any, error)
}

// TypeStart is the type of the node at which every graph begins.
const TypeStart = "start"

// NodeSpec describes a type of node.
type NodeSpec struct {
	Type        string             `json:"type" doc:"the name used in graphs"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Config      *jsonschema.Schema `json:"config" doc:"JSON Schema of the configuration"`
	Ports       []string           `json:"ports" doc:"output ports; default success"`
	Output      string             `json:"output,omitempty" doc:"what the output is, in words"`
	Limits      []string           `json:"limits,omitempty" doc:"what it refuses or cuts off, in words"`

	// Expressions names the fields of the configuration that hold bare
	// expressions, as a path without the indexes of arrays: "branches.when". The
	// node decides whether and when to evaluate them, with Call.Eval.
	Expressions []string `json:"expressions,omitempty"`

	// Pure says that the node computes its output from its configuration, quickly,
	// and touches nothing else. The engine may run it before the result that it
	// builds on is stored, and stores both together.
	Pure bool `json:"pure,omitempty"`

	// Container says that other nodes may have this one for their parent: they are
	// its body, which runs once for each item of Result.Each.
	Container bool `json:"container,omitempty"`

	// Once says that the node belongs to the run as a whole, and not into a body.
	Once bool `json:"once,omitempty"`

	// Literals names the fields of the configuration whose texts are taken as they
	// are: {{ }} means nothing in them. They are not below others.
	Literals []string `json:"literals,omitempty"`
}

// Call is one attempt at a node.
type Call struct {
	TenantID string
	RunID    string
	Key      string // of the node in the graph
	Attempt  int    // 1 for the first

	// IdempotencyKey is the same for every attempt at this node of this run, in a
	// body for this item: hand it to whoever must not do the work twice.
	IdempotencyKey string

	Config map[string]any // with every template expanded
	Input  map[string]any // of the run; read only
	Now    time.Time

	// Logger writes to the host's log and to that of the run, which everybody may
	// read who may read the run: secrets do not belong there. Lines from level Info
	// on are kept, up to [MaxAttemptLines] for an attempt.
	Logger *slog.Logger

	eval func(expression string) (any, error)
	log  *nodeLog // behind Logger
}

// Eval evaluates a bare expression with what the node may see: input, steps,
// run, tenant, now() and, in a body, item and index.
func (c *Call) Eval(expression string) (any, error) { return c.eval(expression) }

// Bind reads the expanded configuration into a struct. A value of the wrong
// type is an Invalid error.
func (c *Call) Bind(dst any) error {
	b, err := json.Marshal(c.Config)
	if err == nil {
		err = json.Unmarshal(b, dst)
	}
	if err != nil {
		return problem.New(problem.Invalid, "node_config_invalid", "a value of the node's configuration has the wrong type").
			Fix("compare what its expressions give with the schema of the node type").Because(err)
	}
	return nil
}

// Result is what an attempt came to. The zero value succeeds with the output null.
type Result struct {
	Output any           // anything that encoding/json can write
	Port   string        // "" = success
	Sleep  time.Duration // > 0: wait, holding no worker, then succeed
	End    *End          // ends the run, or contributes to its end
	Start  *SubRun       // run a workflow, and take its output for the node's
	Each   *Each         // run the node's body for each item; for the type of a container

	Wait     *Wait     // wait for people or an event; Output is for when nobody comes
	Response *Response // answer whoever started the run and waits; of no use in a body

	waits bool // for the runs that the engine has begun for the node
}

// SubRun is a run of another workflow that a node begins, as its own run's
// principal: the node needs a grant of workflow.execute on the workflow. The same
// attempt begins it once, even if the process dies in between.
type SubRun struct {
	WorkflowID string
	Input      map[string]any

	// Detached: the node does not wait. Its output is the id of the run, as runId.
	Detached bool
}

// End is what a node says about the end of its run.
type End struct {
	Failed    bool   // the run fails even though its nodes succeeded
	Message   string // why, when it failed
	Terminate bool   // now: cancel every other node
}

// NodeFunc makes a node out of a function of the host. The schema of its
// configuration is inferred from C (a struct with json tags, or a map of texts to
// something) unless spec has one; [New] refuses any other C. What the function returns is the node's output; a function that also
// chooses a port, sleeps or ends the run returns a [Result].
func NodeFunc[C any](spec NodeSpec, fn func(ctx context.Context, call *Call, config C) (any, error)) Node {
	n := &funcNode{spec: spec}
	if t := reflect.TypeFor[C](); !holdsObject(t) {
		n.err = fmt.Errorf("it must be a struct with json tags, not %s", t)
	} else if n.spec.Config == nil {
		n.spec.Config, n.err = jsonschema.For[C](nil)
	}
	n.run = func(ctx context.Context, call *Call) (any, error) {
		var config C
		if err := call.Bind(&config); err != nil {
			return nil, err
		}
		return fn(ctx, call, config)
	}
	return n
}

// holdsObject reports whether a value of the type can be read from a JSON object.
func holdsObject(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return t != reflect.TypeFor[time.Time]()
	case reflect.Map:
		return t.Key().Kind() == reflect.String
	case reflect.Pointer:
		return holdsObject(t.Elem())
	}
	return false
}

type funcNode struct {
	spec NodeSpec
	run  func(context.Context, *Call) (any, error)
	err  error // why the schema could not be inferred; New reports it
}

func (n *funcNode) Spec() NodeSpec { return n.spec }

func (n *funcNode) Run(ctx context.Context, call *Call) (Result, error) {
	out, err := n.run(ctx, call)
	if result, ok := out.(Result); ok {
		return result, err
	}
	return Result{Output: out}, err
}

// catalogue is the node types of one service, by name.
type catalogue map[string]nodeType

type nodeType struct {
	node   Node
	spec   NodeSpec
	schema *jsonschema.Resolved
}

func newCatalogue(nodes []Node) (catalogue, error) {
	c := make(catalogue, len(nodes))
	for _, n := range nodes {
		if err := CheckNode(n); err != nil {
			return nil, err
		}
		spec := n.Spec()
		if _, taken := c[spec.Type]; taken {
			return nil, fmt.Errorf("node type %q is there twice", spec.Type)
		}
		if spec.Config == nil {
			spec.Config = &jsonschema.Schema{Type: "object"}
		}
		if len(spec.Ports) == 0 {
			spec.Ports = []string{PortSuccess}
		}
		resolved, err := spec.Config.Resolve(nil)
		if err != nil {
			return nil, fmt.Errorf("node type %q: schema of its configuration: %w", spec.Type, err)
		}
		c[spec.Type] = nodeType{node: n, spec: spec, schema: resolved}
	}
	if _, ok := c[TypeStart].node.(Starter); !ok {
		return nil, fmt.Errorf("no node type %q that is a Starter", TypeStart)
	}
	return c, nil
}

func (t nodeType) ports(n *GraphNode) []string {
	ports := t.spec.Ports
	if p, ok := t.node.(Porter); ok {
		ports = p.Ports(n.Config)
	}
	if n.policy().OnError == OnErrorBranch {
		ports = append(ports[:len(ports):len(ports)], PortError)
	}
	return ports
}

// specs lists the node types by name.
func (c catalogue) specs() []NodeSpec {
	list := make([]NodeSpec, 0, len(c))
	for _, t := range c {
		list = append(list, t.spec)
	}
	slices.SortFunc(list, func(a, b NodeSpec) int { return strings.Compare(a.Type, b.Type) })
	return list
}
