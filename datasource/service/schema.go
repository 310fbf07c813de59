package service

import (
	"encoding/json"

	"github.com/jetadmin/jetadmin/datasource"
)

type object = map[string]any

// schema is the JSON schema of a saved query. An argument may always be a string
// with placeholders.
func (c *connector) schema() json.RawMessage {
	choices := make([]object, 0, len(c.names))
	for _, name := range c.names {
		choices = append(choices, c.operations[name].schema())
	}
	b, err := json.Marshal(object{
		"type": "object",
		"properties": object{
			"operation": object{"type": "string", "enum": c.names},
			"args":      object{"type": "object", "description": "By the names of the operation's parameters. A string that is one {{ name }} takes the value with its type."},
		},
		"required":             []string{"operation"},
		"additionalProperties": false,
		"oneOf":                choices,
	})
	if err != nil {
		return nil // the validation of the spec tells
	}
	return b
}

func (o *operation) schema() object {
	args, required := object{}, []string{}
	for _, p := range o.Params {
		args[p.Name] = paramSchema(p.Param)
		if p.Required && p.Default == nil {
			required = append(required, p.Name)
		}
	}
	properties := object{
		"operation": object{"const": o.Name},
		"args":      object{"type": "object", "properties": args, "required": required, "additionalProperties": false},
	}
	choice := object{"title": o.Title, "description": o.Description, "writes": o.writes, "properties": properties, "required": []string{"operation"}}
	if len(required) > 0 {
		choice["required"] = []string{"operation", "args"}
	}
	return choice
}

// jsonTypes are the JSON types of parameters; the others are strings.
var jsonTypes = map[datasource.ParamType]string{
	datasource.ParamInteger: "integer", datasource.ParamNumber: "number", datasource.ParamBoolean: "boolean",
}

func paramSchema(p datasource.Param) object {
	s := object{"description": p.Description}
	element, isList := p.Type.Element()
	name := jsonTypes[element]
	switch {
	case isList:
		s["type"] = []string{"array", "string"}
	case name != "":
		s["type"] = []string{name, "string"}
	case element != datasource.ParamJSON:
		s["type"] = "string"
	}
	if p.Default != nil {
		s["default"] = p.Default
	}
	if len(p.Enum) > 0 {
		s["examples"] = p.Enum // not enum: a placeholder may stand there as well
	}
	return s
}
