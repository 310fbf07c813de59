package datasource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const maxDigits = 400 // of a number: more than any database keeps

// maxListFaults is how many elements of a list are told of, one by one.
const maxListFaults = 10

// value gives v the type of the parameter. What is wrong is told at path, of a list
// at its elements: "params.ids.3".
func (r rule) value(v any, path string, faults *problem.Faults) any {
	if !r.list {
		value, message := r.one(v)
		faults.Check(message == "", path, message)
		return value
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || list.Type().Elem().Kind() == reflect.Uint8 {
		faults.Add(path, "must be a list")
		return nil
	}
	if list.Len() > MaxListElements {
		faults.Addf(path, "must not have more than %d elements", MaxListElements)
		return nil
	}
	out := make([]any, list.Len())
	wrong := 0
	for i := range out {
		value, message := r.one(list.Index(i).Interface())
		out[i] = value
		if message != "" {
			if wrong++; wrong <= maxListFaults {
				faults.Add(path+"."+strconv.Itoa(i), message)
			}
		}
	}
	if wrong > maxListFaults {
		faults.Addf(path, "has %d more elements that are wrong", wrong-maxListFaults)
	}
	return out
}

func (r rule) one(v any) (any, string) {
	value, message := coerce(r.element, v)
	if message != "" {
		return nil, message
	}
	switch value := value.(type) {
	case string:
		if r.MaxLength > 0 && utf8.RuneCountInString(value) > r.MaxLength {
			return nil, fmt.Sprintf("must not be longer than %d characters", r.MaxLength)
		}
		if r.pattern != nil && !r.pattern.MatchString(value) {
			return nil, "must match the pattern"
		}
	case int64:
		message = r.bounds(new(big.Float).SetInt64(value))
	case json.Number:
		f, _, err := big.ParseFloat(value.String(), 10, 256, big.ToNearestEven)
		if err != nil {
			return nil, "must be a number"
		}
		message = r.bounds(f)
	}
	if message == "" && len(r.enum) > 0 && !slices.Contains(r.enum, value) {
		message = "must be one of the listed values"
	}
	return value, message
}

func (r rule) bounds(n *big.Float) string {
	if r.Min != nil && n.Cmp(big.NewFloat(*r.Min)) < 0 {
		return "must be at least " + strconv.FormatFloat(*r.Min, 'g', -1, 64)
	}
	if r.Max != nil && n.Cmp(big.NewFloat(*r.Max)) > 0 {
		return "must be at most " + strconv.FormatFloat(*r.Max, 'g', -1, 64)
	}
	return ""
}

// coerce reads a value as JSON decoders and Go callers give it.
func coerce(t ParamType, v any) (any, string) {
	switch t {
	case ParamInteger:
		if s, ok := v.(string); ok {
			n, err := strconv.ParseInt(s, 10, 64)
			return n, unless(err == nil, "must be a whole number of 64 bits")
		}
		n, ok := wholeNumber(v)
		return n, unless(ok, "must be a whole number of 64 bits")
	case ParamNumber:
		n, ok := number(v)
		return n, unless(ok, "must be a number")
	case ParamBoolean:
		b, ok := v.(bool)
		return b, unless(ok, "must be true or false")
	case ParamTimestamp:
		return timestamp(v)
	case ParamJSON:
		return document(v)
	case ParamDate:
		if d, ok := v.(Date); ok {
			v = string(d)
		}
	}
	s, ok := v.(string)
	if !ok {
		return nil, "must be a string"
	}
	switch t {
	case ParamIdentifier:
		return template.Identifier(s), unless(template.ValidIdentifier(s), "must be a name")
	case ParamDirection:
		return direction(s)
	case ParamDate:
		_, err := time.Parse(time.DateOnly, s)
		return Date(s), unless(err == nil, "must be a date like 2006-01-02")
	case ParamUUID:
		u, err := uuid.Parse(s)
		return u.String(), unless(err == nil && len(s) == 36, "must be a UUID")
	}
	switch {
	case len(s) > MaxValueLength:
		return nil, fmt.Sprintf("must not be longer than %d bytes", MaxValueLength)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return nil, "must be UTF-8 without NUL"
	}
	return s, ""
}

func direction(s string) (any, string) {
	d := template.Direction(strings.ToUpper(s))
	return d, unless(d == template.Ascending || d == template.Descending, "must be asc or desc")
}

func unless(ok bool, message string) string {
	if ok {
		return ""
	}
	return message
}

func number(v any) (json.Number, bool) {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		s = strconv.FormatFloat(v, 'g', -1, 64)
	case float32:
		return number(float64(v))
	default:
		n, ok := wholeNumber(v)
		return json.Number(strconv.FormatInt(n, 10)), ok
	}
	return json.Number(s), isNumber(s)
}

// isNumber accepts exactly the numbers of JSON, of a size that is one.
func isNumber(s string) bool {
	if s == "" || len(s) > maxDigits || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
		return false
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && !math.IsInf(f, 0)
}

func timestamp(v any) (any, string) {
	const message = "must be a time like 2006-01-02T15:04:05Z"
	t, ok := v.(time.Time)
	if s, isString := v.(string); isString {
		var err error
		t, err = time.Parse(time.RFC3339Nano, s)
		ok = err == nil
	}
	if !ok || t.Year() < 1 || t.Year() > 9999 {
		return nil, message
	}
	return t.UTC().Truncate(time.Microsecond), ""
}

func document(v any) (any, string) {
	b, err := json.Marshal(v)
	switch {
	case err != nil:
		return nil, "must be a JSON value"
	case len(b) > MaxValueLength:
		return nil, fmt.Sprintf("must not be longer than %d bytes", MaxValueLength)
	case bytes.Contains(b, []byte(`\u0000`)):
		return nil, "must not contain NUL"
	}
	return json.RawMessage(b), ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
