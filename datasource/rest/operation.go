package rest

import (
	"encoding/json"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const operationSchema = `{
	"type": "object",
	"properties": {
		"method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "default": "GET", "description": "Others than GET and HEAD need a query that is marked as writing."},
		"path": {"type": "string", "description": "Appended to the base URL. {{ name }} fills one segment or a part of it."},
		"query": {"type": "object", "additionalProperties": {"type": "string"}, "description": "A list repeats its key; null leaves it out."},
		"headers": {"type": "object", "additionalProperties": {"type": "string"}},
		"body": {"description": "A JSON document. A string that is one {{ name }} takes the value with its type."},
		"form": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Instead of a body: fields of an HTML form. A list repeats its key; null leaves it out; a key that ends with [*] takes an object or a list apart, as a[b]=1."},
		"omitNull": {"type": "boolean", "default": false, "description": "Leave members of the body out whose value is null, and objects and lists that have nothing else."},
		"rows": {"type": "string", "description": "JSON pointer (RFC 6901) to the rows in the answer; empty = the whole answer."}
	},
	"additionalProperties": false
}`

// operation is a request with holes, and where its answer has the rows.
type operation struct {
	*httpapi.Template
	rows []string // the tokens of the JSON pointer
}

// request is an operation as it is saved.
type request struct {
	httpapi.Request
	Rows string `json:"rows,omitempty"`
}

func (connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in request
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	op := &operation{Template: in.Parse(&faults)}
	op.rows = httpapi.ParsePointer(in.Rows, "rows", &faults)
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}
