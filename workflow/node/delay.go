package node

import (
	"context"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// delay waits, holding no worker.
type delay struct{}

type delayConfig struct {
	Duration string `json:"duration,omitempty" jsonschema:"how long, like 1.5s, 10m or 30d; or give until"`
	Until    string `json:"until,omitempty" jsonschema:"an instant in RFC 3339, e.g. 2030-01-31T08:00:00Z; one in the past does not wait"`
}

// maxDelay is the longest wait.
const maxDelay = 366 * 24 * time.Hour

func (delay) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "delay", Title: "Delay", Description: "Waits for a duration or until an instant, at most 366 days.",
		Output: "null",
		Limits: []string{"at most 366 days", "holds no worker while it waits, and outlives restarts", "either `duration` or `until`"},
		Config: schemaOf[delayConfig](),
	}
}

func (delay) Check(config map[string]any) error {
	var f problem.Faults
	duration, hasDuration := config["duration"].(string)
	until, hasUntil := config["until"].(string)
	f.Check(hasDuration != hasUntil, "", "needs either duration or until")
	if hasDuration && !strings.Contains(duration, "{{") {
		_, err := length(duration)
		f.Merge("duration", err)
	}
	if hasUntil && !strings.Contains(until, "{{") {
		_, err := instant(until)
		f.Merge("until", err)
	}
	return f.Err("graph_invalid", "the delay is not valid")
}

func (delay) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	var c delayConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	if c.Duration != "" {
		d, err := length(c.Duration)
		return workflow.Result{Sleep: d}, err
	}
	t, err := instant(c.Until)
	if err != nil {
		return workflow.Result{}, err
	}
	d := t.Sub(call.Now)
	if d > maxDelay {
		return workflow.Result{}, tooLong()
	}
	return workflow.Result{Sleep: d}, nil
}

func length(s string) (time.Duration, error) {
	d, err := workflow.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, problem.New(problem.Invalid, "duration_invalid", "is not a duration like 1.5s, 10m or 30d")
	}
	if time.Duration(d) > maxDelay {
		return 0, tooLong()
	}
	return time.Duration(d), nil
}

func instant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, problem.New(problem.Invalid, "instant_invalid", "is not an instant like 2030-01-31T08:00:00Z")
	}
	return t, nil
}

func tooLong() error {
	return problem.New(problem.Invalid, "delay_too_long", "is longer than 366 days")
}
