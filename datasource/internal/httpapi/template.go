package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// maxPointer is how many steps lead to the rows: each reads the rest of the answer.
const maxPointer = 32

// Request is how an operation describes a request. Its strings are templates,
// its names are fixed.
type Request struct {
	Method  string            `json:"method,omitempty"` // default GET
	Path    string            `json:"path,omitempty"`   // percent-encoded, appended to the base URL
	Query   map[string]string `json:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"` // a JSON document
	Form    map[string]string `json:"form,omitempty"` // instead of Body: application/x-www-form-urlencoded

	// OmitNull leaves the members of the body's objects out whose value is null, see
	// [WithoutNull].
	OmitNull bool `json:"omitNull,omitempty"`
}

// Template is a request with holes. It is immutable.
type Template struct {
	method   string
	path     template.Text
	query    []field
	headers  []field
	form     []field
	hasForm  bool           // it may have no fields
	body     *template.JSON // nil = none
	omitNull bool
}

type field struct {
	name  string
	value template.Text
}

// Parse reads the request and notes all that is wrong with it.
func (r Request) Parse(faults *problem.Faults) *Template {
	t := &Template{method: r.Method, hasForm: r.Form != nil, omitNull: r.OmitNull}
	if t.method == "" {
		t.method = http.MethodGet
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	faults.Check(slices.Contains(methods, t.method), "method", "must be GET, HEAD, POST, PUT, PATCH or DELETE")
	t.path = parsePath(r.Path, faults)
	t.query = parseFields(r.Query, "query", faults)
	t.headers = parseFields(r.Headers, "headers", faults)
	for name := range r.Headers {
		faults.Check(HeaderAllowed(name), "headers", "holds a header that cannot be set here; credentials belong to the datasource")
	}
	t.form = parseFields(r.Form, "form", faults)
	faults.Check(r.Form == nil || r.Body == nil, "form", "is not possible beside a body")
	faults.Check(r.Form == nil || t.Writes(), "form", "is not possible with GET and HEAD")
	if r.Body != nil {
		faults.Check(t.Writes(), "body", "is not possible with GET and HEAD")
		var err error
		t.body, err = template.ParseJSON(r.Body, "body")
		faults.Merge("", err)
	}
	return t
}

// ParsePointer reads a JSON pointer (RFC 6901) into its tokens.
func ParsePointer(pointer, path string, faults *problem.Faults) (tokens []string) {
	if pointer == "" {
		return nil
	}
	faults.Check(pointer[0] == '/', path, "must be empty or begin with /")
	faults.Check(strings.Count(pointer, "/") <= maxPointer, path, "must not have more than 32 steps")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, token := range strings.Split(pointer, "/")[1:] {
		tokens = append(tokens, unescape.Replace(token))
	}
	return tokens
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

func parseFields(in map[string]string, path string, faults *problem.Faults) []field {
	var fields []field
	for name, value := range in {
		faults.Check(name != "" && !strings.Contains(name, "{{"), path, "needs fixed names: a name cannot hold a placeholder")
		faults.Check(path == "form" || !strings.ContainsFunc(value, unicode.IsControl), path, "cannot hold line breaks and control characters")
		text, err := template.ParseText(value, path)
		faults.Merge("", err)
		faults.Check(!spreads(name) || path != "headers" && text.Lone() != "", path, "has a name that ends with [*]: its value must be one placeholder")
		fields = append(fields, field{name, text})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// Writes reports whether the method is one that can change something on the
// other side.
func (t *Template) Writes() bool { return t.method != http.MethodGet && t.method != http.MethodHead }

// Method is the method of the request.
func (t *Template) Method() string { return t.method }

// Placeholders lists the names of the holes, each once, in alphabetical order.
func (t *Template) Placeholders() []string {
	all := slices.Clone(t.path.Placeholders())
	for _, f := range slices.Concat(t.query, t.headers, t.form) {
		all = append(all, f.value.Placeholders()...)
	}
	if t.body != nil {
		all = append(all, t.body.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
