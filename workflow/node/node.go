// Package node holds the built-in node types of workflows, one in each file.
//
// Each is an ordinary [workflow.Node]: a host's own can do what these do.
package node

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/workflow"
)

// docs/nodes.md is made from the specs.
//go:generate go test -run TestNodesDoc -update .

// Config is what the built-in nodes reach the world through.
type Config struct {
	// CheckParams finds the faults of values for the parameters of a saved query,
	// as the principal of the context; unknown says of a value that only a run
	// gives it. Default: they are judged in a run.
	CheckParams func(ctx context.Context, queryID string, params map[string]any, unknown func(any) bool) error

	// Client makes the calls of http and notify nodes. Its transport decides where they may go.
	Client *http.Client

	// RunQuery runs a saved query as the principal of the context.
	RunQuery func(ctx context.Context, queryID string, params map[string]any) (any, error)

	// Scripts runs the sources of script nodes. nil = there is no such node.
	Scripts *sandbox.Pool
}

// Builtins returns the built-in node types: start, query, http, transform,
// condition, switch, delay, subWorkflow, forEach, waitEvent, approval, form, respond, notify, end, script.
func Builtins(c Config) ([]workflow.Node, error) {
	if c.Client == nil || c.RunQuery == nil {
		return nil, errors.New("node.Config: Client and RunQuery are required")
	}
	if c.CheckParams == nil {
		c.CheckParams = func(context.Context, string, map[string]any, func(any) bool) error { return nil }
	}
	nodes := []workflow.Node{
		start{}, query{check: c.CheckParams, run: c.RunQuery}, httpCall{client: c.Client}, transform{}, condition{}, choose{}, delay{}, subWorkflow{}, forEach{},
		waitEvent{}, approval{}, form{}, respond{}, notify{client: c.Client}, end{},
	}
	if c.Scripts != nil {
		nodes = append(nodes, script{sandbox: c.Scripts})
	}
	return nodes, nil
}

// schemaOf infers the schema of a configuration. The types are our own, so it
// cannot fail.
func schemaOf[C any]() *jsonschema.Schema {
	s, err := jsonschema.For[C](nil)
	if err != nil {
		panic(err)
	}
	return s
}
