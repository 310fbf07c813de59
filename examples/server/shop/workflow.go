package shop

import "github.com/jetadmin/jetadmin/workflow"

// Workflow is the workflow of the demo: it looks for large orders in a state and
// sums them up. Without an input it takes the pending ones above 100.
//
//	start ─ orders ─ any ┬ found ── summary ─ done
//	                     └ default ────────── nothing
//
// openOrders is the id of the query [OpenOrders].
func Workflow(openOrders string) workflow.NewWorkflow {
	return workflow.NewWorkflow{
		Name:        "Large orders",
		Description: "Finds large orders in a state and sums them up.",
		Draft: workflow.Graph{
			Nodes: []workflow.GraphNode{
				{Key: "start", Type: "start", Name: "Which orders?", Config: map[string]any{"input": input()}},
				{Key: "orders", Type: "query", Name: "Look for them", Config: map[string]any{
					"queryId": openOrders,
					"params":  map[string]any{"status": "{{ input.status }}", "min_total": "{{ input.minTotal }}", "limit": 100},
				}},
				{Key: "any", Type: "condition", Name: "Are there any?", Config: map[string]any{
					"branches": []any{map[string]any{"port": "found", "when": "steps.orders.rowCount > 0"}},
				}},
				{Key: "summary", Type: "transform", Name: "Sum them up", Config: map[string]any{"value": map[string]any{
					"count":     "{{ steps.orders.rowCount }}",
					"total":     "{{ round(sum(map(steps.orders.rows, float(#[5]))), 2) }}",
					"countries": "{{ sort(uniq(map(steps.orders.rows, #[2]))) }}",
					"largest":   "{{ steps.orders.rows[0][1] }}: {{ steps.orders.rows[0][5] }}",
				}}},
				{Key: "done", Type: "end", Config: map[string]any{"output": "{{ steps.summary }}"}},
				{Key: "nothing", Type: "end", Config: map[string]any{"output": map[string]any{"count": 0}}},
			},
			Edges: []workflow.Edge{
				{From: "start", To: "orders"},
				{From: "orders", To: "any"},
				{From: "any", Port: "found", To: "summary"},
				{From: "any", Port: "default", To: "nothing"},
				{From: "summary", To: "done"},
			},
		},
	}
}

// input is the JSON Schema of what a run may be given.
func input() map[string]any {
	return map[string]any{
		"type": "object",
		"properties": map[string]any{
			"status":   map[string]any{"type": "string", "enum": statuses(), "default": "pending"},
			"minTotal": map[string]any{"type": "number", "minimum": 0, "default": 100},
		},
		"additionalProperties": false,
	}
}
