package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemas are the reply schemas of the served document, read by another library
// than the one that wrote them.
type schemas struct {
	once sync.Once
	doc  document
	mu   sync.Mutex
	done map[string]*jsonschema.Resolved
}

type document struct {
	OpenAPI    string                                `json:"openapi"`
	Servers    []struct{ URL string }                `json:"servers"`
	Paths      map[string]map[string]documentedRoute `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

type documentedRoute struct {
	OperationID string `json:"operationId"`
	Summary     string `json:"summary"`
	Access      string `json:"x-access"`
	Permission  string `json:"x-permission"`
	Security    []map[string][]string
	Servers     []struct{ URL string }
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   json.RawMessage
	}
	RequestBody struct {
		Content map[string]struct{ Schema, Example json.RawMessage }
	}
	Responses map[string]struct {
		Description string
		Content     map[string]struct{ Schema json.RawMessage }
	}
}

func (w *world) document() document {
	w.t.Helper()
	w.schemas.once.Do(func() {
		w.schemas.done = map[string]*jsonschema.Resolved{}
		if err := json.Unmarshal(w.api.text, &w.schemas.doc); err != nil {
			w.t.Fatal(err)
		}
	})
	return w.schemas.doc
}

// resolve compiles a schema of the document together with the components.
func (w *world) resolve(schema json.RawMessage) *jsonschema.Resolved {
	w.t.Helper()
	doc := w.document()
	w.schemas.mu.Lock()
	defer w.schemas.mu.Unlock()
	if done := w.schemas.done[string(schema)]; done != nil {
		return done
	}
	text, err := json.Marshal(map[string]any{"$defs": doc.reached(schema), "allOf": []json.RawMessage{schema}})
	must(w.t, err)
	var s jsonschema.Schema
	text = []byte(strings.ReplaceAll(string(text), schemaPrefix, "#/$defs/"))
	must(w.t, json.Unmarshal(text, &s))
	resolved, err := s.Resolve(nil)
	if err != nil {
		w.t.Fatalf("schema %s: %v", schema, err)
	}
	w.schemas.done[string(schema)] = resolved
	return resolved
}

var reference = regexp.MustCompile(`"` + schemaPrefix + `([^"]+)"`)

// reached are the components that a schema refers to, directly or not.
func (d document) reached(schema json.RawMessage) map[string]json.RawMessage {
	found := map[string]json.RawMessage{}
	for open := []json.RawMessage{schema}; len(open) > 0; open = open[1:] {
		for _, ref := range reference.FindAllSubmatch(open[0], -1) {
			name := string(ref[1])
			if _, known := found[name]; !known {
				found[name] = d.Components.Schemas[name]
				open = append(open, found[name])
			}
		}
	}
	return found
}

// checkReply fails when a reply is not what the document says of its operation,
// or lacks what every reply has.
func (w *world) checkReply(r *http.Request, a *answer) {
	t := w.t
	t.Helper()
	checkHeaders(t, a)
	mediaType := a.Header.Get("Content-Type")
	if a.Status >= 400 && mediaType != problemType {
		t.Fatalf("%s: status %d comes as %q: %s", a.what, a.Status, mediaType, a.Body)
	}
	_, pattern := w.api.mux.Handler(r)
	if pattern == "" || r.Method == http.MethodHead {
		return
	}
	_, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimPrefix(strings.TrimPrefix(path, w.cfg.BasePath), apiPrefix)
	route, ok := w.document().Paths[path][strings.ToLower(r.Method)]
	if !ok {
		t.Fatalf("%s is not in the document as %s", a.what, path)
	}
	response, ok := route.Responses[strconv.Itoa(a.Status)]
	if !ok {
		if a.Status < 400 {
			t.Fatalf("%s: status %d is not in the document", a.what, a.Status)
		}
		response = route.Responses["default"]
	}
	if len(a.Body) == 0 {
		return
	}
	content, ok := response.Content[mediaType]
	if !ok {
		t.Fatalf("%s: %q of status %d is not in the document", a.what, mediaType, a.Status)
	}
	if content.Schema == nil {
		return
	}
	var body any
	a.into(&body)
	if err := w.resolve(content.Schema).Validate(body); err != nil {
		t.Fatalf("%s: the reply is not as documented: %v: %s", a.what, err, a.Body)
	}
}

func checkHeaders(t *testing.T, a *answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control":          "no-store",
		"Referrer-Policy":        "no-referrer",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := a.Header.Get(name); got != want {
			t.Fatalf("%s: %s is %q, want %q", a.what, name, got, want)
		}
	}
	if a.Header.Get("X-Request-Id") == "" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Fatalf("%s: headers are missing: %v", a.what, a.Header)
	}
}
