package service

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	texts "github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// operation is an [Operation] that is ready to be filled.
type operation struct {
	Operation
	request *httpapi.Template
	rules   datasource.Rules
	writes  bool
	rows    []string
	table   *table
}

func newOperation(in Operation, fields []datasource.Field, faults *problem.Faults) *operation {
	op := &operation{Operation: in, writes: in.Writes}
	var own problem.Faults
	own.Check(texts.ValidName(in.Name) && in.Title != "", "", "needs a name and a title")
	op.request = httpapi.Request{
		Method: in.Method, Path: in.Path, Query: in.Query, Headers: in.Headers, Body: in.Body, Form: in.Form, OmitNull: true,
	}.Parse(&own)
	own.Check(in.Writes || slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, op.request.Method()), "writes", "must be set for this method")
	for _, name := range op.request.Placeholders() {
		own.Check(!texts.Trusted(name), "", "names "+name+", which only a saved query can: it gives it to a parameter")
	}
	params := make([]datasource.Param, len(in.Params))
	for i, p := range in.Params {
		params[i] = p.Param
		_, taken := fieldOf(fields, p.Name)
		own.Check(!taken, "params."+p.Name, "has the name of a field")
		_, list := p.Type.Element()
		own.Check(p.Each == "" || list, "params."+p.Name, "needs a list for each")
	}
	var err error
	op.rules, err = datasource.NewRules(params, ownNames(op.request.Placeholders(), fields))
	own.Merge("", err)
	op.rows = httpapi.ParsePointer(in.Rows, "rows", &own)
	own.Check(in.Table == nil || in.Rows == "", "table", "is not possible beside rows")
	if in.Table != nil {
		op.table = newTable(*in.Table, &own)
	}
	faults.Merge("operations."+in.Name, own.Err("", ""))
	return op
}

// ownNames are the placeholders that are not fields of the datasource.
func ownNames(names []string, fields []datasource.Field) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		f, ok := fieldOf(fields, name)
		return ok && !f.Secret
	})
}

func (o *operation) needsArgs() bool {
	return slices.ContainsFunc(o.Params, func(p Param) bool { return p.Required && p.Default == nil })
}

// read makes rows of an answer.
func (o *operation) read(document json.RawMessage, maxRows int) (datasource.Rows, error) {
	if o.table != nil {
		return o.table.read(document, maxRows)
	}
	return httpapi.Rows(document, o.rows, maxRows)
}

// bound gives each parameter its value, ready for the request.
func (o *operation) bound(given map[string]any) (map[string]any, error) {
	for _, p := range o.Params {
		if v, ok := given[p.Name]; ok && v == nil {
			delete(given, p.Name) // the default holds
		} else if ok {
			given[p.Name] = worded(p.Type, v)
		}
	}
	values, err := o.rules.Bind(given)
	if err != nil {
		return nil, asArgs(err)
	}
	for _, p := range o.Params {
		if list, ok := values[p.Name].([]any); ok && p.Each != "" {
			values[p.Name] = wrapped(p.Each, list)
		}
	}
	return values, nil
}

// worded writes the value of a query's parameter as text where the operation
// wants one.
func worded(t datasource.ParamType, v any) any {
	element, isList := t.Element()
	list, _ := v.([]any)
	switch {
	case element != datasource.ParamString:
		return v
	case isList:
		out := make([]any, len(list))
		for i := range list {
			out[i] = worded(element, list[i])
		}
		if list == nil {
			return v
		}
		return out
	}
	switch v.(type) {
	case []any, map[string]any, json.RawMessage:
		return v
	}
	return datasource.ParamText(v)
}

func wrapped(name string, list []any) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = map[string]any{name: list[i]}
	}
	return out
}

// asArgs names the faults of parameters by where a saved query has them.
func asArgs(err error) error {
	var faults problem.Faults
	for _, f := range problem.Of(err).Faults {
		faults.Add("args."+strings.TrimPrefix(f.Path, "params."), f.Message)
	}
	return faults.Err("params_invalid", "the arguments of the operation are not valid")
}

// query is a saved query: an operation with templates for its parameters.
type query struct {
	*operation
	args map[string]*texts.JSON
}

func (c *connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Operation string         `json:"operation"`
		Args      map[string]any `json:"args"`
	}
	if err := texts.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	op := c.operations[in.Operation]
	if op == nil {
		faults.Add("operation", "must be one of "+strings.Join(c.names, ", "))
		return nil, faults.Err("operation_invalid", "the operation is not valid")
	}
	q := &query{op, map[string]*texts.JSON{}}
	known, open := map[string]any{}, struct{}{}
	for _, name := range slices.Sorted(maps.Keys(in.Args)) {
		arg, err := texts.ParseJSON(in.Args[name], "args."+name)
		faults.Merge("", err)
		q.args[name] = arg
		if known[name] = in.Args[name]; len(arg.Placeholders()) > 0 {
			known[name] = open
		} else if in.Args[name] == nil {
			delete(known, name)
		}
	}
	if err := op.rules.Check(known, func(v any) bool { return v == any(open) }); err != nil {
		faults.Merge("", asArgs(err))
	}
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return q, nil
}

// Writes reports whether the operation changes something.
func (q *query) Writes() bool { return q.writes }

// Placeholders lists the parameters of the query.
func (q *query) Placeholders() (all []string) {
	for _, arg := range q.args {
		all = append(all, arg.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// values gives the parameters of the operation what the query's parameters make
// of them.
func (q *query) values(params map[string]any) (map[string]any, error) {
	given := make(map[string]any, len(q.args))
	for name, arg := range q.args {
		given[name] = arg.Expand(func(name string) any { return params[name] }, datasource.ParamText)
	}
	return q.bound(given)
}
