package rest_test

import (
	"encoding/json"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/problem"
)

// A filter that the server fills in does not vanish when the caller's list is empty.
func TestT89_AnEmptyListIsAFault(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	query, form, spread := `{"path": "/value", "query": {"v": "{{ user.claims.teams }}"}}`, `{"method": "POST", "path": "/notes", "form": {"v": "{{ user.claims.teams }}"}}`, `{"path": "/value", "query": {"v[*]": "{{ user.claims.teams }}"}}`
	for _, operation := range []string{query, form, spread} {
		for _, v := range []any{[]any{}, json.RawMessage(`{}`), json.RawMessage(`{"a": []}`)} {
			if _, list := v.([]any); !list && operation != spread {
				continue
			}
			if r, _, err := call(t, a, a.settings(), operation, map[string]any{"user.claims.teams": v}); !problem.Is(err, problem.Invalid) || r != nil {
				t.Errorf("%s with %s: %v", operation, v, err)
			}
		}
		if r, _, err := call(t, a, a.settings(), operation, map[string]any{"user.claims.teams": nil}); err != nil || r.URL.RawQuery != "" {
			t.Errorf("%s with null: %v", operation, err)
		}
	}
}

// What the author of a request fixed, no key of a value can be or contain.
func TestT80_SpreadKeysReplaceNoField(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, c := range []struct {
		fixed, object string
		sound         bool
	}{
		{"metadata[tenant]", `{"tenant": "other"}`, false},
		{"metadata[tenant]", `{"tenant": ["other"]}`, false},
		{"metadata[!]", `{"!": "other"}`, false}, // sorts before metadata[*]
		{"metadata[a][b]", `{"a": "other"}`, false},
		{"metadata[a][b]", `{"a": {"b": 1}}`, false},
		{"metadata", `{"tenant": "other"}`, false},
		{"metadata[a][b]", `{"a": {"c": "1"}}`, true},
		{"metadata[tenant]", `{"tenants": "1"}`, true},
		{"metadatas", `{"tenant": "1"}`, true},
	} {
		for _, value := range []string{"mine", "{{ none }}"} {
			for _, where := range []string{`{"method": "POST", "path": "/notes", "form": `, `{"method": "POST", "path": "/notes", "query": `} {
				operation := where + `{"metadata[*]": "{{ o }}", "` + c.fixed + `": "` + value + `"}}`
				r, body, err := call(t, a, a.settings(), operation, map[string]any{"o": json.RawMessage(c.object), "none": nil})
				if !c.sound && (!problem.Is(err, problem.Invalid) || r != nil) {
					t.Errorf("%s with %s: %s, %v", operation, c.object, body, err)
				} else if c.sound && err != nil {
					t.Errorf("%s with %s: %v", operation, c.object, err)
				}
			}
		}
	}
}

// Values of parameters are shared by all runs of a query.
func TestT96_WithoutNullLeavesTheValueAsItIs(t *testing.T) {
	t.Parallel()
	in := map[string]any{"list": []any{map[string]any{"a": nil}, "x", "y"}, "none": nil}
	before, _ := json.Marshal(in)
	out, _ := json.Marshal(httpapi.WithoutNull(in))
	if after, _ := json.Marshal(in); string(after) != string(before) || string(out) != `{"list":["x","y"]}` {
		t.Errorf("%s became %s, and the value %s", before, out, after)
	}
}

// Servers that take the method from a header would write for a GET.
func TestT86_HeadersDoNotChangeTheMethod(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	checker := rest.Connector().(datasource.SettingsChecker)
	for _, name := range []string{"X-HTTP-Method-Override", "x-http-method", "X-Method-Override"} {
		if _, err := rest.Connector().Parse(json.RawMessage(`{"headers": {"` + name + `": "DELETE"}}`)); !problem.Is(err, problem.Invalid) {
			t.Errorf("the header %s passes", name)
		}
		if !problem.Is(checker.CheckSettings(a.with("headers", map[string]string{name: "DELETE"})), problem.Invalid) {
			t.Errorf("the setting %s passes", name)
		}
	}
}

// A key in a header that is never sent, or that breaks the reading of answers, is
// no authentication.
func TestTheHeaderOfAKeyIsOneThatIsSent(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	checker := rest.Connector().(datasource.SettingsChecker)
	for _, c := range []struct {
		name, in string
		sound    bool
	}{
		{"Host", "header", false}, {"content-length", "header", false}, {"Transfer-Encoding", "header", false}, {"Accept-Encoding", "header", false}, {"Trailer", "header", false},
		{"X-API-Key", "header", true}, {"authorization", "header", true}, {"Cookie", "header", true}, {"host", "query", true},
	} {
		s := a.with("apiKeyName", c.name)
		s.Values["apiKeyIn"] = c.in
		if err := checker.CheckSettings(s); (err == nil) != c.sound {
			t.Errorf("%s in the %s: %v", c.name, c.in, err)
		}
	}
}
