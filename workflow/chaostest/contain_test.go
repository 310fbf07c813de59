//go:build unix

package chaostest

import (
	"testing"

	"github.com/jetadmin/jetadmin/workflow"
)

// What a node does wrong is the error of that node, with a code of its own, and
// the process that ran it goes on.
func TestWhatANodeDoesWrongIsContained(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.workers(1)
	for how, code := range map[string]string{
		"panic": "node_panicked", "nil": "node_panicked", "error": "node_panicked", "panic late": "node_panicked", "exit": "node_panicked",
		"NaN": "node_output_invalid", "channel": "node_output_invalid",
		"cycle": "node_output_invalid", "cycle of maps": "node_output_invalid",
		"100 MB": "node_output_too_large", "unforeseen": "node_failed", "port": "node_port_unknown", "nothing": "",
	} {
		w := s.publish(workflow.Graph{
			Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "evil", Type: "evil", Config: map[string]any{"how": how}}},
			Edges: []workflow.Edge{{From: "start", To: "evil"}},
		})
		runID := s.begin(w)
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			d, err := s.service.Wait(s.ctx, runID)
			switch {
			case err != nil:
				t.Error(err)
			case code == "" && d.Status != workflow.RunSucceeded:
				t.Errorf("%s: %+v", d.Status, d.Error)
			case code != "" && (d.Status != workflow.RunFailed || d.Error == nil || d.Error.Code != code || d.Error.Node != "evil"):
				t.Errorf("%s: %+v, want %s", d.Status, d.Error, code)
			}
		})
	}
	t.Cleanup(func() {
		if s.fleet.started != 1 {
			t.Error("the worker did not live through it")
		}
	})
}
