package datasource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// checked holds a connector to the contract of [Rows]: a row that is wider or narrower
// than the columns, and a value of a type that has no JSON, end the reading instead of
// coming out as something else. Go's other numbers and texts become those of the
// contract.
type checked struct {
	Rows
	columns []Column // once they were asked for
}

// uncheckedOf are the rows of the connector itself.
func uncheckedOf(rows Rows) Rows {
	if c, ok := rows.(*checked); ok {
		return c.Rows
	}
	return rows
}

func (c *checked) Next() ([]any, error) {
	row, err := c.Rows.Next()
	if err != nil {
		return row, err
	}
	if c.columns == nil {
		c.columns = c.Columns()
	}
	if len(row) != len(c.columns) {
		return nil, outside("the connector gave a row of %d values for %d columns", len(row), len(c.columns))
	}
	own := false
	for i, v := range row {
		if contracted(v) {
			continue
		}
		if !own { // the slice may be somebody else's
			row, own = append([]any(nil), row...), true
		}
		if row[i], err = toContract(v); err != nil {
			return nil, outside("column %q: %w", c.columns[i].Name, err)
		}
	}
	return row, nil
}

// outside is a fault of the connector, which the datasource itself answers for: it was
// reached.
func outside(format string, args ...any) error {
	cause := fmt.Errorf(format, args...)
	return &StatementError{Message: cause.Error(), Position: -1, Cause: cause, Remedy: "correct the connector"}
}

// contracted reports whether a value is of a type of the contract, without what lists and
// objects hold.
func contracted(v any) bool {
	switch v.(type) {
	case nil, bool, int64, uint64, float64, string, []byte, time.Time, Date, Decimal, JSON, json.Number:
		return true
	}
	return false
}

func toContract(v any) (any, error) {
	switch v := v.(type) {
	case json.RawMessage:
		return JSON(v), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if err := into(&out[i], v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key := range v {
			var value any
			if err := into(&value, v[key]); err != nil {
				return nil, err
			}
			out[key] = value
		}
		return out, nil
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return r.Int(), nil
	case r.CanUint():
		return r.Uint(), nil
	case r.CanFloat():
		return r.Float(), nil
	case r.Kind() == reflect.String:
		return r.String(), nil
	case r.Kind() == reflect.Bool:
		return r.Bool(), nil
	}
	return nil, fmt.Errorf("the connector gave a %T, which Rows does not allow: make it a text, a number, JSON or a list of those", v)
}

func into(place *any, v any) (err error) {
	if *place = v; !contracted(v) {
		*place, err = toContract(v)
	}
	return err
}
