package file

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of an operation.
const (
	maxConditions = 50
	maxSelected   = 1000
)

const operationSchema = `{
	"type": "object",
	"properties": {%s
		"columns": {"type": "array", "items": {"type": "string"}, "description": "The columns wanted, in this order; none = all."},
		"where": {"type": "array", "description": "All must hold. A comparison with null holds never, or is left out when it is optional.", "items": {
			"type": "object",
			"properties": {
				"column": {"type": "string"},
				"op": {"type": "string", "enum": ["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "startsWith", "endsWith", "isNull", "notNull"], "default": "eq"},
				"value": {"description": "A value, or {{ name }}; for in a list."},
				"optional": {"type": "boolean", "description": "Leave the condition out when its value is null."}
			},
			"required": ["column"],
			"additionalProperties": false
		}},
		"limit": {"description": "The most rows; a number or {{ name }}."},
		"offset": {"description": "The rows to pass over; a number or {{ name }}."}
	},
	"additionalProperties": false
}`

// operation selects columns and rows of a table.
type operation struct {
	sheet         string
	columns       []string
	where         []condition
	limit, offset *template.JSON // nil = none
}

type condition struct {
	column, op string
	value      *template.JSON // nil = none
	optional   bool
}

// operators say whether they need a value.
var operators = map[string]bool{
	"eq": true, "ne": true, "gt": true, "gte": true, "lt": true, "lte": true, "in": true,
	"contains": true, "startsWith": true, "endsWith": true, "isNull": false, "notNull": false,
}

// parse reads an operation; only workbooks have sheets.
func parse(raw json.RawMessage, sheets bool) (datasource.Operation, error) {
	var in struct {
		Sheet   string   `json:"sheet"`
		Columns []string `json:"columns"`
		Where   []struct {
			Column   string `json:"column"`
			Op       string `json:"op"`
			Value    any    `json:"value"`
			Optional bool   `json:"optional"`
		} `json:"where"`
		Limit  any `json:"limit"`
		Offset any `json:"offset"`
	}
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	faults.Check(sheets || in.Sheet == "", "sheet", "is not possible with this type of file")
	faults.Check(len(in.Columns) <= maxSelected, "columns", "must not be more than 1000")
	faults.Check(len(in.Where) <= maxConditions, "where", "must not be more than 50 conditions")
	op := &operation{sheet: in.Sheet, columns: in.Columns}
	for i, w := range in.Where[:min(len(in.Where), maxConditions)] {
		path := "where." + strconv.Itoa(i)
		if w.Op == "" {
			w.Op = "eq"
		}
		needs, known := operators[w.Op]
		faults.Check(w.Column != "", path+".column", "is required")
		faults.Check(known, path+".op", "is not an operator")
		faults.Check(!known || needs == (w.Value != nil), path+".value", "must be there, or must not with isNull and notNull")
		op.where = append(op.where, condition{w.Column, w.Op, parseValue(w.Value, path+".value", &faults), w.Optional})
	}
	op.limit, op.offset = parseCount(in.Limit, "limit", &faults), parseCount(in.Offset, "offset", &faults)
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}

func parseValue(v any, path string, faults *problem.Faults) *template.JSON {
	if v == nil {
		return nil
	}
	j, err := template.ParseJSON(v, path)
	faults.Merge("", err)
	return j
}

func parseCount(v any, path string, faults *problem.Faults) *template.JSON {
	j := parseValue(v, path, faults)
	if j != nil && len(j.Placeholders()) == 0 {
		_, ok := count(v)
		faults.Check(ok, path, "must be a whole number that is not negative, or one placeholder")
	}
	return j
}

// count reads a number of rows.
func count(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, v >= 0
	case json.Number:
		n, err := v.Int64()
		return n, err == nil && n >= 0
	}
	return 0, false
}

// Placeholders lists the parameters of the operation.
func (o *operation) Placeholders() []string {
	var all []string
	for _, j := range o.templates() {
		all = append(all, j.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (o *operation) templates() []*template.JSON {
	all := []*template.JSON{o.limit, o.offset}
	for _, w := range o.where {
		all = append(all, w.value)
	}
	return slices.DeleteFunc(all, func(j *template.JSON) bool { return j == nil })
}
