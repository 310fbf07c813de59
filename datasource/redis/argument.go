package redis

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// bind makes the command with its arguments, each of which goes to the server with
// its length in front: nothing in a value ends it.
func (o *operation) bind(params map[string]any) ([]any, error) {
	var faults problem.Faults
	args := make([]string, 0, len(o.args))
	for _, t := range o.args {
		args = append(args, fill(t, params, &faults)...)
	}
	faults.Check(len(args) <= maxArgs, "params", "make more than 10000 arguments")
	if o.command.name == "XREAD" {
		faults.Check(!blocks(args), "params", "cannot make the command wait with BLOCK")
	}
	if err := faults.Err("params_invalid", "the parameters are not valid"); err != nil {
		return nil, err
	}
	var words []any
	for word := range strings.FieldsSeq(o.command.name) {
		words = append(words, word)
	}
	for _, arg := range args {
		words = append(words, arg)
	}
	return words, nil
}

// fill makes the arguments of a template: one, or those of a list.
func fill(t template.Text, params map[string]any, faults *problem.Faults) []string {
	if list, ok := params[t.Lone()].([]any); ok && t.Lone() != "" {
		args := make([]string, len(list))
		for i, v := range list {
			args[i] = one(t.Lone(), v, faults)
		}
		faults.Check(len(list) > 0, "params."+t.Lone(), "must not be an empty list here")
		return args
	}
	arg, _ := t.Expand(func(name string) any { return params[name] }, nil, func(name string, v any) (string, error) {
		return one(name, v, faults), nil
	})
	return []string{arg}
}

// one writes a value as text.
func one(name string, v any, faults *problem.Faults) string {
	switch v := v.(type) {
	case nil:
		faults.Add("params."+name, "must not be null: Redis has no such value")
	case []any:
		faults.Add("params."+name, "is a list, which can only be a whole argument")
	case string:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case json.RawMessage:
		return string(v)
	case datasource.Date, json.Number, int64, bool:
		return fmt.Sprint(v)
	default:
		faults.Add("params."+name, "has a type that cannot be sent")
	}
	return ""
}
