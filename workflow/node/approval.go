package node

import (
	"context"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// approval waits for a yes or a no.
type approval struct{}

type approvalConfig struct {
	asking
	AllowStarter bool `json:"allowStarter,omitempty" jsonschema:"let the person who started the run decide too"`
}

// The ports of an approval.
const (
	portApproved = "approved"
	portRejected = "rejected"
)

func (approval) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "approval", Title: "Approval",
		Description: "Waits until somebody approves or rejects, once. Whoever started the run may not, unless allowStarter is set.",
		Output:      "`decision` (`approved`, `rejected` or `expired`), `comment`, `by`, `userId`, `at`; nobody and no time when it expired",
		Config:      schemaOf[approvalConfig](), Ports: []string{portApproved, portRejected, workflow.PortExpired},
	}
}

func (approval) Check(config map[string]any) error {
	var f problem.Faults
	asking{}.check(&f, config)
	return f.Err("graph_invalid", "the approval is not valid")
}

// Assignees are those named in the graph.
func (approval) Assignees(config map[string]any) workflow.Assignees { return asking{}.named(config) }

func (approval) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c approvalConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	w, err := c.wait(call)
	if err != nil {
		return workflow.Result{}, err
	}
	w.NotStarter = !c.AllowStarter
	return workflow.Result{Wait: w, Output: decision{Decision: workflow.PortExpired}}, nil
}

// decision is the output of an approval.
type decision struct {
	Decision string `json:"decision"` // the port that was taken
	Comment  string `json:"comment"`
	By       any    `json:"by"` // nobody when it expired
	UserID   any    `json:"userId"`
	At       any    `json:"at"`
}

// Answer takes the decision and nothing else.
func (approval) Answer(_ workflow.Wait, a workflow.Answered) (workflow.Result, error) {
	var f problem.Faults
	f.Check(a.Approved != nil, "approved", "is required")
	f.Check(a.Values == nil, "values", "is not a part of this answer")
	if err := f.Err("answer_invalid", "the answer is not valid"); err != nil {
		return workflow.Result{}, err
	}
	port := portRejected
	if *a.Approved {
		port = portApproved
	}
	return workflow.Result{Port: port, Output: decision{Decision: port, Comment: a.Comment, By: a.By, UserID: a.UserID, At: a.At}}, nil
}
