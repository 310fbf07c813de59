package jetadmin_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// A loop over many items, each with a body of one node, and the memory of the
// process while it goes. JETADMIN_BENCH_ITEMS is how many.
func BenchmarkForEach(b *testing.B) {
	items := sized(b, "JETADMIN_BENCH_ITEMS", 1000)
	graph := workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "list", Type: "list"},
			{Key: "each", Type: "forEach", Config: object{"items": "{{ steps.list }}", "concurrency": 100}},
			{Key: "work", Type: "nothing", Parent: "each", Config: object{"name": "{{ item.name }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "list"}, {From: "list", To: "each"}},
	}
	eachWay(b, func(b *testing.B, cfg jetadmin.Config) {
		list := func(context.Context, *workflow.Call, struct{}) (any, error) {
			list := make([]object, items)
			for i := range list {
				list[i] = object{"id": i, "name": fmt.Sprint("item number ", i)}
			}
			return list, nil
		}
		cfg.Nodes = []workflow.Node{
			workflow.NodeFunc(workflow.NodeSpec{Type: "nothing"}, nothing), workflow.NodeFunc(workflow.NodeSpec{Type: "list"}, list),
		}
		app := jetadmintest.Start(b, cfg)
		ctx := app.Owner.Context(b.Context())
		in := workflow.StartParams{WorkflowID: app.Publish(ctx, workflow.NewWorkflow{Name: "each", Draft: graph})}
		before, most := residentMB(b), 0.0
		for b.Loop() {
			run, err := app.Workflows().Start(ctx, in)
			must(b, err)
			ended := make(chan workflow.RunDetail, 1)
			go func() {
				d, err := app.Workflows().Wait(ctx, run.ID)
				if err != nil {
					b.Error(err)
				}
				ended <- d
			}()
			var d workflow.RunDetail
			for d.ID == "" {
				most = max(most, residentMB(b))
				select {
				case d = <-ended:
				case <-time.After(20 * time.Millisecond):
				}
			}
			if d.Status != workflow.RunSucceeded {
				b.Fatalf("the run is %s: %+v", d.Status, d.Error)
			}
		}
		b.ReportMetric(float64(items*b.N)/b.Elapsed().Seconds(), "items/s")
		b.ReportMetric(before, "RSS-before-MB")
		b.ReportMetric(most, "RSS-most-MB")
	})
}

// residentMB is the memory of the process that is in use.
func residentMB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("the system does not tell the memory of a process")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	_, err = fmt.Sscan(rest, &kb)
	must(b, err)
	return kb / 1024
}
