package httpapi

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

// Whatever a template and a value are: the request goes to the base URL, and the
// value neither adds a segment to the path nor a name to the query and the form.
func FuzzFill(f *testing.F) {
	f.Add("/a/{{ v }}/b", "x {{ v }}", "a/../b")
	f.Add("{{ v }}", "{{ v }}", "//evil.test")
	f.Add("/%2e{{ v }}/", "", ".")
	f.Add("/a.{{ v }}.json", "{{v}}{{v}}", "a\r\nb: c&d=e#f?g")
	f.Add("/x:{{ v }}", "{{ v }}", "")
	base, _ := url.Parse("https://api.test/v1")
	f.Fuzz(func(t *testing.T, path, text, value string) {
		fill := func(v string) (*Call, error) {
			var faults problem.Faults
			parsed := Request{Method: "POST", Path: path, Query: map[string]string{"q": text}, Form: map[string]string{"f": text, "o[*]": "{{ o }}"}}.Parse(&faults)
			if err := faults.Err("", ""); err != nil {
				return nil, err
			}
			key, _ := json.Marshal(map[string]string{strings.Trim(v, "[]") + "k": v})
			return parsed.Fill(base, func(name string) any {
				if name == "o" {
					return json.RawMessage(key)
				}
				return v
			}, "params")
		}
		plain, err := fill("x")
		if err != nil {
			return
		}
		got, err := fill(value)
		if err != nil {
			if !problem.Is(err, problem.Invalid) {
				t.Fatal(err)
			}
			return
		}
		u, err := url.Parse(got.URL.String())
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || u.Fragment != "" || !strings.HasPrefix(u.EscapedPath(), "/v1") {
			t.Fatalf("%q with %q leads to %s, %v", path, value, got.URL, err)
		}
		if a, b := strings.Count(plain.URL.EscapedPath(), "/"), strings.Count(u.EscapedPath(), "/"); a != b || !plainSegments(u.EscapedPath()) {
			t.Fatalf("%q with %q becomes %s", path, value, u.EscapedPath())
		}
		form, err := url.ParseQuery(string(got.Body))
		if query := u.Query(); err != nil || len(query) != 1 || len(query["q"]) != 1 || len(form["f"]) != 1 {
			t.Fatalf("%q with %q becomes %s and %s", text, value, u.RawQuery, got.Body)
		}
		for name := range form {
			if name != "f" && !strings.HasPrefix(name, "o[") {
				t.Fatalf("%q adds %q to the form", value, name)
			}
		}
	})
}
