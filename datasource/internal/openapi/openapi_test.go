package openapi_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/openapi"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/problem"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shown is a suggestion as one line for each part.
func shown(t *testing.T, s datasource.Suggestion) string {
	t.Helper()
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s: %s; writes %v\n%s\n", s.Name, s.Description, s.Writes, s.Operation)
	for _, p := range s.Params {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// usable reports whether a suggestion can be saved as it is.
func usable(t testing.TB, s datasource.Suggestion) {
	t.Helper()
	op, err := rest.Connector().Parse(s.Operation)
	if err != nil {
		t.Errorf("%s: %s: %v", s.Name, s.Operation, err)
		return
	}
	if _, err := datasource.NewRules(s.Params, op.Placeholders()); err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	if w := op.(interface{ Writes() bool }).Writes(); w != s.Writes {
		t.Errorf("%s: writes %v, the suggestion says %v", s.Name, w, s.Writes)
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"shop.yaml", "notes.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := openapi.Read(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			_, _ = fmt.Fprintf(&got, "%s (%s)\n", in.Title, in.BaseURL)
			for _, s := range in.Suggestions {
				usable(t, s)
				_, _ = fmt.Fprintf(&got, "\n%s", shown(t, s))
			}
			for _, s := range in.Skipped {
				_, _ = fmt.Fprintf(&got, "\nskipped %s: %s", s.Name, s.Reason)
			}
			want := string(read(t, strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".json")+".txt"))
			if strings.TrimSpace(got.String()) != strings.TrimSpace(want) {
				t.Errorf("got\n%s", got.String())
			}
		})
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	bomb := "openapi: 3.0.0\nx0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("x%d: &x%d [%s*x%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*x%d,", i), 9), i)
	}
	fan := `{"openapi": "3.0.0", "paths": {`
	for i := range 900 {
		fan += fmt.Sprintf(`"/%d": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/x/s0"}}]}},`, i)
	}
	fan += `"/x": {}}, "x": {`
	for i := range 12 {
		one := fmt.Sprintf(`{"$ref": "#/x/s%d"}`, i+1)
		fan += fmt.Sprintf(`"s%d": {"allOf": [%s%s]},`, i, strings.Repeat(one+",", 7), one)
	}
	fan += `"s12": {"type": "object", "properties": {"a": {}, "b": {}}}}}`
	for name, c := range map[string]struct {
		text string
		kind problem.Kind
	}{
		"nothing":          {"", problem.Invalid},
		"a list":           {"[1]", problem.Invalid},
		"a text":           {"hello", problem.Invalid},
		"no YAML":          {"a: [", problem.Invalid},
		"Swagger 2":        {`{"swagger": "2.0", "paths": {}}`, problem.Invalid},
		"a later version":  {`{"openapi": "4.0.0"}`, problem.Invalid},
		"too large":        {`{"openapi": "3.0.0", "x": "` + strings.Repeat("x", 8<<20) + `"}`, problem.TooLarge},
		"too large YAML":   {"openapi: 3.0.0\nx: " + strings.Repeat("x", 4<<20), problem.TooLarge},
		"too many parts":   {`{"openapi": "3.0.0", "x": [` + strings.Repeat("1,", 600_000) + `1]}`, problem.TooLarge},
		"many YAML parts":  {"openapi: 3.0.0\nx: [" + strings.Repeat("1,", 600_000) + "1]", problem.TooLarge},
		"too deep":         {`{"openapi": "3.0.0", "x": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, problem.TooLarge},
		"too deep YAML":    {"openapi: 3.0.0\nx: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), problem.TooLarge},
		"an alias bomb":    {bomb, problem.TooLarge},
		"a circular alias": {"openapi: 3.0.0\nx: &x [*x, *x]", problem.Invalid},
		"a schema bomb":    {fan, problem.Invalid},
	} {
		started := time.Now()
		_, err := openapi.Read([]byte(c.text))
		if !problem.Is(err, c.kind) && !(name == "a circular alias" && problem.Is(err, problem.TooLarge)) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(started); took > time.Minute {
			t.Errorf("%s: %s", name, took)
		}
	}
}

// References that lead to themselves end, and what they belong to is left out.
func TestCircularReferences(t *testing.T) {
	t.Parallel()
	in, err := openapi.Read([]byte(`{"openapi": "3.0.0", "paths": {
		"/a": {"get": {"parameters": [{"$ref": "#/x/loop"}]}},
		"/b": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/x/self"}}]}},
		"/c": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/x/tree"}}}}}},
		"/d": {"$ref": "#/paths/~1d"}
	}, "x": {"loop": {"$ref": "#/x/pool"}, "pool": {"$ref": "#/x/loop"}, "self": {"allOf": [{"$ref": "#/x/self"}]},
		"tree": {"type": "object", "required": ["left"], "properties": {"left": {"$ref": "#/x/tree"}, "right": {"$ref": "#/x/tree"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Suggestions) != 2 || len(in.Skipped) != 2 {
		t.Fatalf("got %+v", in)
	}
	for _, s := range in.Suggestions {
		usable(t, s)
	}
}

func TestTheNumberOfSuggestionsIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"openapi": "3.0.0", "paths": {"/x": {}`)
	for i := range 1500 {
		_, _ = fmt.Fprintf(&b, `, "/%d": {"get": {}}`, i)
	}
	b.WriteString("}}")
	in, err := openapi.Read([]byte(b.String()))
	if err != nil || len(in.Suggestions) != 1000 || !in.Truncated {
		t.Errorf("%d suggestions, truncated %v, %v", len(in.Suggestions), in.Truncated, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(read(f, "shop.yaml"))
	f.Add(read(f, "notes.json"))
	f.Add([]byte("openapi: 3.1.0\npaths: {/{: {get: {}}, '/{{ a }}': {put: {requestBody: {content: {a/json: {}}}}}}"))
	f.Add([]byte(`{"openapi":"3.0.0","paths":{"/a":{"get":{"parameters":[{"in":"query","name":"{{ x }}"},{"in":"header","name":"a:b"},{"$ref":"#/paths/~1a"}]}}}}`))
	f.Add([]byte("openapi: 3.0.0\nx: &x {<<: *x}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := openapi.Read(text)
		if err != nil {
			if e := problem.Of(err); e.Kind != problem.Invalid && e.Kind != problem.TooLarge {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, s := range in.Suggestions {
			if strings.ContainsAny(s.Name+s.Description, "\r\n\x00") || !json.Valid(s.Operation) {
				t.Fatalf("%+v", s)
			}
			if op, err := rest.Connector().Parse(s.Operation); err == nil {
				if _, err := datasource.NewRules(s.Params, op.Placeholders()); err != nil && len(s.Params) <= datasource.MaxParams {
					t.Fatalf("%s: %v", s.Operation, err)
				}
			}
		}
	})
}
