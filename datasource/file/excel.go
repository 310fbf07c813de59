package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/xlsx"
	"github.com/jetadmin/jetadmin/problem"
)

// Excel makes the connector of the type "excel": workbooks of Excel 2007 and newer
// (xlsx). Numbers, texts, booleans, days and times keep their types; a formula is
// the value that it had when the workbook was saved.
func Excel(open Open) datasource.Connector { return excelConnector{open} }

type excelConnector struct{ open Open }

func (excelConnector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "excel",
		Title:       "Excel file",
		Description: "The sheets of an uploaded workbook (xlsx).",
		Fields: []datasource.Field{
			{Name: "file", Title: "File", Type: datasource.FieldFile, Required: true},
			{Name: "header", Title: "Names in the first row", Type: datasource.FieldBoolean, Default: true},
		},
		Operation: json.RawMessage(fmt.Sprintf(operationSchema, `
		"sheet": {"type": "string", "description": "The name of a sheet; none = the first."},`)),
		Abilities: datasource.Abilities{Introspect: true},
	}
}

func (excelConnector) Parse(operation json.RawMessage) (datasource.Operation, error) {
	return parse(operation, true)
}

func (c excelConnector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	return newConn(c.open, excelFormat{}, s), nil
}

type excelFormat struct{}

func (excelFormat) open(ctx context.Context, c Content, _ datasource.Settings) (book, error) {
	w, err := xlsx.Open(ctx, c, c.Size())
	if err != nil {
		return nil, unsound(err)
	}
	return workbook{w}, nil
}

type workbook struct{ *xlsx.Workbook }

func (w workbook) sheets() []string { return w.Sheets() }

func (w workbook) read(sheet string) (source, error) {
	rows, err := w.Rows(sheet)
	if errors.Is(err, xlsx.ErrNoSheet) {
		return nil, refused("the file has no sheet "+quoted(sheet), nil)
	}
	if err != nil {
		return nil, unsound(err)
	}
	return &excelSource{rows: rows}, nil
}

// unsound tells a file that is no workbook from a storage that fails.
func unsound(err error) error {
	if e, ok := errors.AsType[*xlsx.Error](err); ok {
		return problem.New(problem.Upstream, "file_unsound", e.Message).Fix("save the workbook again with a spreadsheet program, and upload it").Because(err)
	}
	return err
}

// excelSource reads a sheet. Rows without a value are left out.
type excelSource struct {
	rows *xlsx.Rows
	row  []any
}

func (s *excelSource) next() ([]any, error) {
	cells, err := s.rows.Next()
	if err != nil {
		return nil, unsound(err)
	}
	s.row = s.row[:0]
	for _, c := range cells {
		for len(s.row) <= c.Column {
			s.row = append(s.row, nil)
		}
		s.row[c.Column] = cellValue(c.Value)
	}
	return s.row, nil
}

// cellValue makes a value of a row. What a failed formula shows is a text.
func cellValue(v any) any {
	switch v := v.(type) {
	case xlsx.Day:
		return datasource.Date(v)
	case xlsx.Time:
		return string(v)
	case xlsx.Fault:
		return string(v)
	}
	return v
}

func (s *excelSource) line() int             { return s.rows.Line() }
func (s *excelSource) place(line int) string { return fmt.Sprintf("row %d", line) }
func (s *excelSource) Close() error          { return s.rows.Close() }

// judge gives a column the type that all its values in the sample share.
func (s *excelSource) judge(names []string, sample [][]any) ([]datasource.ColumnType, error) {
	types := make([]datasource.ColumnType, len(names))
	for _, row := range sample {
		for i, v := range row {
			if v != nil && i < len(types) {
				types[i] = shared(types[i], typeOf(v))
			}
		}
	}
	for i, t := range types {
		if t == "" {
			types[i] = datasource.ColumnUnknown
		}
	}
	return types, nil
}

func typeOf(v any) datasource.ColumnType {
	switch v.(type) {
	case bool:
		return datasource.ColumnBoolean
	case int64:
		return datasource.ColumnInteger
	case float64:
		return datasource.ColumnNumber
	case datasource.Date:
		return datasource.ColumnDate
	case time.Time:
		return datasource.ColumnTimestamp
	}
	return datasource.ColumnString
}

// shared is the type for values of two; "" is none yet.
func shared(a, b datasource.ColumnType) datasource.ColumnType {
	pair := func(x, y datasource.ColumnType) bool { return a == x && b == y || a == y && b == x }
	switch {
	case a == "" || a == b:
		return b
	case pair(datasource.ColumnInteger, datasource.ColumnNumber):
		return datasource.ColumnNumber
	case pair(datasource.ColumnDate, datasource.ColumnTimestamp):
		return datasource.ColumnTimestamp
	}
	return datasource.ColumnUnknown
}

// convert leaves values as they are, but for days among times.
func (s *excelSource) convert(v any, c datasource.Column) (any, bool) {
	if d, ok := v.(datasource.Date); ok && c.Type == datasource.ColumnTimestamp {
		if at, err := time.Parse(time.DateOnly, string(d)); err == nil {
			return at, true
		}
	}
	return v, true
}
