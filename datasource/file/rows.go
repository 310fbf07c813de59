package file

import (
	"context"
	"io"
	"math"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// rows are the rows of a table that hold the conditions.
type rows struct {
	ctx      context.Context
	table    *table
	columns  []datasource.Column
	selected []int // nil = all
	tests    []test
	offset   int64
	left     int64
	whole    []any
	row      []any
}

func newRows(ctx context.Context, t *table, op *operation, params map[string]any) (*rows, error) {
	var faults problem.Faults
	r := &rows{ctx: ctx, table: t, columns: t.columns, whole: make([]any, len(t.columns)), left: math.MaxInt64}
	values := func(name string) any { return params[name] }
	if op.limit != nil {
		r.left = r.count(op.limit, values, "limit", &faults)
	}
	if op.offset != nil {
		r.offset = r.count(op.offset, values, "offset", &faults)
	}
	if err := r.choose(op.columns); err != nil {
		return nil, err
	}
	for _, w := range op.where {
		i := t.index(w.column)
		if i < 0 {
			return nil, refused("the file has no column "+quoted(w.column), nil)
		}
		test, used := newTest(w, i, t.columns[i].Type, values, &faults)
		if used {
			r.tests = append(r.tests, test)
		}
	}
	return r, faults.Err("params_invalid", "the parameters are not valid")
}

func (r *rows) count(j *template.JSON, values template.Values, path string, faults *problem.Faults) int64 {
	n, ok := count(j.Expand(values, datasource.ParamText))
	faults.Check(ok, path, "must be a whole number that is not negative")
	return n
}

// choose takes columns by their names.
func (r *rows) choose(names []string) error {
	if len(names) == 0 {
		r.row = r.whole
		return nil
	}
	r.columns, r.row = nil, make([]any, len(names))
	for _, name := range names {
		i := r.table.index(name)
		if i < 0 {
			return refused("the file has no column "+quoted(name), nil)
		}
		r.selected = append(r.selected, i)
		r.columns = append(r.columns, r.table.columns[i])
	}
	return nil
}

func (t *table) index(name string) int {
	return slices.IndexFunc(t.columns, func(c datasource.Column) bool { return c.Name == name })
}

func (r *rows) Columns() []datasource.Column { return r.columns }

func (r *rows) Next() ([]any, error) {
	for r.left > 0 {
		if err := r.ctx.Err(); err != nil {
			return nil, failure(r.ctx, err)
		}
		err := r.table.read(r.whole)
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, failure(r.ctx, err)
		}
		if slices.ContainsFunc(r.tests, func(t test) bool { return !t.holds(r.whole[t.column]) }) {
			continue
		}
		if r.offset > 0 {
			r.offset--
			continue
		}
		r.left--
		for i, from := range r.selected {
			r.row[i] = r.whole[from]
		}
		return r.row, nil
	}
	return nil, io.EOF
}

func (r *rows) Close() error { return failure(r.ctx, r.table.Close()) }

// quoted shows a name that the author of a query chose.
func quoted(name string) string {
	const shown = 100
	out := make([]rune, 0, len(name))
	for i, c := range name {
		if i > shown {
			return `"` + string(out) + `…"`
		}
		if c < ' ' || c == 0x7f {
			c = '\uFFFD'
		}
		out = append(out, c)
	}
	return `"` + string(out) + `"`
}
