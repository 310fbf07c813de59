package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// script runs JavaScript of users.
type script struct{ sandbox *sandbox.Pool }

type scriptConfig struct {
	Source  string `json:"source" jsonschema:"the body of an async JavaScript function that sees input and returns the output; taken as it is, without {{ }}"`
	Input   any    `json:"input,omitempty" jsonschema:"what the script sees as input: a text with {{ expressions }}, or an object or array of such texts; default: the run's input"`
	Timeout string `json:"timeout,omitempty" jsonschema:"how long the script may run, like 500ms or 30s, at most 5m; default 5s"`
	Memory  int    `json:"memory,omitempty" jsonschema:"how much memory the script may take, in MB, 4 to 256; default 64"`
	Clock   bool   `json:"clock,omitempty" jsonschema:"let the script read the time, which stands still at the beginning of the attempt"`
	Random  bool   `json:"random,omitempty" jsonschema:"let the script call Math.random"`
}

func (script) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "script", Title: "Script", Config: schemaOf[scriptConfig](), Literals: []string{"source"},
		Description: "Runs JavaScript in a sandbox without files, network and other nodes; what it prints goes to the node's log.",
		Output:      "what the script returns",
		Limits: []string{
			"5 s by default, 5 m at most; 64 MB by default, 256 MB at most",
			"no files, network, clock or chance, unless `clock` or `random` say so; nothing stays between attempts",
			"a thrown error is a failure that says where, and is not repeated",
		},
	}
}

func (n script) Check(config map[string]any) error {
	var f problem.Faults
	if source, ok := config["source"].(string); ok {
		// Within the sandbox's own limit: there is nobody who could end it.
		f.Merge("source", n.sandbox.Check(context.Background(), source))
	}
	if text, ok := config["timeout"].(string); ok && !workflow.HasTemplate(text) {
		_, err := scriptTime(text)
		f.Merge("timeout", err)
	}
	if memory, ok := config["memory"].(float64); ok {
		_, err := scriptMemory(int(memory))
		f.Merge("memory", err)
	}
	return f.Err("graph_invalid", "the script node is not valid")
}

func (n script) Run(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
	program, err := newProgram(ctx, call)
	if err != nil {
		return workflow.Result{}, err
	}
	out, err := n.sandbox.Run(ctx, program)
	return workflow.Result{Output: out}, err
}

func newProgram(ctx context.Context, call *workflow.Call) (sandbox.Program, error) {
	var c scriptConfig
	if err := call.Bind(&c); err != nil {
		return sandbox.Program{}, err
	}
	p := sandbox.Program{Source: c.Source, Random: c.Random, Log: func(level slog.Level, message string) {
		call.Logger.Log(ctx, level, message)
	}}
	if c.Clock {
		p.Clock = call.Now
	}
	// From the expanded configuration, where numbers are as they were written.
	input, given := call.Config["input"]
	if p.Input = input; !given {
		p.Input = call.Input
	}
	p.Limits.Output = workflow.MaxOutput
	var err error
	if p.Limits.Time, err = scriptTime(c.Timeout); err != nil {
		return p, err
	}
	p.Limits.Memory, err = scriptMemory(c.Memory)
	return p, err
}

func scriptTime(text string) (time.Duration, error) {
	if text == "" {
		return sandbox.DefaultTime, nil
	}
	d, err := workflow.ParseDuration(text)
	if err != nil || d <= 0 || time.Duration(d) > sandbox.MaxTime {
		return 0, problem.New(problem.Invalid, "script_timeout_invalid", "the script's timeout must be a duration like 500ms or 30s, at most 5m")
	}
	return time.Duration(d), nil
}

func scriptMemory(mb int) (int64, error) {
	bytes := int64(mb) << 20
	if mb == 0 {
		bytes = sandbox.DefaultMemory
	}
	if mb < 0 || bytes < sandbox.MinMemory || bytes > sandbox.MaxMemory {
		return 0, problem.New(problem.Invalid, "script_memory_invalid", "the script's memory must be between 4 and 256 MB")
	}
	return bytes, nil
}
