package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

const schemaPrefix = "#/components/schemas/"

// surface is huma with the choices that it makes by itself taken from it: bodies
// are JSON both ways, whatever the headers say.
type surface struct{ huma.API }

// Negotiate implements huma.API.
func (surface) Negotiate(string) (string, error) { return jsonType, nil }

// Unmarshal implements huma.API.
func (surface) Unmarshal(_ string, body []byte, into any) error { return unmarshal(body, into) }

// adapter puts huma's operations on our mux, behind our steps.
type adapter struct{ *API }

// Handle implements huma.Adapter.
func (a adapter) Handle(op *huma.Operation, handle func(huma.Context)) {
	declared := op.Metadata[declaration].(Operation)
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(humago.NewContext(op, r, w))
	})
	if declared.idempotent() {
		h = a.idempotent(declared, h)
	}
	h = a.buffered(a.identified(declared, a.decoded(op, h)))
	if stream := a.streams[declared.ID]; stream != nil {
		h = a.negotiated(h, a.identified(declared, a.decoded(op, stream)))
	}
	a.mux.Handle(op.Method+" "+a.cfg.BasePath+declared.URLPath(), h)
}

func (a *API) openSurface() {
	registry := huma.NewMapRegistry(schemaPrefix, schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	// The configuration of a node type is any JSON Schema.
	registry.RegisterTypeAlias(reflect.TypeFor[jsonschema.Schema](), reflect.TypeFor[map[string]any]())
	registry.RegisterTypeAlias(reflect.TypeFor[workflow.Duration](), reflect.TypeFor[duration]())
	registry.Schema(reflect.TypeFor[Problem](), true, "")
	format := huma.Format{Marshal: marshal}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "jetadmin", Version: a.cfg.Version, Description: "The control plane of this server, as HTTP."},
			Servers: []*huma.Server{{URL: a.cfg.BasePath + apiPrefix}},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: securitySchemes(),
			},
		},
		Formats:       map[string]huma.Format{jsonType: format, problemType: format},
		DefaultFormat: jsonType,
		Transformers:  []huma.Transformer{a.problems},
	}
	a.document = config.OpenAPI
	a.huma = surface{huma.NewAPI(config, adapter{a})}
}

// duration is [workflow.Duration] in the OpenAPI document.
type duration string

// Schema implements huma.SchemaProvider.
func (duration) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeString, Pattern: `^([-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)d|[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+))$`,
		PatternDescription: "a number and a unit, like 1.5s, 10m or 30d",
	}
	s.PrecomputeMessages()
	return s
}

func marshal(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // nosniff and the media type keep JSON from being read as HTML
	return e.Encode(v)
}

// schemaName names a type in the document by its package and itself, so that two
// packages may each have a Session: "AuthSession". A package does not repeat
// itself ("Datasource"), and a page is named after its items.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, arg, generic := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	if name == "" {
		return hint
	}
	if generic {
		return qualified(arg[:max(strings.LastIndex(arg, "."), 0)], arg[strings.LastIndex(arg, ".")+1:]) + name
	}
	return qualified(t.PkgPath(), name)
}

func qualified(pkg, name string) string {
	pkg = pkg[strings.LastIndex(pkg, "/")+1:]
	name = strings.ToUpper(name[:1]) + name[1:]
	switch pkg {
	case "", "api", "problem", "page", "time":
		return name
	}
	title := strings.ToUpper(pkg[:1]) + pkg[1:]
	if strings.HasPrefix(name, title) {
		return name
	}
	return title + name
}

// The names of the security schemes.
const (
	bearerScheme = "bearer"
	keyScheme    = "apiKey"
	cookieScheme = "session"
)

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		bearerScheme: {Type: "http", Scheme: "bearer", Description: "a session token, an API key, or a token that the host accepts"},
		keyScheme:    {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "an API key"},
		cookieScheme: {Type: "apiKey", In: "cookie", Name: auth.CookieName, Description: "the session cookie of a browser"},
	}
}

// credentials says that any one of the schemes will do.
func credentials() []map[string][]string {
	return []map[string][]string{{bearerScheme: {}}, {keyScheme: {}}, {cookieScheme: {}}}
}

func problemResponse(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: schemaPrefix + "Problem"}}},
	}
}

// finish closes the document: no operation is added behind it. It fails when
// one of them was not declared in full.
func (a *API) finish() error {
	for _, schema := range a.document.Components.Schemas.Map() {
		solidify(schema)
	}
	text, err := json.Marshal(a.document)
	a.text = text
	return errors.Join(append(a.faults, err)...)
}

// solidify takes back that every list may be null, which huma assumes because a
// nil slice is. None of ours is.
func solidify(schema *huma.Schema) {
	if schema == nil {
		return
	}
	if schema.Type == huma.TypeArray {
		schema.Nullable = false
	}
	solidify(schema.Items)
	for _, property := range schema.Properties {
		solidify(property)
	}
	if more, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		solidify(more)
	}
}
