package gofunc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

func paramsOf(t reflect.Type) ([]field, error) {
	if t.Kind() != reflect.Struct || !structure(t) {
		return nil, fmt.Errorf("the parameters of a function must be a struct with json tags, not %s", t)
	}
	return fieldsOf(t)
}

// operationSchema is the schema of {"params": …}: each parameter is a value of
// its type, or a text with placeholders.
func operationSchema[P any]() (json.RawMessage, error) {
	params, err := jsonschema.For[P](nil)
	if err != nil {
		return nil, fmt.Errorf("the parameters of the function: %w", err)
	}
	for name, p := range params.Properties {
		if p.Type != "string" {
			text := &jsonschema.Schema{Type: "string", Pattern: `\{\{`, Description: "a text with {{ placeholders }}"}
			params.Properties[name] = &jsonschema.Schema{Description: p.Description, AnyOf: []*jsonschema.Schema{p, text}}
		}
	}
	operation := &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{"params": params}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	if len(params.Required) > 0 {
		operation.Required = []string{"params"}
	}
	return json.Marshal(operation)
}

// operation is a call with holes.
type operation struct {
	params *template.JSON
	writes bool
}

func (o *operation) Placeholders() []string { return o.params.Placeholders() }

// Writes reports whether the function can change data.
func (o *operation) Writes() bool { return o.writes }

func (c *connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Params map[string]any `json:"params"`
	}
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	for name := range in.Params {
		faults.Check(slices.ContainsFunc(c.params, func(f field) bool { return f.name == name }), "params", "holds a parameter that the function does not have")
	}
	for _, f := range c.params {
		v, given := in.Params[f.name]
		faults.Check(given || f.optional, "params."+f.name, "is required")
		if given && !holds(v) {
			faults.Check(f.fits(v), "params."+f.name, "does not fit the type of the parameter")
		}
	}
	if in.Params == nil {
		in.Params = map[string]any{}
	}
	params, err := template.ParseJSON(map[string]any(in.Params), "params")
	faults.Merge("", err)
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return &operation{params, c.spec.Abilities.Exec}, nil
}

// holds reports whether there is a placeholder in a value: then it is judged
// when the value is known.
func holds(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "{{")
	case []any:
		return slices.ContainsFunc(v, holds)
	case map[string]any:
		for _, e := range v {
			if holds(e) {
				return true
			}
		}
	}
	return false
}

// fits reports whether a value can be read into the field.
func (f field) fits(v any) bool {
	if raw, ok := v.(json.RawMessage); v == nil || ok && string(bytes.TrimSpace(raw)) == "null" {
		return f.optional || nullable(f.typ)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(reflect.New(f.typ).Interface()) == nil
}

// fill writes the parameters of a call as JSON. A null for a parameter that has
// none leaves it out.
func (c *connector) fill(op *operation, values map[string]any) ([]byte, error) {
	filled := op.params.Expand(func(name string) any { return values[name] }, datasource.ParamText).(map[string]any)
	var faults problem.Faults
	for _, f := range c.params {
		v, given := filled[f.name]
		if given && !f.fits(v) {
			faults.Add("params."+f.name, "does not fit the type of the function's parameter")
		}
		if v == nil && !nullable(f.typ) {
			delete(filled, f.name)
		}
	}
	if err := faults.Err("params_invalid", "the parameters are not valid"); err != nil {
		return nil, err
	}
	return json.Marshal(filled)
}

func misfit(err error) error {
	return problem.New(problem.Invalid, "params_invalid", "the parameters do not fit the function").Because(err)
}
