package redis

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

func operationSchema() json.RawMessage {
	return json.RawMessage(`{
	"type": "object",
	"properties": {
		"command": {"type": "string", "description": "One command, e.g. HGETALL or OBJECT ENCODING. Those that write need a query that is marked as writing."},
		"args": {"type": "array", "items": {"type": "string"}, "description": "{{ name }} fills an argument or a part of one. A list that is a whole argument becomes one for each element."},
		"values": {"type": "string", "enum": ["text", "json", "bytes"], "default": "text", "description": "What the values in the answer are."}
	},
	"required": ["command"],
	"additionalProperties": false
}`)
}

const (
	maxTemplates = 1000
	maxArgs      = 10_000 // with the elements of lists
)

// The values of "values".
const (
	valuesText  = "text"
	valuesJSON  = "json"
	valuesBytes = "bytes"
)

// operation is a command with holes.
type operation struct {
	command command
	args    []template.Text
	values  string
}

func (connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Command string   `json:"command"`
		Args    []string `json:"args"`
		Values  string   `json:"values"`
	}
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	op := &operation{values: in.Values}
	name := strings.ToUpper(strings.Join(strings.Fields(in.Command), " "))
	var ok bool
	if op.command, ok = find(name); !ok {
		faults.Add("command", refusal(name))
	}
	if op.values == "" {
		op.values = valuesText
	}
	faults.Check(slices.Contains([]string{valuesText, valuesJSON, valuesBytes}, op.values), "values", "must be text, json or bytes")
	faults.Check(len(in.Args) <= maxTemplates, "args", "must not be more than 1000")
	for i, arg := range in.Args[:min(len(in.Args), maxTemplates)] {
		text, err := template.ParseText(arg, "args."+strconv.Itoa(i))
		faults.Merge("", err)
		op.args = append(op.args, text)
	}
	if op.command.name == "XREAD" && blocks(in.Args) {
		faults.Add("args", "cannot hold BLOCK: it waits on the server for others")
	}
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}

// Writes reports whether the command can change something on the other side.
func (o *operation) Writes() bool { return o.command.writes }

// Placeholders lists the parameters of the arguments.
func (o *operation) Placeholders() []string {
	var all []string
	for _, arg := range o.args {
		all = append(all, arg.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// blocks reports whether XREAD would wait: by an option before its streams, which
// a parameter may have filled in.
func blocks(args []string) bool {
	for _, arg := range args {
		switch {
		case strings.EqualFold(arg, "BLOCK"):
			return true
		case strings.EqualFold(arg, "STREAMS"):
			return false
		}
	}
	return false
}
