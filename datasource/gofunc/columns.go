package gofunc

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// column is a field of the rows with the way its values are read.
type column struct {
	datasource.Column
	index   []int // nil = the row itself is the value
	convert convert
}

// convert makes a value of the contract of [datasource.Rows] out of a Go value.
type convert func(reflect.Value) (any, error)

func columnsOf(t reflect.Type) ([]column, error) {
	if !structure(t) {
		kind, fn := converterOf(t)
		if fn == nil || kind == datasource.ColumnJSON {
			return nil, fmt.Errorf("the rows of a function must be structs with json tags or single values, not %s", t)
		}
		return []column{{Column: datasource.Column{Name: "value", Type: kind, DatabaseType: t.String()}, convert: fn}}, nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(fields))
	for i, f := range fields {
		kind, fn := converterOf(f.typ)
		if fn == nil {
			return nil, fmt.Errorf("the field %q of %s cannot be a column: it is a %s", f.name, t, f.typ)
		}
		columns[i] = column{datasource.Column{Name: f.name, Type: kind, DatabaseType: f.typ.String()}, f.index, fn}
	}
	return columns, nil
}

// cell reads the column's value of a row. What is below a nil pointer is null.
func (c column) cell(row reflect.Value) (any, error) {
	if c.index == nil {
		return c.convert(row)
	}
	if row.Kind() == reflect.Pointer {
		if row.IsNil() {
			return nil, nil
		}
		row = row.Elem()
	}
	v, err := row.FieldByIndexErr(c.index)
	if err != nil {
		return nil, nil
	}
	return c.convert(v)
}

// marshaller says how a type writes itself.
type marshaller int

const (
	none marshaller = iota
	asText
	asJSON
)

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	valuer        = reflect.TypeFor[driver.Valuer]()
)

func marshals(t reflect.Type) marshaller {
	switch {
	case t.Implements(textMarshaler):
		return asText
	case t.Implements(jsonMarshaler):
		return asJSON
	}
	return none
}

// converterOf is nil for a type that no row can hold.
func converterOf(t reflect.Type) (datasource.ColumnType, convert) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return datasource.ColumnTimestamp, itself
	case reflect.TypeFor[datasource.Date]():
		return datasource.ColumnDate, itself
	case reflect.TypeFor[datasource.Decimal]():
		return datasource.ColumnDecimal, itself
	case reflect.TypeFor[datasource.JSON]():
		return datasource.ColumnJSON, itself
	case reflect.TypeFor[json.Number]():
		return datasource.ColumnNumber, func(v reflect.Value) (any, error) { return datasource.JSON(v.String()), nil }
	case reflect.TypeFor[json.RawMessage]():
		return datasource.ColumnJSON, rawJSON
	}
	switch t.Kind() {
	case reflect.Pointer:
		kind, fn := converterOf(t.Elem())
		return kind, unlessNil(fn, reflect.Value.Elem)
	case reflect.Interface:
		return datasource.ColumnJSON, unlessNil(dynamic, reflect.Value.Elem)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return "", nil
	}
	switch {
	case marshals(t) == asText:
		return datasource.ColumnString, func(v reflect.Value) (any, error) {
			b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
			return string(b), err
		}
	case marshals(t) == asJSON:
		return datasource.ColumnJSON, document
	case t.Implements(valuer): // sql.NullString and the like
		return datasource.ColumnUnknown, func(v reflect.Value) (any, error) { return v.Interface().(driver.Valuer).Value() }
	}
	return plainConverter(t)
}

func plainConverter(t reflect.Type) (datasource.ColumnType, convert) {
	switch t.Kind() {
	case reflect.String:
		return datasource.ColumnString, func(v reflect.Value) (any, error) { return v.String(), nil }
	case reflect.Bool:
		return datasource.ColumnBoolean, func(v reflect.Value) (any, error) { return v.Bool(), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return datasource.ColumnInteger, func(v reflect.Value) (any, error) { return v.Int(), nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return datasource.ColumnInteger, func(v reflect.Value) (any, error) { return v.Uint(), nil }
	case reflect.Float64:
		return datasource.ColumnNumber, func(v reflect.Value) (any, error) { return v.Float(), nil }
	case reflect.Float32: // its own digits, not those of its neighbour among the float64
		return datasource.ColumnNumber, func(v reflect.Value) (any, error) {
			return strconv.ParseFloat(strconv.FormatFloat(v.Float(), 'g', -1, 32), 64)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return datasource.ColumnBytes, unlessNil(func(v reflect.Value) (any, error) { return v.Bytes(), nil }, same)
		}
		kind, fn := listConverter(t)
		return kind, unlessNil(fn, same)
	case reflect.Array:
		return listConverter(t)
	case reflect.Map:
		return datasource.ColumnJSON, unlessNil(document, same)
	}
	return datasource.ColumnJSON, document
}

func listConverter(t reflect.Type) (datasource.ColumnType, convert) {
	kind, element := converterOf(t.Elem())
	if element == nil {
		return "", nil
	}
	if kind == datasource.ColumnJSON {
		return datasource.ColumnJSON, document
	}
	return datasource.ColumnArray, func(v reflect.Value) (any, error) {
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = element(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
}

func unlessNil(fn convert, inner func(reflect.Value) reflect.Value) convert {
	if fn == nil {
		return nil
	}
	return func(v reflect.Value) (any, error) {
		if v.IsNil() {
			return nil, nil
		}
		return fn(inner(v))
	}
}

func same(v reflect.Value) reflect.Value  { return v }
func itself(v reflect.Value) (any, error) { return v.Interface(), nil }
func rawJSON(v reflect.Value) (any, error) {
	if v.Len() == 0 {
		return nil, nil
	}
	return datasource.JSON(v.Bytes()), nil
}

// dynamic converts what an interface holds.
func dynamic(v reflect.Value) (any, error) {
	_, fn := converterOf(v.Type())
	if fn == nil {
		return nil, fmt.Errorf("a row holds a %s", v.Type())
	}
	return fn(v)
}

func document(v reflect.Value) (any, error) {
	b, err := json.Marshal(v.Interface())
	return datasource.JSON(b), err
}
