package node

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// choose takes the port of the first case that a value equals.
type choose struct{}

type chooseConfig struct {
	Value any          `json:"value" jsonschema:"what to compare, as a template: {{ input.country }}"`
	Cases []chooseCase `json:"cases" jsonschema:"tried in this order; without a match the port default is taken"`
}

type chooseCase struct {
	Equals any    `json:"equals" jsonschema:"a text, number, boolean or null"`
	Port   string `json:"port" jsonschema:"output port of the case; several cases may share one"`
}

func (choose) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "switch", Title: "Switch", Description: "Goes on by the first case that equals the value, else by default.",
		Output: "`port`: the name of the case that was taken",
		Config: schemaOf[chooseConfig](), Ports: []string{portDefault}, Pure: true,
	}
}

// Ports are those of the cases, and default.
func (choose) Ports(config map[string]any) []string {
	ports := []string{portDefault}
	for _, c := range cases(config) {
		if port, _ := c["port"].(string); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

func (choose) Check(config map[string]any) error {
	var f problem.Faults
	list := cases(config)
	f.Check(len(list) > 0, "cases", "must have at least one case")
	if len(list) > maxBranches {
		f.Addf("cases", "must not have more than %d cases", maxBranches)
		list = nil
	}
	seen := map[string]bool{}
	for i, c := range list {
		path := fmt.Sprintf("cases[%d]", i)
		port, _ := c["port"].(string)
		f.Check(port != "" && port != portDefault && port != workflow.PortError, path+".port", "must be a name other than default and error")
		equals, given := c["equals"]
		text, plain := scalar(equals)
		f.Check(given && plain, path+".equals", "must be a text, a number, true, false or null")
		f.Check(!given || !plain || !seen[text], path+".equals", "is the value of an earlier case too")
		seen[text] = true
	}
	return f.Err("graph_invalid", "the switch is not valid")
}

func (choose) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	port := portDefault
	if value, ok := scalar(call.Config["value"]); ok {
		for _, c := range cases(call.Config) {
			if equals, ok := scalar(c["equals"]); ok && equals == value {
				port, _ = c["port"].(string)
				break
			}
		}
	}
	return workflow.Result{Port: port, Output: map[string]any{"port": port}}, nil
}

// cases reads what it can of a configuration; the schema and Check report the
// rest.
func cases(config map[string]any) []map[string]any {
	raw, _ := config["cases"].([]any)
	list := make([]map[string]any, len(raw))
	for i, v := range raw {
		list[i], _ = v.(map[string]any)
	}
	return list
}

// scalar writes a value so that equal ones of a type are written alike: 1 and
// 1.0 are the same number, 1 and "1" are not equal.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case string:
		return strconv.Quote(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return number(strconv.FormatFloat(v, 'g', -1, 64)), true
	case json.Number:
		return number(v.String()), true
	}
	return "", false
}

// maxDigits bounds the work that a number like 1e999999 would make.
const maxDigits = 400

func number(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > maxDigits || f == 0 && len(text) > 20 {
		return text
	}
	if r, ok := new(big.Rat).SetString(text); ok {
		return r.RatString()
	}
	return text
}
