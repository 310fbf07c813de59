package service

import (
	"encoding/json"
	"strings"

	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// failure is a [Failure] that is ready to be looked for.
type failure struct {
	unless  []string
	always  bool // no unless
	message [][]string
	code    [][]string
}

func newFailure(in Failure, faults *problem.Faults) failure {
	pointers := func(list []string, path string) (out [][]string) {
		for _, p := range list {
			out = append(out, httpapi.ParsePointer(p, path, faults))
		}
		return out
	}
	return failure{
		unless: httpapi.ParsePointer(in.Unless, "failure.unless", faults), always: in.Unless == "",
		message: pointers(in.Message, "failure.message"), code: pointers(in.Code, "failure.code"),
	}
}

// of is nil for an answer that says yes.
func (f failure) of(api *httpapi.API, answer *httpapi.Answer) error {
	document := answer.Body
	if !json.Valid(document) {
		document = nil
	}
	if !answer.Failed() && (f.always || f.agreed(document)) {
		return nil
	}
	code := told(document, f.code)
	if code == "" && answer.Failed() {
		code = answer.Code()
	}
	return api.Refusal(answer, told(document, f.message), code)
}

func (f failure) agreed(document json.RawMessage) bool {
	v, ok := find(document, f.unless)
	return ok && string(v) == "true"
}

func find(document json.RawMessage, pointer []string) (json.RawMessage, bool) {
	if len(document) == 0 {
		return nil, false
	}
	return httpapi.Find(document, pointer)
}

// told is what the first of the pointers that leads to something leads to.
func told(document json.RawMessage, pointers [][]string) string {
	for _, p := range pointers {
		if v, ok := find(document, p); ok {
			if text := words(v); text != "" {
				return text
			}
		}
	}
	return ""
}

// words are a text, a number, or the first of several.
func words(v json.RawMessage) string {
	d := json.NewDecoder(strings.NewReader(string(v)))
	d.UseNumber()
	for name := ""; ; {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		switch t := token.(type) {
		case json.Delim:
			if t != '{' {
				continue
			}
			key, err := d.Token()
			if name, _ = key.(string); err != nil || name == "" {
				return ""
			}
			name += ": "
		case string:
			return name + t
		case json.Number:
			return name + t.String()
		default:
			return ""
		}
	}
}
