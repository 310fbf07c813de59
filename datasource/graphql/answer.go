package graphql

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// failure is an error as an answer tells it.
type failure struct {
	Message   string `json:"message"`
	Locations []struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	} `json:"locations"`
	Extensions struct {
		Code any `json:"code"`
	} `json:"extensions"`
}

// data is what an answer has in data. An answer with errors is refused as a
// whole: part of the data would look like all of it.
func (c *conn) data(answer *httpapi.Answer, text string) (json.RawMessage, error) {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	err := json.Unmarshal(answer.Body, &envelope)
	failures := readFailures(envelope.Errors)
	switch {
	case len(failures) > 0:
		return nil, c.refusal(answer, failures, text)
	case answer.Failed():
		return nil, c.api.Refusal(answer, "", answer.Code())
	case err != nil || envelope.Data == nil:
		return nil, problem.New(problem.Upstream, "answer_not_graphql", "the answer is not one of a GraphQL API").
			Fix("check the endpoint of the datasource").Because(err)
	}
	return envelope.Data, nil
}

// readFailures takes an odd member errors for one error: something is wrong.
func readFailures(raw json.RawMessage) (failures []failure) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return nil
	}
	if err := json.Unmarshal(raw, &failures); err != nil || len(failures) == 0 {
		return []failure{{}}
	}
	return failures
}

func (c *conn) refusal(answer *httpapi.Answer, failures []failure, text string) error {
	first := failures[0]
	words := first.Message
	if more := len(failures) - 1; more > 0 {
		words += " (and " + strconv.Itoa(more) + " more)"
	}
	code, _ := first.Extensions.Code.(string)
	if code == "" && answer.Failed() {
		code = answer.Code()
	}
	err := c.api.Refusal(answer, words, code)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); ok && len(first.Locations) > 0 {
		refusal.Position = offset(text, first.Locations[0].Line, first.Locations[0].Column)
	}
	return err
}

// offset is where a line and a column are, in bytes; -1 = nowhere.
func offset(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
	}
	end := len(text)
	if next := strings.IndexByte(text[at:], '\n'); next >= 0 {
		end = at + next
	}
	for i := range text[at:end] {
		if column--; column == 0 {
			return at + i
		}
	}
	return -1
}

// rows are at a pointer inside of data. null on the way there says that there are
// none: that is how GraphQL answers for an object that does not exist.
func rows(data json.RawMessage, pointer []string, maxRows int) (datasource.Rows, error) {
	for len(pointer) > 0 && string(data) != "null" {
		below, ok := httpapi.Find(data, pointer[:1])
		if !ok {
			break
		}
		data, pointer = below, pointer[1:]
	}
	if string(data) == "null" {
		return datasource.BufferedRows(nil, nil), nil
	}
	return httpapi.Rows(data, pointer, maxRows)
}

// publicly makes a refusal one that everybody may see, for a connection test.
func publicly(err error) error {
	if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
		return problem.New(problem.Upstream, "ping_refused", "the API refused the query { __typename }").
			Fix("check the endpoint and the authentication of the datasource").Because(refusal)
	}
	return err
}
