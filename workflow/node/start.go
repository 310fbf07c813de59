package node

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/internal/shape"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// start begins a run: it checks the input and fills in defaults.
type start struct{}

type startConfig struct {
	Input map[string]any `json:"input,omitempty" jsonschema:"JSON Schema of the run's input, an object, without references; its defaults are filled in. Without one, any object is taken."`
}

func (start) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: workflow.TypeStart, Once: true, Title: "Start", Description: "Begins the run and declares its input.",
		Output: "the input, with the defaults filled in; expressions read it as `input`, too",
		Limits: []string{"a graph has exactly one, and no edge leads to it", "the schema holds no `$ref`"},
		Config: schemaOf[startConfig](),
	}
}

// Run is never called: a run is stored with its start node already done.
func (start) Run(_ context.Context, call *workflow.Call) (workflow.Result, error) {
	return workflow.Result{Output: call.Input}, nil
}

func (start) Check(config map[string]any) error {
	var f problem.Faults
	if declared, ok := config["input"]; ok {
		checkSchema(&f, "input", declared)
	}
	return f.Err("graph_invalid", "the start node is not valid")
}

func (start) Input(config, input map[string]any) (map[string]any, error) {
	schema, err := inputSchema(config)
	if err != nil || schema == nil {
		return input, err
	}
	return filled(schema, input)
}

// filled is an input with the defaults of its schema, or everything that is
// wrong with it.
func filled(schema *jsonschema.Resolved, input map[string]any) (map[string]any, error) {
	// The schema library knows numbers as float64, not as they were written: it
	// judges a copy, and gives only the defaults to the original.
	plain, err := roundTrip(input)
	if err != nil {
		return nil, err
	}
	if err := schema.ApplyDefaults(&plain); err != nil {
		return nil, err
	}
	var f problem.Faults
	shape.Check(&f, "", schema.Schema(), plain)
	if err := f.Err("input_invalid", "the input does not fit"); err != nil {
		return nil, err
	}
	for name, v := range plain {
		if _, sent := input[name]; !sent {
			input[name] = v
		}
	}
	return input, nil
}

// checkSchema adds what is wrong with the JSON Schema of an object, and returns it; nil =
// it is none.
func checkSchema(f *problem.Faults, path string, declared any) *jsonschema.Schema {
	resolved, err := objectSchema(declared)
	if err != nil {
		f.Add(path, "is not a JSON Schema of an object without references")
		return nil
	}
	shape.CheckKeywords(f, path, resolved.Schema())
	return resolved.Schema()
}

func inputSchema(config map[string]any) (*jsonschema.Resolved, error) {
	declared, ok := config["input"]
	if !ok {
		return nil, nil
	}
	return objectSchema(declared)
}

// objectSchema reads the JSON Schema of an object.
func objectSchema(declared any) (*jsonschema.Resolved, error) {
	b, err := json.Marshal(declared)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		return nil, err
	}
	if !bounded(plain, 0) {
		return nil, problem.New(problem.Invalid, "input_schema_invalid", "the schema has a name of more than 256 bytes, or is nested too deeply")
	}
	if refers(plain) {
		return nil, problem.New(problem.Invalid, "input_schema_invalid", "the schema must not have references")
	}
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(b, schema); err != nil {
		return nil, err
	}
	if schema.Type != "object" {
		return nil, problem.New(problem.Invalid, "input_schema_invalid", "the schema must be of an object")
	}
	return schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
}

// The bounds of a schema: the library keeps the path of every part of it.
const (
	maxSchemaName  = 256 // bytes
	maxSchemaDepth = 64  // levels of JSON
)

// bounded reports whether a schema keeps to the bounds.
func bounded(schema any, depth int) bool {
	if depth > maxSchemaDepth {
		return false
	}
	switch v := schema.(type) {
	case map[string]any:
		for key, inner := range v {
			if len(key) > maxSchemaName || !bounded(inner, depth+1) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(inner any) bool { return !bounded(inner, depth+1) })
	}
	return true
}

// refers reports whether a schema has a reference anywhere. The schema library
// follows one that leads back to itself until the process dies, and like all of
// encoding/json it reads a name in any case.
func refers(schema any) bool {
	switch v := schema.(type) {
	case map[string]any:
		for key, inner := range v {
			if strings.EqualFold(key, "$ref") || strings.EqualFold(key, "$dynamicRef") || refers(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, refers)
	}
	return false
}

func roundTrip(input map[string]any) (map[string]any, error) {
	b, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	plain := make(map[string]any)
	return plain, json.Unmarshal(b, &plain)
}
