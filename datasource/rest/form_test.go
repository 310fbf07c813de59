package rest_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/problem"
)

func TestForms(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	operation := `{"method": "POST", "path": "/notes", "form": {"name": "{{ name }}", "tags": "{{ tags }}", "none": "{{ none }}", "to": "<{{ name }}>", "fixed": "a=b&c", "meta[*]": "{{ meta }}", "items[*]": "{{ items }}"}}`
	r, body, err := call(t, a, a.settings(), operation, map[string]any{
		"name": "Zoë & Co", "tags": []any{"x", int64(2)}, "none": nil,
		"meta": json.RawMessage(`{"a": 1.50, "b": {"c": ["x", null, true]}, "none": null}`), "items": []any{"one", int64(2)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"name": {"Zoë & Co"}, "tags": {"x", "2"}, "to": {"<Zoë & Co>"}, "fixed": {"a=b&c"},
		"meta[a]": {"1.50"}, "meta[b][c][0]": {"x"}, "meta[b][c][2]": {"true"}, "items[0]": {"one"}, "items[1]": {"2"},
	}
	if body != want.Encode() || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("got %s as %s, want %s", body, r.Header.Get("Content-Type"), want.Encode())
	}
}

func TestT80_FormValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	operation := `{"method": "POST", "path": "/notes", "form": {"lone": "{{ v }}", "in": "<{{ v }}>", "meta[*]": "{{ o }}", "list": "{{ l }}"}}`
	for _, v := range connectortest.Injections() {
		object, _ := json.Marshal(map[string]any{"k": v, "l": []any{v}})
		_, body, err := call(t, a, a.settings(), operation, map[string]any{"v": v, "o": json.RawMessage(object), "l": []any{v, "end"}})
		if err != nil {
			t.Fatalf("%q: %v", v, err)
		}
		got, err := url.ParseQuery(body)
		if err != nil || len(got) != 5 || got.Get("lone") != v || got.Get("in") != "<"+v+">" || got.Get("meta[k]") != v || got.Get("meta[l][0]") != v || len(got["list"]) != 2 || got["list"][0] != v {
			t.Errorf("%q became %s", v, body)
		}
	}
}

// The keys of a value stay below the name of its field.
func TestT80_FormKeysStayBelowTheirField(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	operation := `{"method": "POST", "path": "/notes", "form": {"meta[*]": "{{ o }}"}}`
	for _, key := range connectortest.Injections() {
		object, _ := json.Marshal(map[string]any{key: 1})
		_, body, err := call(t, a, a.settings(), operation, map[string]any{"o": json.RawMessage(object)})
		if key == "" || strings.ContainsAny(key, "[]") {
			if !problem.Is(err, problem.Invalid) {
				t.Errorf("%q passes: %s", key, body)
			}
			continue
		}
		got, bad := url.ParseQuery(body)
		if err != nil || bad != nil || len(got) != 1 || got.Get("meta["+key+"]") != "1" {
			t.Errorf("%q became %s, %v", key, body, err)
		}
	}
	deep := strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9)
	wide := "[" + strings.Repeat("1,", 1000) + "1]"
	for _, v := range []any{json.RawMessage(deep), json.RawMessage(wide), json.RawMessage(`"text"`), json.RawMessage(`1`), "text", int64(1), json.RawMessage(`{"":1}`)} {
		if _, _, err := call(t, a, a.settings(), operation, map[string]any{"o": v}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%.40s: %v", v, err)
		}
	}
}

func TestOmitNull(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	_, body, err := call(t, a, a.settings(), `{"method": "PUT", "path": "/echo/x", "omitNull": true, "body": {"a": "{{ a }}", "b": {"c": "{{ b }}"}, "e": {}, "l": [{"d": "{{ b }}"}, null, "x"], "m": [{"d": ["{{ b }}"]}], "j": "{{ j }}"}}`,
		map[string]any{"a": nil, "b": nil, "j": json.RawMessage(`{"kept":null}`)})
	if want := `{"e":{},"j":{"kept":null},"l":[null,"x"],"m":[{"d":[null]}]}`; err != nil || body != want {
		t.Errorf("got %s, %v; want %s", body, err, want)
	}
}

func TestFormFaults(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		`{"form": {"a": "b"}}`, `{"method": "POST", "form": {"a": "b"}, "body": 1}`, `{"method": "POST", "form": {"{{ k }}": "1"}}`, `{"method": "POST", "form": {"": "1"}}`,
		`{"method": "POST", "form": {"a[*]": "x {{ v }}"}}`, `{"method": "POST", "form": {"a[*]": "x"}}`, `{"headers": {"X-A[*]": "{{ v }}"}}`, `{"method": "POST", "form": {"a": 1}}`,
	} {
		if _, err := rest.Connector().Parse(json.RawMessage(operation)); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
