package datasource

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

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
	ds, err := findDatasource(ctx, tx, row.TenantID, in.DatasourceID)
	switch {
	case problem.Is(err, problem.NotFound):
		faults.Add("datasourceId", "is not a datasource of this tenant")
	case err != nil:
		return err
	default:
		s.compile(ds, in.Operation, in.Params, in.Writes, &faults)
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
	return nil
}

// compile reads an operation with its declared parameters.
func (s *Service) compile(ds *datasourceRow, operation json.RawMessage, params []Param, writes bool, faults *problem.Faults) (Operation, []rule) {
	connector, err := s.connector(ds.Type)
	if err != nil {
		faults.Add("datasourceId", "has a type that this server does not know")
		return nil, nil
	}
	if len(operation) == 0 || len(operation) > maxOperation || !json.Valid(operation) {
		faults.Addf("operation", "must be a JSON object of at most %d bytes", maxOperation)
		return nil, nil
	}
	if writes {
		faults.Check(connector.Spec().Abilities.Exec, "writes", "is not possible with this type of datasource")
		faults.Check(!ds.ReadOnly, "writes", "is not allowed: the datasource is read-only")
	}
	op, err := connector.Parse(operation)
	if err != nil {
		faults.Merge("operation", err)
		newRules(params, names(params), faults) // tell what is wrong with the declarations, too
		return nil, nil
	}
	if w, ok := op.(interface{ Writes() bool }); ok && w.Writes() {
		faults.Check(writes, "writes", "must be set: the operation can change data")
	}
	return op, newRules(params, op.Placeholders(), faults)
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
