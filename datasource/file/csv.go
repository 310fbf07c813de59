package file

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// maxRecord is how many bytes a row of a text may have, in UTF-8.
const maxRecord = 8 << 20

// CSV makes the connector of the type "csv": tables as text, whatever parts their
// values.
func CSV(open Open) datasource.Connector { return csvConnector{open} }

type csvConnector struct{ open Open }

// declarable are the types that the setting "types" can name.
var declarable = []datasource.ColumnType{
	datasource.ColumnString, datasource.ColumnInteger, datasource.ColumnNumber, datasource.ColumnBoolean, datasource.ColumnDate, datasource.ColumnTimestamp,
}

func (csvConnector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "csv",
		Title:       "CSV file",
		Description: "A table in an uploaded text file.",
		Fields: []datasource.Field{
			{Name: "file", Title: "File", Type: datasource.FieldFile, Required: true},
			{Name: "encoding", Title: "Encoding", Type: datasource.FieldString, Enum: encodingNames(), Default: "auto", Description: "auto: by the mark at the beginning, then UTF-8, then Windows-1252."},
			{Name: "delimiter", Title: "Delimiter", Type: datasource.FieldString, Enum: delimiterNames, Default: "auto"},
			{Name: "header", Title: "Names in the first row", Type: datasource.FieldBoolean, Default: true},
			{Name: "decimal", Title: "Decimal mark", Type: datasource.FieldString, Enum: []string{".", ","}, Default: "."},
			{Name: "types", Title: "Types", Type: datasource.FieldMap, Description: "Columns with their types: string, integer, number, boolean, date, timestamp. Others are found out by the first rows."},
		},
		Operation: json.RawMessage(fmt.Sprintf(operationSchema, "")),
		Abilities: datasource.Abilities{Introspect: true},
	}
}

// CheckSettings refuses unknown types of columns.
func (csvConnector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	for _, t := range s.Map("types") {
		faults.Check(slices.Contains(declarable, datasource.ColumnType(t)), "settings.types", "must hold string, integer, number, boolean, date or timestamp")
	}
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (csvConnector) Parse(operation json.RawMessage) (datasource.Operation, error) {
	return parse(operation, false)
}

func (c csvConnector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	return newConn(c.open, csvFormat{}, s), nil
}

type csvFormat struct{}

func (csvFormat) open(_ context.Context, c Content, s datasource.Settings) (book, error) {
	return csvBook{c, CSVOptions{
		Encoding: s.String("encoding"), Delimiter: s.String("delimiter"), Decimal: s.String("decimal"), Types: s.Map("types"),
	}}, nil
}

// csvBook has one table.
type csvBook struct {
	content Content
	options CSVOptions
}

func (csvBook) sheets() []string { return []string{"csv"} }

func (b csvBook) read(string) (source, error) {
	return newCSVSource(io.NewSectionReader(b.content, 0, b.content.Size()), b.options)
}

// csvSource reads records. All values are texts.
type csvSource struct {
	texts
	csv      *csv.Reader
	record   *record
	declared map[string]string
	row      []any
}

func (s *csvSource) next() ([]any, error) {
	s.record.left = maxRecord
	fields, err := s.csv.Read()
	if fault, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, refused(fmt.Sprintf("line %d is not sound: %v", fault.Line, fault.Err), err)
	}
	if err != nil {
		return nil, err
	}
	s.row = s.row[:0]
	for _, f := range fields {
		s.row = append(s.row, f)
	}
	return s.row, nil
}

func (s *csvSource) line() int {
	line, _ := s.csv.FieldPos(0)
	return line
}

func (s *csvSource) place(line int) string { return fmt.Sprintf("line %d", line) }

func (s *csvSource) judge(names []string, sample [][]any) ([]datasource.ColumnType, error) {
	types := make([]datasource.ColumnType, len(names))
	for i, name := range names {
		if declared := s.declared[name]; declared != "" {
			types[i] = datasource.ColumnType(declared)
			continue
		}
		types[i] = s.infer(i, sample)
	}
	for _, name := range slices.Sorted(maps.Keys(s.declared)) {
		if !slices.Contains(names, name) {
			return nil, refused("the settings declare the type of a column that the file does not have: "+quoted(name), nil)
		}
	}
	return types, nil
}

// convert keeps a text that is not of the type its column seems to have; one that
// is not of a declared type is an error.
func (s *csvSource) convert(v any, c datasource.Column) (any, bool) {
	text := v.(string)
	if c.Type == datasource.ColumnString {
		return text, true
	}
	if text == "" {
		return nil, true
	}
	declared := s.declared[c.Name] != ""
	if out, ok := s.parse(text, c.Type, declared); ok {
		return out, true
	}
	return text, !declared
}

func (s *csvSource) Close() error { return nil }

// CSVOptions say how a table is written, as the settings of the type "csv" do. The
// zero value is "auto", a point and no names in the first row.
type CSVOptions struct {
	Encoding  string
	Delimiter string
	Decimal   string
	Header    bool
	Types     map[string]string
}

// Validate reports every option that has no meaning, by the names of the settings.
func (o CSVOptions) Validate() error {
	var faults problem.Faults
	faults.Check(o.Encoding == "" || slices.Contains(encodingNames(), o.Encoding), "encoding", "must be one of "+text.Choices(encodingNames()))
	faults.Check(o.Delimiter == "" || slices.Contains(delimiterNames, o.Delimiter), "delimiter", "must be one of "+text.Choices(delimiterNames))
	faults.Check(o.Decimal == "" || o.Decimal == "." || o.Decimal == ",", "decimal", "must be . or ,")
	return faults.Err("options_invalid", "the options are not valid")
}

// ReadCSV reads a table from a stream, for connectors whose answers are such. It
// closes body with the rows, and with its own error. Errors of body come back as
// they are if they are a problem or a StatementError.
func ReadCSV(ctx context.Context, body io.ReadCloser, o CSVOptions) (datasource.Rows, error) {
	src, err := newCSVSource(body, o)
	if err != nil {
		_ = body.Close()
		return nil, failure(ctx, err)
	}
	t := &table{source: src, done: body.Close}
	if err := t.readHead(ctx, o.Header); err != nil {
		_ = t.Close()
		return nil, failure(ctx, err)
	}
	return newRows(ctx, t, &operation{}, nil)
}

func newCSVSource(body io.Reader, o CSVOptions) (*csvSource, error) {
	text, err := decoded(body, o.Encoding)
	if err != nil {
		return nil, err
	}
	comma, err := delimiter(text, o.Delimiter)
	if err != nil {
		return nil, err
	}
	bounded := &record{r: text, comma: byte(comma)}
	s := &csvSource{record: bounded, texts: texts{o.Decimal == ","}, declared: o.Types, csv: csv.NewReader(bounded)}
	s.csv.FieldsPerRecord, s.csv.ReuseRecord, s.csv.Comma = -1, true, comma
	return s, nil
}

// record bounds what one row may take: bytes, and values, of which each takes much
// more than its delimiter.
type record struct {
	r      io.Reader
	comma  byte
	left   int
	quoted bool
	values int // before the last delimiter
}

func (b *record) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, refused("a row of the file is larger than 8 MiB: a quotation mark may not be closed", nil)
	}
	if !b.count(p[:n]) {
		return 0, refused("a row of the file has more than 16384 values", nil)
	}
	return n, err
}

// count follows the text as its reader will, to whom a quotation mark elsewhere is
// an error. It is false when a row has too many values.
func (b *record) count(text []byte) bool {
	for _, c := range text {
		switch {
		case c == '"':
			b.quoted = !b.quoted
		case b.quoted:
		case c == '\n':
			b.values = 0
		case c == b.comma:
			if b.values++; b.values >= maxColumns {
				return false
			}
		}
	}
	return true
}
