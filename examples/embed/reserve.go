package main

import (
	"context"

	"github.com/jetadmin/jetadmin/workflow"
)

// reservation is the configuration of the node.
type reservation struct {
	Order string `json:"order" jsonschema:"number of the order"`
}

// reserve is a function of the shop as a step of its workflows: it takes what was
// ordered out of the stock, and says how much is left.
//
// The process may die between the commit here and the note that the step is
// done; then the step runs again. The key makes the second time change nothing.
func (s *shop) reserve() workflow.Node {
	spec := workflow.NodeSpec{Type: "reserve", Title: "Reserve", Description: "Takes what was ordered out of the stock."}
	return workflow.NodeFunc(spec, func(ctx context.Context, call *workflow.Call, c reservation) (any, error) {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer tx.Rollback()
		first, err := tx.ExecContext(ctx, "INSERT INTO shop_reservation (key, order_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", call.IdempotencyKey, c.Order)
		if err != nil {
			return nil, err
		}
		if n, err := first.RowsAffected(); err != nil {
			return nil, err
		} else if n == 1 {
			_, err := tx.ExecContext(ctx, `UPDATE shop_item SET stock = stock - (SELECT quantity FROM shop_order WHERE id = $1)
				WHERE name = (SELECT item FROM shop_order WHERE id = $1)`, c.Order)
			if err != nil {
				return nil, err
			}
		}
		var out struct {
			Item string `json:"item"`
			Left int    `json:"left"`
		}
		err = tx.QueryRowContext(ctx, "SELECT i.name, i.stock FROM shop_item i JOIN shop_order o ON o.item = i.name WHERE o.id = $1", c.Order).
			Scan(&out.Item, &out.Left)
		if err != nil {
			return nil, err
		}
		return out, tx.Commit()
	})
}

// orderWorkflow is what happens after an order. It is a draft like one that
// people make: the staff can change and publish it without a new build.
//
//	start ─ reserve ─ left ┬ low ───── reorder
//	                       └ default ─ enough
func orderWorkflow() workflow.NewWorkflow {
	return workflow.NewWorkflow{
		Name: "After an order",
		Draft: workflow.Graph{
			Nodes: []workflow.GraphNode{
				{Key: "start", Type: "start"},
				{Key: "reserve", Type: "reserve", Config: map[string]any{"order": "{{ input.order }}"}},
				{Key: "left", Type: "condition", Name: "How many are left?", Config: map[string]any{
					"branches": []any{map[string]any{"port": "low", "when": "steps.reserve.left < 5"}},
				}},
				{Key: "reorder", Type: "end", Config: map[string]any{"output": map[string]any{"reorder": "{{ steps.reserve.item }}"}}},
				{Key: "enough", Type: "end", Config: map[string]any{"output": map[string]any{"left": "{{ steps.reserve.left }}"}}},
			},
			Edges: []workflow.Edge{
				{From: "start", To: "reserve"},
				{From: "reserve", To: "left"},
				{From: "left", Port: "low", To: "reorder"},
				{From: "left", Port: "default", To: "enough"},
			},
		},
	}
}
