package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/problem"
)

// decoded reads the body of a request and checks it against the operation's
// schema, all of it, before huma turns it into a struct.
func (a *API) decoded(op *huma.Operation, next http.Handler) http.Handler {
	if safe(op.Method) || op.Method == http.MethodDelete && op.RequestBody == nil {
		return next
	}
	schema, required := bodySchema(op)
	declared := op.Metadata[declaration].(Operation)
	limit := declared.MaxBody
	if limit == 0 {
		limit = a.cfg.MaxBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := readBody(w, r, limit)
		if err == nil {
			err = a.checkBody(schema, required, body)
		}
		if err == nil {
			r, err = a.stillIdentified(declared, r, began)
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// bodySchema is what a body of the operation has to look like. One that takes
// none also takes an empty object, for clients that always send one.
func bodySchema(op *huma.Operation) (schema *huma.Schema, required bool) {
	if op.RequestBody == nil {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false}, false
	}
	return op.RequestBody.Content[jsonType].Schema, op.RequestBody.Required
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, problem.Newf(problem.TooLarge, "body_too_large", "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body_unreadable", "the body could not be read")
	}
	if len(body) > 0 && !isJSON(r.Header) {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_json", "the body must be application/json")
	}
	return body, nil
}

func isJSON(h http.Header) bool {
	given, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || given != jsonType || h.Get("Content-Encoding") != "" {
		return false
	}
	charset := params["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8")
}

func (a *API) checkBody(schema *huma.Schema, required bool, body []byte) error {
	if len(body) == 0 {
		if required {
			return invalid([]problem.Fault{{Message: "a JSON body is required"}})
		}
		return nil
	}
	var f problem.Faults
	value := parseStrict(body, &f)
	list := f.List()
	if value != nil || len(list) == 0 {
		list = append(list, a.schemaFaults(schema, value)...)
	}
	if len(list) > 0 {
		return invalid(list)
	}
	return nil
}

func (a *API) schemaFaults(schema *huma.Schema, value any) []problem.Fault {
	var res huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	registry := a.document.Components.Schemas
	checkCase(registry, schema, path, value, &res)
	huma.Validate(registry, schema, path, huma.ModeWriteToServer, value, &res)
	return faults(res.Errors)
}

// checkCase notes the keys that are a property's name but for upper and lower
// case. huma and encoding/json take them for that property, so that "Role"
// would slip past whoever looks for "role".
func checkCase(registry huma.Registry, schema *huma.Schema, path *huma.PathBuffer, value any, res *huma.ValidateResult) {
	for schema != nil && schema.Ref != "" {
		schema = registry.SchemaFromRef(schema.Ref)
	}
	if schema == nil {
		return
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			path.PushIndex(i)
			checkCase(registry, schema.Items, path, item, res)
			path.Pop()
		}
	case map[string]any:
		for key, member := range v {
			path.Push(key)
			property, exact := schema.Properties[key]
			if !exact {
				property, _ = schema.AdditionalProperties.(*huma.Schema)
				if resembles(key, schema.Properties) {
					res.Add(path, nil, "unexpected property")
				}
			}
			checkCase(registry, property, path, member, res)
			path.Pop()
		}
	}
}

func resembles(key string, properties map[string]*huma.Schema) bool {
	for name := range properties {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// errForm stands for whatever a type's own UnmarshalJSON says: it quotes.
var errForm = errors.New("does not have the expected form")

// unmarshal reads a body that [API.checkBody] has let pass. Numbers of free-form
// values stay as they were written, so that large integers keep their digits.
func unmarshal(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return errForm
	}
	return nil
}
