package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// condition takes the port of the first branch whose expression is true.
type condition struct{}

type conditionConfig struct {
	Branches []branch `json:"branches" jsonschema:"tried in this order; without a match the port default is taken"`
}

type branch struct {
	Port string `json:"port" jsonschema:"output port of the branch"`
	When string `json:"when" jsonschema:"a bare expression that gives true or false"`
}

const portDefault = "default"

// maxBranches bounds the work of checking a graph: each edge that leaves a
// condition is held against all of its ports.
const maxBranches = 1000

func (condition) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "condition", Title: "Condition", Description: "Goes on by the first branch whose expression is true, else by default.",
		Output: "`port`: the name of the branch that was taken",
		Limits: []string{fmt.Sprintf("1 to %d branches", maxBranches), "an expression that gives neither true nor false is a failure"},
		Config: schemaOf[conditionConfig](), Expressions: []string{"branches.when"}, Ports: []string{portDefault}, Pure: true,
	}
}

// Ports are those of the branches, and default.
func (condition) Ports(config map[string]any) []string {
	ports := []string{portDefault}
	for _, b := range branches(config) {
		ports = append(ports, b.Port)
	}
	return ports
}

func (condition) Check(config map[string]any) error {
	var f problem.Faults
	seen := []string{portDefault, workflow.PortError}
	list := branches(config)
	f.Check(len(list) > 0, "branches", "must have at least one branch")
	if len(list) > maxBranches {
		f.Addf("branches", "must not have more than %d branches", maxBranches)
		list = nil
	}
	for i, b := range list {
		f.Check(b.Port != "" && !slices.Contains(seen, b.Port), fmt.Sprintf("branches[%d].port", i), "must be a name of its own, other than default and error")
		seen = append(seen, b.Port)
	}
	return f.Err("graph_invalid", "the condition is not valid")
}

func (condition) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	for i, b := range branches(call.Config) {
		v, err := call.Eval(b.When)
		if err != nil {
			return workflow.Result{}, err
		}
		matched, ok := v.(bool)
		if !ok {
			return workflow.Result{}, problem.Newf(problem.Invalid, "condition_not_boolean", "branch %d gives neither true nor false", i+1)
		}
		if matched {
			return workflow.Result{Port: b.Port, Output: map[string]any{"port": b.Port}}, nil
		}
	}
	return workflow.Result{Port: portDefault, Output: map[string]any{"port": portDefault}}, nil
}

// branches reads what it can of a configuration; the schema and Check report
// the rest.
func branches(config map[string]any) []branch {
	raw, _ := config["branches"].([]any)
	list := make([]branch, len(raw))
	for i, v := range raw {
		m, _ := v.(map[string]any)
		list[i].Port, _ = m["port"].(string)
		list[i].When, _ = m["when"].(string)
	}
	return list
}
