package xlsx

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
)

// Cell is a cell that is not empty.
type Cell struct {
	Column int // from 0

	// Value is a string, an int64, a float64, a bool, a time.Time in UTC, a [Day],
	// a [Time] or a [Fault]. That of a formula is its last result.
	Value any
}

// Day is a date as 2006-01-02; Time is a time of day or an amount of time as
// 15:04:05; Fault is what a formula that failed shows, like #DIV/0!.
type (
	Day   string
	Time  string
	Fault string
)

// Rows reads a sheet.
type Rows struct {
	workbook *Workbook
	part     *part
	cells    []Cell
	value    []byte
	line     int
	ended    bool
}

// ErrNoSheet says that there is no sheet of the name.
var ErrNoSheet = errors.New("no such sheet")

// Rows begins to read a sheet by its name, "" = the first one.
func (w *Workbook) Rows(name string) (*Rows, error) {
	at := ""
	for _, s := range w.sheets {
		if name == "" || s.name == name {
			at = s.part
			break
		}
	}
	if at == "" {
		return nil, ErrNoSheet
	}
	if err := w.readShared(); err != nil {
		return nil, err
	}
	r := &Rows{workbook: w}
	var err error
	if r.part, err = w.archive.open(at, maxSheet); err != nil {
		return nil, err
	}
	if r.part == nil {
		return nil, &Error{Message: "a sheet of the workbook is missing"}
	}
	s, err := r.part.start("sheetData")
	if s == nil && err == nil {
		err = &Error{Message: "a sheet of the workbook has no rows"}
	}
	if err != nil {
		_ = r.part.Close()
		return nil, err
	}
	return r, nil
}

// Next returns the cells of the next row that has some, or io.EOF. The slice is
// reused.
func (r *Rows) Next() ([]Cell, error) {
	for {
		if r.ended {
			return nil, io.EOF
		}
		r.part.renew()
		token, err := r.part.next()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case nil:
			return nil, r.part.source.fault("a sheet of the workbook is not sound", io.ErrUnexpectedEOF)
		case xml.EndElement:
			if token.Name.Local == "sheetData" {
				r.ended = true
				return nil, r.part.end()
			}
		case xml.StartElement:
			if token.Name.Local != "row" {
				continue
			}
			r.line++
			if at, err := strconv.Atoi(attribute(&token, "r")); err == nil && at > 0 {
				r.line = at
			}
			if err := r.readRow(); err != nil || len(r.cells) > 0 {
				return r.cells, err
			}
		}
	}
}

func (r *Rows) readRow() error {
	r.cells = r.cells[:0]
	base, column, size := r.part.depth, 0, 0
	for {
		r.part.renew()
		token, err := r.part.next()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case nil:
			return r.part.source.fault("a sheet of the workbook is not sound", io.ErrUnexpectedEOF)
		case xml.EndElement:
			if r.part.depth < base {
				return nil
			}
		case xml.StartElement:
			if token.Name.Local != "c" {
				continue
			}
			if at, ok := columnOf(attribute(&token, "r")); ok {
				column = at
			}
			if column >= MaxColumns || len(r.cells) >= MaxColumns {
				return &Error{Message: "a row of the workbook has too many cells"}
			}
			v, err := r.readCell(&token)
			if err != nil {
				return err
			}
			// Many cells may share one text, so the row is bounded beside its part.
			if text, ok := v.(string); ok {
				if size += len(text); size > maxRow {
					return &Error{Message: "a row of the workbook is too large"}
				}
			}
			if v != nil {
				r.cells = append(r.cells, Cell{column, v})
			}
			column++
		}
	}
}

// readCell reads a cell that began, to its end.
func (r *Rows) readCell(c *xml.StartElement) (any, error) {
	kind, style := attribute(c, "t"), attribute(c, "s")
	base, found := r.part.depth, false
	r.value = r.value[:0]
	for {
		token, err := r.part.next()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case nil:
			return nil, r.part.source.fault("a sheet of the workbook is not sound", io.ErrUnexpectedEOF)
		case xml.EndElement:
			if r.part.depth < base {
				if !found {
					return nil, nil
				}
				return r.convert(kind, style, string(r.value))
			}
		case xml.StartElement:
			switch token.Name.Local {
			case "v":
				found = true
				r.value, err = r.part.readPlain(r.value[:0])
			case "is":
				found = true
				r.value, err = r.part.readText(r.value[:0])
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// Line is the number of the last row in the sheet, from 1.
func (r *Rows) Line() int { return r.line }

// Close ends the reading.
func (r *Rows) Close() error { return r.part.Close() }

// columnOf reads the column of a reference like "AB12", from 0.
func columnOf(reference string) (int, bool) {
	n := 0
	for i := range len(reference) {
		c := reference[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			_, err := strconv.ParseUint(reference[i:], 10, 32)
			return n - 1, i > 0 && err == nil
		}
		if n = n*26 + int(c-'A') + 1; n > MaxColumns {
			return n, true
		}
	}
	return 0, false
}
