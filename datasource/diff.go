package datasource

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// QueryDiff is what differs between two versions of a query.
type QueryDiff struct {
	QueryID string        `json:"queryId"`
	From    int           `json:"from"`
	To      int           `json:"to"`
	Changes []FieldChange `json:"changes"` // in the order of their fields
}

// FieldChange is a field with its two values. The field of an operation is
// "operation.text", that of a parameter "params.country".
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"` // null = it was not there
	After  any    `json:"after"`
}

// DiffQueryVersions compares two versions of a query, field by field; from 0 is
// the version before the other, or nothing when that is not kept or never was. It
// needs query.read on the query.
func (s *Service) DiffQueryVersions(ctx context.Context, queryID string, from, to int) (QueryDiff, error) {
	who, err := s.authorize(ctx, auth.QueryRead, queryID)
	if err != nil {
		return QueryDiff{}, err
	}
	after, err := s.versionFields(ctx, who.TenantID, queryID, to)
	if err != nil {
		return QueryDiff{}, err
	}
	given := from != 0
	if !given {
		from = to - 1
	}
	before, err := s.versionFields(ctx, who.TenantID, queryID, from)
	if err != nil && (given || !problem.Is(err, problem.NotFound)) {
		return QueryDiff{}, err
	}
	diff := QueryDiff{QueryID: queryID, From: from, To: to, Changes: []FieldChange{}}
	diff.compare(before, after)
	return diff, nil
}

func (s *Service) versionFields(ctx context.Context, tenantID, queryID string, number int) (map[string]any, error) {
	row, err := findQueryVersion(ctx, s.db.DB, tenantID, queryID, number)
	if err != nil {
		return nil, err
	}
	return fieldsOf(row.Content)
}

func (d *QueryDiff) compare(before, after map[string]any) {
	both := map[string]any{}
	maps.Copy(both, before)
	maps.Copy(both, after)
	for _, field := range slices.Sorted(maps.Keys(both)) {
		if !reflect.DeepEqual(before[field], after[field]) {
			d.Changes = append(d.Changes, FieldChange{field, before[field], after[field]})
		}
	}
}

// fieldsOf takes the content of a version apart: the members of the operation and
// the parameters are fields of their own.
func fieldsOf(content string) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(content)))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	if operation, ok := fields["operation"].(map[string]any); ok {
		delete(fields, "operation")
		for name, v := range operation {
			fields["operation."+name] = v
		}
	}
	if params, ok := fields["params"].([]any); ok {
		delete(fields, "params")
		for _, p := range params {
			if object, ok := p.(map[string]any); ok {
				name, _ := object["name"].(string)
				fields["params."+name] = p
			}
		}
	}
	return fields, nil
}
