package file

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// The head of a table is what its columns are judged by.
const (
	sampleRows  = 1000
	sampleBytes = 1 << 20

	maxColumns = 16_384 // as many as Excel has
	maxName    = 200    // bytes of the name of a column
)

// table is a source with columns.
type table struct {
	source
	columns []datasource.Column
	sample  [][]any // rows that are read already
	lines   []int   // where these are
	done    func() error
}

// readHead reads the names of the columns and some rows.
func (t *table) readHead(ctx context.Context, header bool) error {
	var names []string
	if header {
		row, err := t.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(row) > maxColumns {
			return refused("the file has more than 16384 columns", nil)
		}
		names = columnNames(row)
	}
	size := 0
	for len(t.sample) < sampleRows && size < sampleBytes && ctx.Err() == nil {
		row, err := t.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if row, err = t.fit(row, len(names), header); err != nil {
			return err
		}
		for i := len(names); !header && i < len(row); i++ {
			names = append(names, "column"+strconv.Itoa(i+1))
		}
		for _, v := range row {
			size += 16
			if s, ok := v.(string); ok {
				size += len(s)
			}
		}
		t.sample, t.lines = append(t.sample, slices.Clone(row)), append(t.lines, t.line())
	}
	types, err := t.judge(names, t.sample)
	if err != nil {
		return err
	}
	t.columns = make([]datasource.Column, len(names))
	for i := range names {
		t.columns[i] = datasource.Column{Name: names[i], Type: types[i]}
	}
	return nil
}

// columnNames makes names of a header: none is empty, and none is there twice.
func columnNames(row []any) []string {
	names := make([]string, 0, len(row))
	taken, next := make(map[string]bool, len(row)), map[string]int{} // by name, the number to go on with
	for i, v := range row {
		name := strings.TrimSpace(datasource.ParamText(textual(v)))
		name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
		if name == "" {
			name = "column" + strconv.Itoa(i+1)
		}
		unique := name
		for n := max(next[name], 2); taken[unique]; n++ {
			unique, next[name] = name+"_"+strconv.Itoa(n), n+1
		}
		taken[unique] = true
		names = append(names, unique)
	}
	return names
}

// textual is a value of a cell in a form that ParamText knows.
func textual(v any) any {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case datasource.Decimal:
		return string(v)
	}
	return v
}

// fit refuses a row with values behind the last column; empty ones do not count.
func (t *table) fit(row []any, columns int, fixed bool) ([]any, error) {
	for len(row) > 0 && (row[len(row)-1] == nil || row[len(row)-1] == "") && len(row) > columns {
		row = row[:len(row)-1]
	}
	if fixed && len(row) > columns {
		return nil, refused(fmt.Sprintf("%s has %d values for %d columns", t.place(t.line()), len(row), columns), nil)
	}
	if len(row) > maxColumns {
		return nil, refused("the file has more than 16384 columns", nil)
	}
	return row, nil
}

// read is the next row with its types, or io.EOF. It has as many values as there
// are columns; into is used for it.
func (t *table) read(into []any) error {
	row, line, err := t.raw()
	if err != nil {
		return err
	}
	for i, c := range t.columns {
		into[i] = nil
		if i >= len(row) || row[i] == nil {
			continue
		}
		var ok bool
		if into[i], ok = t.convert(row[i], c); !ok {
			return refused(fmt.Sprintf("%s has a value in the column %s that is no %s", t.place(line), quoted(c.Name), c.Type), nil)
		}
	}
	return nil
}

func (t *table) raw() (row []any, line int, err error) {
	if len(t.sample) > 0 {
		row, line = t.sample[0], t.lines[0]
		t.sample, t.lines = t.sample[1:], t.lines[1:]
		return row, line, nil
	}
	if row, err = t.next(); err != nil {
		return nil, 0, err
	}
	row, err = t.fit(row, len(t.columns), true)
	return row, t.line(), err
}

func (t *table) describe(name string) datasource.Table {
	d := datasource.Table{Name: name, Kind: "table", Columns: make([]datasource.TableColumn, len(t.columns))}
	for i, c := range t.columns {
		d.Columns[i] = datasource.TableColumn{Name: c.Name, Type: string(c.Type), Nullable: true}
	}
	return d
}

// Close ends the reading of the file.
func (t *table) Close() error {
	err := t.source.Close()
	if closing := t.done(); err == nil {
		err = closing
	}
	return err
}
