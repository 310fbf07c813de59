package mysql

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

const (
	dateTime = "2006-01-02 15:04:05.999999"
	unsigned = "UNSIGNED "
)

// argument gives a parameter the form that keeps all of it: numbers that are not
// whole, days and times go as text, which the server reads by the type of its
// place. A time is written as the clock of the datasource's zone shows it, which in a
// zone with a name is not one moment in the hour that comes twice in autumn.
func argument(v any, loc *time.Location) any {
	switch v := v.(type) {
	case datasource.Date:
		return string(v)
	case time.Time:
		return v.In(loc).Format(dateTime)
	case json.RawMessage:
		return string(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		return v.String()
	}
	return v
}

// columnType says what value makes of a type of the driver's naming.
func columnType(name string) datasource.ColumnType {
	switch strings.TrimPrefix(name, unsigned) {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "BIT":
		return datasource.ColumnInteger
	case "FLOAT", "DOUBLE":
		return datasource.ColumnNumber
	case "DECIMAL":
		return datasource.ColumnDecimal
	case "DATE":
		return datasource.ColumnDate
	case "DATETIME", "TIMESTAMP":
		return datasource.ColumnTimestamp
	case "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY", "GEOMETRY", "VECTOR":
		return datasource.ColumnBytes
	case "JSON":
		return datasource.ColumnJSON
	case "", "NULL":
		return datasource.ColumnUnknown
	}
	return datasource.ColumnString
}

// value reads what the driver gives. What does not read as its type says (days and
// times with a zero in them) stays the text that the server sent.
func value(v any, column datasource.Column, loc *time.Location) any {
	switch v := v.(type) {
	case float32:
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64) // 0.1, not 0.10000000149
		return f
	case []byte:
		return text(v, column, loc)
	}
	return v
}

func text(b []byte, column datasource.Column, loc *time.Location) any {
	switch column.Type {
	case datasource.ColumnBytes:
		return b
	case datasource.ColumnInteger:
		return whole(b, column.DatabaseType)
	case datasource.ColumnDecimal:
		return datasource.Decimal(b)
	case datasource.ColumnJSON:
		return datasource.JSON(b)
	case datasource.ColumnDate:
		if _, err := time.Parse(time.DateOnly, string(b)); err == nil {
			return datasource.Date(b)
		}
	case datasource.ColumnTimestamp:
		if at, err := time.ParseInLocation(dateTime, string(b), loc); err == nil {
			return at.UTC()
		}
	}
	return string(b)
}

// whole reads a number that the driver gives as bytes: BIT as the server sends it,
// and what does not fit into an int64 as digits.
func whole(b []byte, databaseType string) any {
	if databaseType == "BIT" && len(b) <= 8 {
		var n uint64
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		return n
	}
	if n, err := strconv.ParseUint(string(b), 10, 64); err == nil {
		return n
	}
	return string(b)
}
