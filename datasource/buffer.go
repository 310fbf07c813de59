package datasource

import (
	"io"
	"slices"
)

// BufferedRows is an answer that is in memory already, for connectors.
func BufferedRows(columns []Column, rows [][]any) Rows {
	return &buffered{columns: columns, rows: rows}
}

// ExecRows is the answer of an Exec: what it gave back, and how many rows it
// changed.
func ExecRows(columns []Column, rows [][]any, affected int64) Rows {
	return &executed{buffered{columns: columns, rows: rows}, affected}
}

// Buffer reads rows to their end, as an Execer must, and keeps as many as a
// statement asks for and one more, so that a cut is noticed.
func Buffer(rows Rows, s Statement) ([][]any, error) {
	var (
		kept [][]any
		size int64
	)
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return kept, nil
		}
		if err != nil {
			return nil, err
		}
		if len(kept) > s.MaxRows || size > s.MaxBytes {
			continue
		}
		for _, v := range row {
			size += sizeOf(plainValue(v))
		}
		kept = append(kept, slices.Clone(row))
	}
}

type buffered struct {
	columns []Column
	rows    [][]any
}

func (b *buffered) Columns() []Column { return b.columns }
func (b *buffered) Close() error      { return nil }

func (b *buffered) Next() ([]any, error) {
	if len(b.rows) == 0 {
		return nil, io.EOF
	}
	row := b.rows[0]
	b.rows = b.rows[1:]
	return row, nil
}

type executed struct {
	buffered
	affected int64
}

func (e *executed) Affected() int64 { return e.affected }
