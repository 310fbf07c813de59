package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// SQLOperation is the JSON schema of what [ParseStatement] reads.
func SQLOperation() json.RawMessage {
	return json.RawMessage(`{
	"type": "object",
	"properties": {
		"text": {"type": "string", "title": "SQL", "description": "One statement. {{ name }} is a bind parameter; a list becomes several: IN ({{ ids }}). [[ AND a = {{ a }} ]] is left out when a has no value."}
	},
	"required": ["text"],
	"additionalProperties": false
}`)
}

// ParseStatement reads the operation of an SQL connector: {"text": "SELECT …"}.
func ParseStatement(operation json.RawMessage, dialect Dialect) (*SQL, error) {
	var in struct {
		Text string `json:"text"`
	}
	if err := Strict(operation, &in); err != nil {
		return nil, err
	}
	return ParseSQL(in.Text, dialect)
}

// Strict decodes an operation into a struct and refuses whatever has no place
// there.
func Strict(operation json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(operation))
	d.DisallowUnknownFields()
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	if err == nil {
		return nil
	}
	var faults problem.Faults
	faults.Add(misfit(err))
	return problem.Of(faults.Err("operation_invalid", "the operation is not valid")).Because(err)
}

// misfit says where a document does not fit, and what belongs there.
func misfit(err error) (path, message string) {
	const otherwise = "does not fit the schema of the operation"
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if what := nounOf(t.Type); what != "" && text.OneLine(t.Field) {
			return problem.Below("", t.Field), "must be " + what
		}
		return "", otherwise
	}
	quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field ")
	name, bad := strconv.Unquote(quoted)
	if !ok || bad != nil || !text.OneLine(name) {
		return "", otherwise
	}
	return problem.Below("", name), "is not a field of this operation"
}

// nounOf names what JSON has for a Go type; "" when it has more than one.
func nounOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return ""
}
