package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

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
	faults.Add("", "does not fit the schema of the operation")
	return problem.Of(faults.Err("operation_invalid", "the operation is not valid")).Because(err)
}
