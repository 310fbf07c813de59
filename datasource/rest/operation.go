package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const operationSchema = `{
	"type": "object",
	"properties": {
		"method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "default": "GET", "description": "Others than GET and HEAD need a query that is marked as writing."},
		"path": {"type": "string", "description": "Appended to the base URL. {{ name }} fills one segment or a part of it."},
		"query": {"type": "object", "additionalProperties": {"type": "string"}, "description": "A list repeats its key; null leaves it out."},
		"headers": {"type": "object", "additionalProperties": {"type": "string"}},
		"body": {"description": "A JSON document. A string that is one {{ name }} takes the value with its type."},
		"rows": {"type": "string", "description": "JSON pointer (RFC 6901) to the rows in the answer; empty = the whole answer."}
	},
	"additionalProperties": false
}`

// maxPointer is how many steps lead to the rows: each reads the rest of the answer.
const maxPointer = 32

// operation is a request with holes.
type operation struct {
	method  string
	path    template.Text
	query   []field
	headers []field
	body    *template.JSON // nil = none
	rows    []string       // the tokens of the JSON pointer
}

type field struct {
	name  string
	value template.Text
}

func (connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Query   map[string]string `json:"query"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
		Rows    string            `json:"rows"`
	}
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	op := &operation{method: in.Method}
	if op.method == "" {
		op.method = http.MethodGet
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	faults.Check(slices.Contains(methods, op.method), "method", "must be GET, HEAD, POST, PUT, PATCH or DELETE")
	op.path = parsePath(in.Path, &faults)
	op.query = parseFields(in.Query, "query", &faults)
	op.headers = parseFields(in.Headers, "headers", &faults)
	for name := range in.Headers {
		faults.Check(headerAllowed(name), "headers", "holds a header that cannot be set here; credentials belong to the datasource")
	}
	if in.Body != nil {
		faults.Check(op.Writes(), "body", "is not possible with GET and HEAD")
		var err error
		op.body, err = template.ParseJSON(in.Body, "body")
		faults.Merge("", err)
	}
	if in.Rows != "" {
		faults.Check(in.Rows[0] == '/', "rows", "must be empty or begin with /")
		unescape := strings.NewReplacer("~1", "/", "~0", "~")
		for _, token := range strings.Split(in.Rows, "/")[1:] {
			op.rows = append(op.rows, unescape.Replace(token))
		}
		faults.Check(len(op.rows) <= maxPointer, "rows", "must not have more than 32 steps")
	}
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}

// parsePath takes a path as it stands in a URL, percent-encoding included.
func parsePath(path string, faults *problem.Faults) template.Text {
	text, err := template.ParseText(path, "path")
	if err != nil {
		faults.Merge("", err)
		return text
	}
	literal, _ := text.Expand(func(string) any { return nil }, nil, func(string, any) (string, error) { return "x", nil })
	u, err := url.Parse("http://host/" + strings.TrimPrefix(literal, "/"))
	// A path that a URL would write otherwise is refused: it would be decoded and
	// encoded again, and with it the "/" inside of a value.
	faults.Check(err == nil && u.Host == "host" && u.EscapedPath() == "/"+strings.TrimPrefix(literal, "/") && plainSegments(literal),
		"path", `must be a percent-encoded path without "?", "#" and ".." (query parameters belong to query)`)
	return text
}

// plainSegments reports whether no segment, decoded, leads elsewhere.
func plainSegments(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || decoded == "." || decoded == ".." {
			return false
		}
	}
	return true
}

func parseFields(in map[string]string, path string, faults *problem.Faults) []field {
	var fields []field
	for name, value := range in {
		faults.Check(name != "" && !strings.Contains(name, "{{"), path, "needs fixed names: a name cannot hold a placeholder")
		faults.Check(!strings.ContainsFunc(value, unicode.IsControl), path, "cannot hold line breaks and control characters")
		text, err := template.ParseText(value, path)
		faults.Merge("", err)
		fields = append(fields, field{name, text})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// Writes reports whether the request can change something on the other side.
func (o *operation) Writes() bool { return o.method != http.MethodGet && o.method != http.MethodHead }

// Placeholders lists the parameters of the request.
func (o *operation) Placeholders() []string {
	all := slices.Clone(o.path.Placeholders())
	for _, f := range slices.Concat(o.query, o.headers) {
		all = append(all, f.value.Placeholders()...)
	}
	if o.body != nil {
		all = append(all, o.body.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
