package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// forEach runs its body for each item of a list.
type forEach struct{}

type forEachConfig struct {
	Items             any      `json:"items" jsonschema:"the list, as a template: {{ steps.orders.rows }}"`
	BatchSize         *int     `json:"batchSize,omitempty" jsonschema:"how many items the body gets at a time; from 2 on its item is a list. Default 1, at most 10000"`
	Concurrency       *int     `json:"concurrency,omitempty" jsonschema:"how many items, or batches, run at a time. Default 10, at most 1000; 1 = one after the other"`
	MaxFailures       *int     `json:"maxFailures,omitempty" jsonschema:"how many items, or batches, may fail; one more fails the node. Default 0"`
	MaxFailurePercent *float64 `json:"maxFailurePercent,omitempty" jsonschema:"the same as a share of the list, 0 to 100; with both, the lower one counts"`
}

const maxBatchSize = 10_000

func (forEach) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "forEach", Title: "For each", Description: "Runs its body once for each item of a list: the nodes whose `parent` is its key.",
		Output: "results (what each item came to, in the order of the list, null for those that failed), count, failed, errors (index, runId, kind, code, message)",
		Limits: []string{
			fmt.Sprintf("%d items, or batches", workflow.MaxItems),
			fmt.Sprintf("%d of them at a time", workflow.MaxItemConcurrency),
			fmt.Sprintf("%d errors are listed", workflow.MaxItemErrors),
			"results of 16 MB together",
			"holds no worker while it waits; `policy.totalTimeout` bounds the whole loop, `policy.timeout` only its beginning",
			"a retry runs the items again that have not succeeded or have changed",
		},
		Config: schemaOf[forEachConfig](), Container: true,
	}
}

// Check judges the numbers that are known before the run.
func (forEach) Check(config map[string]any) error {
	var f problem.Faults
	between := func(field string, least, most float64) {
		if v, ok := config[field].(float64); ok && (v < least || v > most) {
			f.Addf(field, "must be between %v and %v", least, most)
		}
	}
	if _, constant := config["items"].([]any); !constant && config["items"] != nil && !workflow.HasTemplate(config["items"]) {
		f.Add("items", "must be a list, or a template that gives one: {{ steps.orders.rows }}")
	}
	between("batchSize", 1, maxBatchSize)
	between("concurrency", 1, workflow.MaxItemConcurrency)
	between("maxFailures", 0, workflow.MaxItems)
	between("maxFailurePercent", 0, 100)
	return f.Err("graph_invalid", "the loop is not valid")
}

func (forEach) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	items, ok := call.Config["items"].([]any)
	if !ok {
		return workflow.Result{}, problem.New(problem.Invalid, "items_invalid", "items is not a list").
			Fix("name the list in the output: {{ steps.orders.rows }}, not {{ steps.orders }}")
	}
	rest := *call // what the list holds need not be bound
	rest.Config = map[string]any{}
	for name, v := range call.Config {
		if name != "items" {
			rest.Config[name] = v
		}
	}
	var c forEachConfig
	if err := rest.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	if err := c.check(); err != nil {
		return workflow.Result{}, err
	}
	each := &workflow.Each{Items: items}
	if c.BatchSize != nil && *c.BatchSize > 1 {
		each.Items = batches(items, *c.BatchSize)
	}
	if c.Concurrency != nil {
		each.Concurrency = *c.Concurrency
	}
	each.MaxFailures = c.tolerated(len(each.Items))
	return workflow.Result{Each: each}, nil
}

func (c *forEachConfig) check() error {
	var f problem.Faults
	between := func(field string, v *int, least, most int) {
		f.Check(v == nil || *v >= least && *v <= most, field, fmt.Sprintf("must be between %d and %d", least, most))
	}
	between("batchSize", c.BatchSize, 1, maxBatchSize)
	between("concurrency", c.Concurrency, 1, workflow.MaxItemConcurrency)
	between("maxFailures", c.MaxFailures, 0, workflow.MaxItems)
	f.Check(c.MaxFailurePercent == nil || *c.MaxFailurePercent >= 0 && *c.MaxFailurePercent <= 100, "maxFailurePercent", "must be between 0 and 100")
	return f.Err("loop_invalid", "the loop is not valid")
}

// tolerated is how many of n items may fail.
func (c *forEachConfig) tolerated(n int) int {
	var limits []int
	if c.MaxFailures != nil {
		limits = append(limits, *c.MaxFailures)
	}
	if c.MaxFailurePercent != nil {
		const rounding = 1e-9 // 32.3 % of 1000 are 322.99999999999994 in floats
		limits = append(limits, int(*c.MaxFailurePercent*float64(n)/100+rounding))
	}
	if len(limits) == 0 {
		return 0
	}
	return slices.Min(limits)
}

func batches(items []any, size int) (list []any) {
	for batch := range slices.Chunk(items, size) {
		list = append(list, []any(batch))
	}
	return list
}
