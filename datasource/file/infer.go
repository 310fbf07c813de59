package file

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// texts reads the values of cells that are written as text.
type texts struct{ comma bool } // 1,5 instead of 1.5

// candidates are the types that a column of texts may have, the narrowest first.
var candidates = []datasource.ColumnType{
	datasource.ColumnBoolean, datasource.ColumnInteger, datasource.ColumnNumber, datasource.ColumnDate, datasource.ColumnTimestamp,
}

// infer is the narrowest type that all texts of a column have. Numbers with a zero
// in front, with a plus sign or an exponent stay texts: they are codes more often.
func (x texts) infer(column int, sample [][]any) datasource.ColumnType {
	for _, t := range candidates {
		if x.all(column, sample, t) {
			return t
		}
	}
	return datasource.ColumnString
}

// all reports whether there are texts, and each is of the type.
func (x texts) all(column int, sample [][]any, t datasource.ColumnType) bool {
	seen := false
	for _, row := range sample {
		if column >= len(row) || row[column] == "" || row[column] == nil {
			continue
		}
		seen = true
		if _, ok := x.parse(row[column].(string), t, false); !ok {
			return false
		}
	}
	return seen
}

// parse reads a text as a type; declared takes forms that are not taken by
// themselves.
func (x texts) parse(s string, t datasource.ColumnType, declared bool) (any, bool) {
	if declared {
		s = strings.TrimSpace(s)
	}
	switch t {
	case datasource.ColumnBoolean:
		return parseBool(s, declared)
	case datasource.ColumnInteger:
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && (declared || plainNumber(s))
	case datasource.ColumnNumber:
		return x.parseNumber(s, declared)
	case datasource.ColumnDate:
		_, err := time.Parse(time.DateOnly, s)
		return datasource.Date(s), err == nil
	case datasource.ColumnTimestamp:
		if len(s) <= len(time.DateOnly) && !declared {
			return nil, false
		}
		return parseTime(s)
	}
	return s, true
}

func parseBool(s string, declared bool) (any, bool) {
	switch strings.ToLower(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	case "1", "yes":
		return true, declared
	case "0", "no":
		return false, declared
	}
	return nil, false
}

func (x texts) parseNumber(s string, declared bool) (any, bool) {
	if x.comma {
		if strings.Contains(s, ".") {
			return nil, false
		}
		s = strings.Replace(s, ",", ".", 1)
	}
	if !declared && !plainNumber(s) || strings.ContainsAny(s, "xXpP_iInN") {
		return nil, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, false
	}
	if digits(s) > floatDigits {
		return datasource.Decimal(s), true
	}
	return f, true
}

// plainNumber reports whether s is written like the numbers of programs: 0, -1.5.
func plainNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	return allDigits(whole) && (whole == "0" || whole[0] != '0') && (!point || allDigits(fraction))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// digits counts those that mean something.
func digits(s string) int {
	n := 0
	for _, c := range s {
		if c == 'e' || c == 'E' {
			break
		}
		if '0' <= c && c <= '9' && (n > 0 || c != '0') {
			n++
		}
	}
	return n
}
