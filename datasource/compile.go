package datasource

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const maxOperation = 512 << 10

// fillQuery is the one validator of saved queries: it checks in and writes it
// to the row.
func (s *Service) fillQuery(ctx context.Context, tx bun.IDB, row *queryRow, in NewQuery) error {
	var faults problem.Faults
	checkNames(in.Name, in.Description, &faults)
	faults.Check(in.RowLimit >= 0 && in.RowLimit <= MaxRows, "rowLimit", "must be between 1 and 10000")
	faults.Check(in.TimeoutMS >= 0 && in.TimeoutMS <= MaxTimeout.Milliseconds(), "timeoutMs", "must be between 1 and 30000")
	faults.Check(in.CacheTTLMS >= 0 && in.CacheTTLMS <= MaxCacheTTL.Milliseconds(), "cacheTtlMs", "must be between 0 and 3600000")
	faults.Check(in.CacheTTLMS == 0 || !in.Writes, "cacheTtlMs", "is not possible for a query that writes")
	ds, err := findDatasource(ctx, tx, row.TenantID, in.DatasourceID)
	switch {
	case problem.Is(err, problem.NotFound):
		faults.Add("datasourceId", "is not a datasource of this tenant")
	case err != nil:
		return err
	default:
		op := s.compile(ds, in.Operation, in.Params, in.Writes, &faults).op
		passing, ok := op.(Passing)
		faults.Check(in.CacheTTLMS == 0 || !ok || !passing.Passes(), "cacheTtlMs", "is not possible: what the operation answers is only good for a while")
	}
	transform := s.checked(ctx, in.Transform, in.Writes, &faults)
	before, err := row.rules()
	if err != nil {
		return err
	}
	rules, err := s.checkedRules(ctx, tx, in, before, &faults)
	if err != nil {
		return err
	}
	if err := faults.Err("query_invalid", "the query is not valid"); err != nil {
		return err
	}
	params, err := marshalParams(in.Params)
	if err != nil {
		return err
	}
	row.Name, row.Description, row.DatasourceID, row.Writes = in.Name, in.Description, in.DatasourceID, in.Writes
	row.Operation, row.Params = string(in.Operation), params
	row.RowLimit, row.TimeoutMS = orDefault(in.RowLimit, DefaultRows), orDefault(in.TimeoutMS, MaxTimeout.Milliseconds())
	row.CacheTTLMS, row.Transform, row.Rules = in.CacheTTLMS, "", ""
	if !transform.none() {
		text, err := json.Marshal(transform)
		if err != nil {
			return err
		}
		row.Transform = string(text)
	}
	if len(rules) > 0 {
		text, err := json.Marshal(rules)
		if err != nil {
			return err
		}
		row.Rules = string(text)
	}
	return nil
}

// compiled is a query that can be bound to values.
type compiled struct {
	op      Operation
	rules   []rule
	trusted []string // what the server fills in
}

// compile reads an operation with its declared parameters.
func (s *Service) compile(ds *datasourceRow, operation json.RawMessage, params []Param, writes bool, faults *problem.Faults) compiled {
	connector, err := s.connector(ds.Type)
	if err != nil {
		faults.Add("datasourceId", "has a type that this server does not know")
		return compiled{}
	}
	if len(operation) == 0 || len(operation) > maxOperation || !json.Valid(operation) {
		faults.Addf("operation", "must be a JSON object of at most %d bytes", maxOperation)
		return compiled{}
	}
	if writes {
		faults.Check(connector.Spec().Abilities.Exec, "writes", "is not possible with this type of datasource")
		faults.Check(!ds.ReadOnly, "writes", "is not allowed: the datasource is read-only")
	}
	op, err := connector.Parse(operation)
	if err != nil {
		faults.Merge("operation", err)
		newRules(params, names(params), faults) // tell what is wrong with the declarations, too
		return compiled{}
	}
	if w, ok := op.(interface{ Writes() bool }); ok && w.Writes() {
		faults.Check(writes, "writes", "must be set: the operation can change data")
	}
	checkNameParams(op, params, faults)
	used := op.Placeholders()
	return compiled{
		op: op, rules: newRules(params, used, faults),
		trusted: slices.DeleteFunc(slices.Clone(used), func(name string) bool { return !template.Trusted(name) }),
	}
}

func checkNameParams(op Operation, params []Param, faults *problem.Faults) {
	if taker, ok := op.(NameTaker); ok {
		checkNamesThere(taker, params, faults)
		return
	}
	for _, p := range params {
		faults.Check(!p.Type.names(), "params."+printable(p.Name), "can be an identifier or direction only in SQL: a string with an enum does the same here")
	}
}

// checkNamesThere makes sure of the names that a statement cannot do without: an empty
// one would be a value.
func checkNamesThere(taker NameTaker, params []Param, faults *problem.Faults) {
	for _, p := range params {
		there := !p.Type.names() || p.Required || p.Default != nil || !taker.Outside(p.Name)
		faults.Check(there, "params."+printable(p.Name), "needs a default, or to be required, or to stand in an optional block: SQL has no empty name")
	}
}

// bind gives each parameter its value, see [Statement].
func (c compiled) bind(who *auth.Principal, given map[string]any) (map[string]any, error) {
	values, err := bind(c.rules, given)
	if err != nil {
		return nil, err
	}
	return values, trusted(who, c.trusted, values)
}

// sensitive reports whether one of the values must not be shown.
func (c compiled) sensitive(values map[string]any) bool {
	return slices.ContainsFunc(c.rules, func(r rule) bool { return r.Sensitive && values[r.Name] != nil })
}

func names(params []Param) []string {
	list := make([]string, len(params))
	for i, p := range params {
		list[i] = p.Name
	}
	return list
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
