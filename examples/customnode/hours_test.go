package customnode_test

import (
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/examples/customnode"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/nodetest"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// A node is tested by calling it.
func TestOpeningHours(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		config map[string]any
		port   string
		kind   problem.Kind
	}{
		"open":            {config: map[string]any{"opens": "09:00", "closes": "17:30"}, port: customnode.PortOpen},
		"opens now":       {config: map[string]any{"opens": "12:00", "closes": "17:30"}, port: customnode.PortOpen},
		"closes now":      {config: map[string]any{"opens": "09:00", "closes": "12:00"}, port: customnode.PortClosed},
		"elsewhere":       {config: map[string]any{"opens": "09:00", "closes": "17:30", "zone": "America/Los_Angeles"}, port: customnode.PortClosed},
		"no such zone":    {config: map[string]any{"opens": "09:00", "closes": "17:30", "zone": "Moon/Crater"}, kind: problem.Invalid},
		"no such time":    {config: map[string]any{"opens": "9", "closes": "17:30"}, kind: problem.Invalid},
		"of another type": {config: map[string]any{"opens": 9, "closes": "17:30"}, kind: problem.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := customnode.OpeningHours().Run(t.Context(), &workflow.Call{Config: c.config, Now: noon})
			if result.Port != c.port || err != nil && problem.KindOf(err) != c.kind || err == nil && c.kind != "" {
				t.Errorf("%+v, %v; want port %q, error %q", result, err, c.port, c.kind)
			}
		})
	}
}

// What the engine relies on is held against the node by a suite.
func TestOpeningHoursConforms(t *testing.T) {
	t.Parallel()
	// Every call is made at noon of a day in January, in UTC.
	nodetest.Run(t, customnode.OpeningHours(), nodetest.Cases{Calls: map[string]nodetest.Call{
		"open":         {Config: map[string]any{"opens": "09:00", "closes": "17:30"}, Port: customnode.PortOpen},
		"closed":       {Config: map[string]any{"opens": "09:00", "closes": "17:30", "zone": "America/Los_Angeles"}, Port: customnode.PortClosed},
		"no such zone": {Config: map[string]any{"opens": "09:00", "closes": "17:30", "zone": "Moon/Crater"}, Kind: problem.Invalid},
	}})
}

// And in a run: the port that it takes is the one that the run goes on at.
func TestOpeningHoursInARun(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, jetadmin.Config{Nodes: []workflow.Node{customnode.OpeningHours()}})
	ctx := app.Owner.Context(t.Context())
	id := app.Publish(ctx, workflow.NewWorkflow{Name: "call back", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "hours", Type: "opening_hours", Config: map[string]any{"opens": "00:00", "closes": "{{ input.closes }}"}},
			{Key: "call", Type: "end", Config: map[string]any{"output": "call"}},
			{Key: "later", Type: "end", Config: map[string]any{"output": "later"}},
		},
		Edges: []workflow.Edge{
			{From: "start", To: "hours"},
			{From: "hours", Port: customnode.PortOpen, To: "call"},
			{From: "hours", Port: customnode.PortClosed, To: "later"},
		},
	}})
	for closes, want := range map[string]string{"00:00": "later", "24:00": "call"} { // never open, and always
		run := app.Run(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"closes": closes}})
		if run.Output != want {
			t.Errorf("until %s: the run %s with %v, want %v", closes, run.Status, run.Output, want)
		}
	}
}
