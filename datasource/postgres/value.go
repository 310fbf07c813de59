package postgres

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/jetadmin/jetadmin/datasource"
)

// text writes a parameter as the server reads it. Parameters go as text without
// a type, like quoted literals: the server gives each the type its place asks for.
func text(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return append([]byte{}, v...) // "" is not NULL
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case bool:
		return strconv.AppendBool(nil, v)
	case datasource.Date:
		return []byte(v)
	case time.Time:
		return v.UTC().AppendFormat(nil, "2006-01-02 15:04:05.999999Z07:00")
	case json.Number:
		return []byte(v)
	case json.RawMessage:
		return v
	}
	return nil
}

// columnType says what scalar makes of the values of a type.
func columnType(oid uint32) datasource.ColumnType {
	switch oid {
	case pgtype.BoolOID:
		return datasource.ColumnBoolean
	case pgtype.ByteaOID:
		return datasource.ColumnBytes
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return datasource.ColumnInteger
	case pgtype.Float4OID, pgtype.Float8OID:
		return datasource.ColumnNumber
	case pgtype.NumericOID:
		return datasource.ColumnDecimal
	case pgtype.DateOID:
		return datasource.ColumnDate
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		return datasource.ColumnTimestamp
	case pgtype.JSONOID, pgtype.JSONBOID:
		return datasource.ColumnJSON
	case pgtype.UUIDOID:
		return datasource.ColumnUUID
	}
	return datasource.ColumnString
}

// scalar reads the text form of a value. What does not read as its type says
// (infinity, years before 1) stays the text that the server sent.
func scalar(t datasource.ColumnType, s string) any {
	switch t {
	case datasource.ColumnBoolean:
		return s == "t"
	case datasource.ColumnBytes:
		if b, err := hex.DecodeString(strings.TrimPrefix(s, `\x`)); err == nil {
			return b
		}
	case datasource.ColumnInteger:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case datasource.ColumnNumber:
		if f, err := strconv.ParseFloat(s, 64); err == nil || math.IsInf(f, 0) {
			return f
		}
	case datasource.ColumnDecimal:
		return datasource.Decimal(s)
	case datasource.ColumnDate:
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return datasource.Date(s)
		}
	case datasource.ColumnTimestamp:
		for _, layout := range []string{"2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC()
			}
		}
	case datasource.ColumnJSON:
		return datasource.JSON(s)
	}
	return s
}

// list reads the text form of an array as lists in lists.
func list(types *pgtype.Map, oid, element uint32, raw []byte) any {
	var array pgtype.Array[*string]
	if err := types.Scan(oid, pgtype.TextFormatCode, raw, &array); err != nil {
		return string(raw)
	}
	flat := make([]any, len(array.Elements))
	for i, s := range array.Elements {
		if s != nil {
			flat[i] = scalar(columnType(element), *s)
		}
	}
	for i := len(array.Dims) - 1; i > 0; i-- {
		n := int(array.Dims[i].Length)
		var nested []any
		for ; n > 0 && len(flat) >= n; flat = flat[n:] {
			nested = append(nested, flat[:n:n])
		}
		flat = nested
	}
	return flat
}
