package workflow

import (
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// CheckNode says why [New] would not take a type of node: a name that is no
// identifier, a schema that does not resolve, a port that is nameless, there
// twice or "error", which every node gets by its policy. For tests of a node.
func CheckNode(n Node) error {
	if f, ok := n.(*funcNode); ok && f.err != nil {
		return fmt.Errorf("node type %q: infer the schema of its configuration: %w", f.spec.Type, f.err)
	}
	spec := n.Spec()
	if !keyPattern.MatchString(spec.Type) {
		return fmt.Errorf("node type %q: the name must be an identifier", spec.Type)
	}
	for i, port := range spec.Ports {
		if port == "" || port == PortError || slices.Contains(spec.Ports[:i], port) {
			return fmt.Errorf("node type %q: port %q: must be a name of its own, other than error", spec.Type, port)
		}
	}
	if spec.Config == nil {
		return nil
	}
	if _, err := spec.Config.Resolve(nil); err != nil {
		return fmt.Errorf("node type %q: schema of its configuration: %w", spec.Type, err)
	}
	return nil
}

// WithSteps is a copy of a call for a test of a node, outside of an engine: its
// Eval sees steps as the outputs of earlier nodes, and the call's input, ids and
// time. The copy shares the maps of the call.
func (c Call) WithSteps(steps map[string]any) *Call {
	env := expr.Env{
		"input": c.Input, "steps": steps, "now": c.Now,
		"run":    map[string]any{"id": c.RunID, "attempt": c.Attempt},
		"tenant": map[string]any{"id": c.TenantID},
	}
	c.eval = func(text string) (any, error) {
		x, err := expr.ParseExpression(text)
		if err != nil {
			return nil, problem.New(problem.Invalid, "expression_invalid", "the expression cannot be read").Because(err)
		}
		return x.Eval(env)
	}
	return &c
}
