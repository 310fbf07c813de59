package openapi

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
)

const (
	maxSuggestions = 1000
	maxOutput      = 4 << 20 // about what all of them may have, in bytes
	maxName        = 100
)

var errTooMany = errors.New("it has more than 100 parameters")

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// reader makes suggestions out of a document.
type reader struct {
	*document
	out   datasource.Import
	names names
	size  int // of out, about
}

func (r *reader) paths(paths map[string]any) {
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, err := r.object(paths[path])
		if err != nil {
			if r.full() {
				return
			}
			r.skip(path, err)
			continue
		}
		for _, method := range methods {
			op := object(item[strings.ToLower(method)])
			if op == nil {
				continue
			}
			if r.full() {
				return
			}
			r.add(method, path, item, op)
		}
	}
}

// full reports whether what comes next is left out, and tells it.
func (r *reader) full() bool {
	full := len(r.out.Suggestions)+len(r.out.Skipped) >= maxSuggestions || r.size > maxOutput || r.work <= 0
	r.out.Truncated = r.out.Truncated || full
	return full
}

// request is an operation of the connector "rest".
type request struct {
	httpapi.Request
	Rows string `json:"rows,omitempty"`
}

func (r *reader) add(method, path string, item, op map[string]any) {
	name := str(op["operationId"])
	if name == "" {
		name = method + " " + path
	}
	name = r.names.take(line(name, maxName-5), " ")
	b := builder{params: params{document: r.document, names: names{}}, request: request{Request: httpapi.Request{Method: method}}}
	operation, err := b.build(path, item, op)
	if err != nil {
		r.skip(name, err)
		return
	}
	declared, err := json.Marshal(b.list)
	if err != nil {
		r.skip(name, errors.New("it has rules that are no JSON"))
		return
	}
	r.size += len(operation) + len(declared)
	words := str(op["summary"])
	if words == "" {
		words = str(op["description"])
	}
	r.out.Suggestions = append(r.out.Suggestions, datasource.Suggestion{
		Name: name, Description: line(words, maxDescription), Operation: operation, Params: b.list,
		Writes: method != http.MethodGet && method != http.MethodHead,
	})
}

func (r *reader) skip(name string, err error) {
	r.out.Skipped = append(r.out.Skipped, datasource.Skipped{Name: line(name, maxName), Reason: err.Error()})
}

// builder makes one operation.
type builder struct {
	params
	request request
}

func (b *builder) build(path string, item, op map[string]any) (json.RawMessage, error) {
	if item["servers"] != nil || op["servers"] != nil {
		return nil, errors.New("it has a server of its own")
	}
	declared, err := b.declared(item, op)
	if err != nil {
		return nil, err
	}
	if err := b.path(path, declared); err != nil {
		return nil, err
	}
	for _, p := range declared {
		if err := b.parameter(p); err != nil {
			return nil, err
		}
	}
	if err := b.body(op["requestBody"]); err != nil {
		return nil, err
	}
	if b.request.Method == http.MethodGet && !strings.HasSuffix(path, "}") {
		b.request.Rows = b.rows(object(op["responses"]))
	}
	return json.Marshal(b.request)
}

// declared lists the parameters of the path and of the operation, which win.
func (b *builder) declared(item, op map[string]any) (all []map[string]any, err error) {
	for _, v := range slices.Concat(list(item["parameters"]), list(op["parameters"])) {
		if !b.spend(len(all)) {
			return nil, errEndless
		}
		p, err := b.object(v)
		if err != nil {
			return nil, err
		}
		same := func(q map[string]any) bool { return str(q["name"]) == str(p["name"]) && str(q["in"]) == str(p["in"]) }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i] = p
			continue
		}
		if all = append(all, p); len(all) > datasource.MaxParams {
			return nil, errTooMany
		}
	}
	return all, nil
}

// path writes "/users/{id}" as a template.
func (b *builder) path(path string, declared []map[string]any) error {
	var out strings.Builder
	for rest := path; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		out.WriteString((&url.URL{Path: literal}).EscapedPath())
		if !found {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return errors.New("its path has an opening brace without a closing one")
		}
		p := map[string]any{}
		if i := slices.IndexFunc(declared, func(p map[string]any) bool { return str(p["name"]) == name && str(p["in"]) == "path" }); i >= 0 {
			p = declared[i]
		}
		if len(b.list) == datasource.MaxParams {
			return errTooMany
		}
		placeholder, err := b.segment(name, p)
		if err != nil {
			return err
		}
		out.WriteString(placeholder)
		rest = after
	}
	b.request.Path = out.String()
	return nil
}

// segment is a text unless it is a single value of another type.
func (b *builder) segment(name string, p map[string]any) (string, error) {
	s, err := b.schema(p["schema"])
	if err != nil {
		return "", err
	}
	if paramType(s) == datasource.ParamJSON {
		return b.text(name, str(p["description"]), true), nil
	}
	return b.add(name, str(p["description"]), s, true)
}

// parameter writes one of the query or of the headers.
func (b *builder) parameter(p map[string]any) error {
	name, in, required := str(p["name"]), str(p["in"]), isTrue(p["required"])
	switch in {
	case "query":
		return b.query(name, p, required)
	case "header":
		switch strings.ToLower(name) {
		case "accept", "content-type", "authorization": // by the specification these say nothing
			return nil
		}
		if !httpapi.HeaderAllowed(name) {
			return optional(required, "it needs the header "+line(name, 40)+", which a query cannot set")
		}
		placeholder, err := b.value(name, p, required)
		b.request.Headers = with(b.request.Headers, name, placeholder)
		return err
	case "cookie":
		return optional(required, "it needs a cookie")
	}
	return nil
}

func optional(required bool, reason string) error {
	if required {
		return errors.New(reason)
	}
	return nil
}

func (b *builder) query(name string, p map[string]any, required bool) error {
	s, err := b.schema(p["schema"])
	if err != nil {
		return err
	}
	explode, set := p["explode"].(bool)
	style := str(p["style"])
	var placeholder string
	key := name
	switch {
	case kind(s) == "array" && (set && !explode || style == "spaceDelimited" || style == "pipeDelimited"):
		separated := map[string]string{"spaceDelimited": "separated by spaces", "pipeDelimited": "separated by |"}[style]
		if separated == "" {
			separated = "separated by commas"
		}
		placeholder = b.text(name, strings.TrimSpace(str(p["description"])+" ("+separated+")"), required)
	case style == "deepObject":
		key = name + "[*]"
		placeholder, err = b.value(name, p, required)
	default:
		placeholder, err = b.value(name, p, required)
	}
	b.request.Query = with(b.request.Query, key, placeholder)
	return err
}

// value declares a parameter by its schema, or by its content, which is JSON.
func (b *builder) value(name string, p map[string]any, required bool) (string, error) {
	return b.add(name, str(p["description"]), p["schema"], required)
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// rows points to the list in the answer of a collection, when there is exactly one.
func (b *builder) rows(responses map[string]any) string {
	for _, status := range []string{"200", "201", "2XX", "2xx", "default"} {
		response, err := b.object(responses[status])
		if err != nil || response == nil {
			continue
		}
		content := object(response["content"])
		if !b.spend(len(content)) {
			return ""
		}
		_, media := jsonContent(content)
		s, err := b.schema(media["schema"])
		if err != nil || kind(s) != "object" {
			return ""
		}
		return b.onlyList(object(s["properties"]))
	}
	return ""
}

func (b *builder) onlyList(properties map[string]any) (pointer string) {
	if len(properties) > maxBodyParts {
		return ""
	}
	for name, v := range properties {
		if s, err := b.schema(v); err != nil || kind(s) != "array" {
			continue
		}
		if pointer != "" {
			return ""
		}
		pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return pointer
}
