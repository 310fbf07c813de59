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
	Message    string          `json:"message"`
	Locations  json.RawMessage `json:"locations"`
	Extensions struct {
		Code json.RawMessage `json:"code"`
	} `json:"extensions"`
}

type location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// data is what an answer has in data. An answer with errors is refused as a
// whole: part of the data would look like all of it.
func (c *conn) data(answer *httpapi.Answer, text string) (json.RawMessage, error) {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	err := json.Unmarshal(answer.Body, &envelope)
	first, count := readFailures(envelope.Errors)
	switch {
	case count > 0:
		return nil, c.refusal(answer, first, count, text)
	case answer.Failed():
		return nil, c.api.Refusal(answer, "", answer.Code())
	case err != nil || envelope.Data == nil:
		return nil, problem.New(problem.Upstream, "answer_not_graphql", "the answer is not one of a GraphQL API").
			Fix("check the endpoint of the datasource").Because(err)
	}
	return envelope.Data, nil
}

// readFailures reads the first error and counts them. An odd member errors is one
// error: something is wrong.
func readFailures(raw json.RawMessage) (told failure, count int) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return failure{}, 0
	}
	var first json.RawMessage
	httpapi.Elements(raw, func(element json.RawMessage) bool {
		if count++; count == 1 {
			first = element
		}
		return true
	})
	if count == 0 || json.Unmarshal(first, &told) != nil {
		return failure{}, max(count, 1)
	}
	return told, count
}

// place is the first of the locations, if there is one.
func (f failure) place() (at location, ok bool) {
	if len(f.Locations) == 0 {
		return location{}, false
	}
	httpapi.Elements(f.Locations, func(element json.RawMessage) bool {
		ok = json.Unmarshal(element, &at) == nil
		return false
	})
	return at, ok
}

func (c *conn) refusal(answer *httpapi.Answer, first failure, count int, text string) error {
	words := first.Message
	if more := count - 1; more > 0 {
		words += " (and " + strconv.Itoa(more) + " more)"
	}
	var code string
	_ = json.Unmarshal(first.Extensions.Code, &code) // any other than a text is none
	if code == "" && answer.Failed() {
		code = answer.Code()
	}
	err := c.api.Refusal(answer, words, code)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
		if at, ok := first.place(); ok {
			refusal.Position = offset(text, at.Line, at.Column)
		}
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
