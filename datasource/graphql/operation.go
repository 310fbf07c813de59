package graphql

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const operationSchema = `{
	"type": "object",
	"properties": {
		"query": {"type": "string", "title": "GraphQL", "description": "A constant text; parameters belong to variables. A mutation needs a query that is marked as writing."},
		"operationName": {"type": "string", "description": "Which operation of the text to run, when there are several."},
		"variables": {"type": "object", "description": "By the names of the text's variables. A string that is one {{ name }} takes the value with its type."},
		"omitNull": {"type": "boolean", "default": false, "description": "Leave variables and members of them out whose value is null. A variable with a default is left out in any case."},
		"rows": {"type": "string", "description": "JSON pointer (RFC 6901) to the rows inside of data; empty = all of it."}
	},
	"required": ["query"],
	"additionalProperties": false
}`

// operation is a text with holes in its variables.
type operation struct {
	text      string
	name      string
	variables *template.JSON
	defaults  map[string]bool // variables that have one
	omitNull  bool
	rows      []string
	writes    bool
}

func (connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Query     string         `json:"query"`
		Name      string         `json:"operationName"`
		Variables map[string]any `json:"variables"`
		OmitNull  bool           `json:"omitNull"`
		Rows      string         `json:"rows"`
	}
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	doc := readDocument(in.Query, in.Name, &faults)
	for _, name := range slices.Sorted(maps.Keys(in.Variables)) {
		_, declared := doc.variables[name]
		faults.Check(doc.variables == nil || declared, "variables."+shown(name), "is not a variable of the text")
	}
	for _, name := range slices.Sorted(maps.Keys(doc.variables)) {
		_, given := in.Variables[name]
		faults.Check(given || !doc.variables[name].required, "variables."+shown(name), "is required by the text")
	}
	variables, err := template.ParseJSON(anyMap(in.Variables), "variables")
	faults.Merge("", err)
	op := &operation{text: in.Query, name: in.Name, variables: variables, defaults: map[string]bool{}, omitNull: in.OmitNull, writes: doc.writes}
	for name, v := range doc.variables {
		op.defaults[name] = v.hasDefault
	}
	op.rows = httpapi.ParsePointer(in.Rows, "rows", &faults)
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}

func anyMap(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// Writes reports whether the text can change something on the other side.
func (o *operation) Writes() bool { return o.writes }

// Placeholders lists the parameters of the variables.
func (o *operation) Placeholders() []string { return o.variables.Placeholders() }

// body is what is posted.
func (o *operation) body(params map[string]any) ([]byte, error) {
	filled, _ := o.variables.Expand(func(name string) any { return params[name] }, datasource.ParamText).(map[string]any)
	for name, hasDefault := range o.defaults {
		if hasDefault && filled[name] == nil {
			delete(filled, name)
		}
	}
	var variables any = filled
	if o.omitNull {
		variables = httpapi.WithoutNull(variables)
	}
	return json.Marshal(request{Query: o.text, Name: o.name, Variables: variables})
}

// request is the body of GraphQL over HTTP.
type request struct {
	Query     string `json:"query"`
	Name      string `json:"operationName,omitempty"`
	Variables any    `json:"variables,omitempty"`
}
