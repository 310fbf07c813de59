package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

type sampleInput struct {
	Page string `query:"page" maxLength:"5"`
	Size int    `query:"size" minimum:"1" maximum:"9"`
	Body struct {
		Name  string            `json:"name" minLength:"1" maxLength:"10"`
		Role  string            `json:"role,omitempty" enum:"reader,writer"`
		Mail  string            `json:"mail,omitempty" format:"email"`
		Site  string            `json:"site,omitempty" format:"uri"`
		Code  string            `json:"code,omitempty" pattern:"^[a-z]+$"`
		Count int               `json:"count,omitempty" minimum:"1" maximum:"9"`
		When  *time.Time        `json:"when,omitempty"`
		Tags  []string          `json:"tags,omitempty" maxItems:"2"`
		Free  map[string]any    `json:"free,omitempty"`
		Raw   json.RawMessage   `json:"raw,omitempty"`
		Inner *struct{ X int }  `json:"inner,omitempty" nameHint:"Inner"`
		Named map[string]string `json:"named,omitempty"`
	} `nameHint:"Sample"`
}

// sampling echoes the body that its handler got.
func sampling(t *testing.T) *world {
	return setupBare(t, func(a *API) {
		register(a, Operation{
			ID: "sample", Method: http.MethodPost, Path: "/sample", Access: Public, Tag: "test", Summary: "Takes a body",
		}, func(_ context.Context, in *sampleInput) (*output[any], error) {
			return reply200(any(in.Body.Free), nil)
		})
		register(a, Operation{
			ID: "empty", Method: http.MethodPost, Path: "/empty", Access: Public, Tag: "test", Summary: "Takes no body",
		}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
		register(a, Operation{
			ID: "small", Method: http.MethodPost, Path: "/small", Access: Public, Tag: "test", Summary: "Takes a small body", MaxBody: 20,
		}, func(context.Context, *sampleInput) (*struct{}, error) { return nil, nil })
	})
}

// T4, T13, T22: what is not declared, or can be read in two ways, is refused,
// with every fault at its place and without what was sent.
func TestBodyFaults(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	for name, c := range map[string]struct {
		body  string
		paths []string
	}{
		"unknown field":           {`{"name":"a","tenantId":"canary"}`, []string{"tenantId"}},
		"privileged fields":       {`{"name":"a","createdBy":"canary","is_admin":true,"scopes":["canary"]}`, []string{"createdBy", "is_admin", "scopes"}},
		"field in another case":   {`{"Name":"canary"}`, []string{"Name"}},
		"same field in two cases": {`{"role":"reader","ROLE":"writer","name":"a"}`, []string{"ROLE"}},
		"inner field in case":     {`{"name":"a","inner":{"x":1,"X":2}}`, []string{"inner.x"}},
		"key twice":               {`{"name":"a","name":"canary"}`, []string{"name"}},
		"key twice, escaped":      {`{"name":"a","na\u006de":"canary"}`, []string{"name"}},
		"key twice, deep":         {`{"name":"a","free":{"k":[{"x":1,"x":"canary"}]}}`, []string{"free.k[0].x"}},
		"missing":                 {`{}`, []string{"name"}},
		"null for required":       {`{"name":null}`, []string{"name"}},
		"all at once":             {`{"name":"canarycanary","role":"canary","count":77,"tags":["canary","b","c"]}`, []string{"count", "name", "role", "tags"}},
		"wrong types":             {`{"name":1,"count":"canary","free":["canary"],"inner":"canary"}`, []string{"count", "free", "inner", "name"}},
		"formats":                 {`{"name":"a","mail":"canary canary","site":"http://[canary","when":"canary"}`, []string{"mail", "site", "when"}},
		"pattern":                 {`{"name":"a","code":"CANARY7"}`, []string{"code"}},
		"fraction for integer":    {`{"name":"a","count":1.5}`, []string{"count"}},
		"number out of range":     {`{"name":"a","free":{"n":1e999}}`, []string{"free.n"}},
		"NUL":                     {`{"name":"can\u0000ary"}`, []string{"name"}},
		"NUL in a key":            {`{"name":"a","free":{"can\u0000ary":1}}`, []string{"free.can\x00ary"}},
		"not an object":           {`["canary"]`, []string{""}},
		"null":                    {`null`, []string{""}},
		"not JSON":                {`{"name":"canary"`, []string{""}},
		"more behind it":          {`{"name":"a"} {"canary":1}`, []string{""}},
		"comment":                 {`{"name":"a"/*canary*/}`, []string{""}},
		"NaN":                     {`{"name":"a","count":NaN}`, []string{""}},
		"not UTF-8":               {"{\"name\":\"canary\xff\"}", []string{""}},
		"byte order mark":         {"\ufeff{\"name\":\"canary\"}", []string{""}},
		"too deep":                {`{"name":"a","raw":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, nil},
		"nothing":                 {``, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := w.anonymous().call("POST", "/sample", c.body).want(422)
			if strings.Contains(strings.ToLower(strings.ReplaceAll(string(answer.Body), `free.can\u0000ary`, "")), "canary") {
				t.Errorf("the value comes back: %s", answer.Body)
			}
			var paths []string
			for _, f := range answer.problem().Errors {
				if len(paths) == 0 || paths[len(paths)-1] != f.Path {
					paths = append(paths, f.Path)
				}
			}
			if c.paths != nil && !reflect.DeepEqual(paths, c.paths) {
				t.Errorf("faults at %q, want %q: %s", paths, c.paths, answer.Body)
			}
		})
	}
}

func TestBodyIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	// Free-form objects may have keys that differ in case, and every digit counts.
	const free = `{"A":2,"a":1,"n":12345678901234567890,"d":0.10}`
	answer := w.anonymous().call("POST", "/sample", `{"name":"a","free":`+free+`,"inner":{"X":1},"when":"2026-01-02T03:04:05Z"}`).want(200)
	if got := strings.TrimSpace(string(answer.Body)); got != `{"A":2,"a":1,"d":0.10,"n":12345678901234567890}` {
		t.Fatalf("got %s", got)
	}
	w.anonymous().call("POST", "/empty", nil).want(204)
	w.anonymous().call("POST", "/empty", `{}`).want(204)
	w.anonymous().call("POST", "/empty", `{"x":1}`).want(422)
}

func TestBodyMediaTypes(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	for mediaType, status := range map[string]int{
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"APPLICATION/JSON;charset=UTF-8":    200,
		"application/json; charset=latin1":  415,
		"text/plain":                        415, // T49: what a form of another site can send
		"application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x":   415,
		"application/merge-patch+json":      415,
		"text/json":                         415,
		"application/json, text/plain":      415,
		"json":                              415,
		"; charset=utf-8":                   415,
	} {
		w.anonymous().with("Content-Type", mediaType).call("POST", "/sample", `{"name":"a"}`).want(status)
	}
	w.anonymous().with("Content-Encoding", "gzip").call("POST", "/sample", `{"name":"a"}`).want(415)
	w.anonymous().with("Content-Type", "text/plain").call("POST", "/empty", `{}`).want(415)
}

func TestAcceptDoesNotChangeTheReply(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	for _, accept := range []string{"", "*/*", "text/html", "json", "application/problem+json", "application/json;q=0"} {
		answer := w.anonymous().with("Accept", accept).call("POST", "/sample", `{"name":"a"}`).want(200)
		if got := answer.Header.Get("Content-Type"); got != jsonType {
			t.Errorf("Accept %q gets %q", accept, got)
		}
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	large := `{"name":"` + strings.Repeat("a", defaultMaxBody) + `"}`
	w.anonymous().call("POST", "/sample", large).want(413)
	w.anonymous().call("POST", "/small", `{"name":"abcdefgh"}`).want(204)
	w.anonymous().call("POST", "/small", `{"name":"abcdefghij"}`).want(413)
}

// T142, and the rules for query strings.
func TestQueryFaults(t *testing.T) {
	t.Parallel()
	w := sampling(t)
	for query, path := range map[string]string{
		"size=0":                       "size",
		"size=-1":                      "size",
		"size=10":                      "size",
		"size=99999999999999999999":    "size",
		"size=NaN":                     "size",
		"size=canary":                  "size",
		"size=1e1":                     "size",
		"page=canary":                  "page",
		"tenantId=canary":              "tenantId",
		"Size=1":                       "Size",
		"size=1&size=2":                "size",
		"page=%00":                     "page",
		"page=%ff":                     "page",
		"page=%zz":                     "query",
		"page=a;size=2":                "query",
		"access_token=canary&page=abc": "access_token",
	} {
		answer := w.anonymous().call("POST", "/sample?"+query, `{"name":"a"}`).want(422)
		p := answer.problem()
		if len(p.Errors) != 1 || p.Errors[0].Path != path || strings.Contains(string(answer.Body), "canary") {
			t.Errorf("%s: %s", query, answer.Body)
		}
	}
	w.anonymous().call("POST", "/sample?size=9&page=abc", `{"name":"a"}`).want(200)
}

func TestListLimits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	for _, limit := range []string{"0", "-1", "201", "NaN", "1e9", "9223372036854775808", "5%20"} {
		ada.call("GET", tenant+"/roles?limit="+limit, nil).want(422)
	}
	for _, cursor := range []string{"x", "AAAA", strings.Repeat("A", 3000)} {
		ada.call("GET", tenant+"/roles?cursor="+cursor, nil).want(422)
	}
	first := ada.call("GET", tenant+"/roles?limit=2", nil).want(200)
	if n := len(first.field("items").([]any)); n != 2 {
		t.Fatalf("%d items", n)
	}
	ada.call("GET", tenant+"/roles?limit=200&cursor="+first.text("nextCursor"), nil).want(200)
	ada.call("GET", tenant+"/members?cursor="+first.text("nextCursor"), nil).want(422)
}

// Whatever parseStrict lets pass is JSON that has one meaning: writing it down
// and reading it with encoding/json gives the same value.
func FuzzParseStrict(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5,"x",null,true,{"b":{}}]}`, `{"a":1,"a":2}`, `{"a":1}{}`, `[1,]`, `"\u0000"`, `1e999`, `{"a\u0062":1,"ab":2}`,
		"\"\xff\"", `[[[[[[]]]]]]`, ` {} `, ``, `nul`, `{"":0}`, `-0`, `[`, `}`, `{"a":}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var faults problem.Faults
		value := parseStrict(text, &faults)
		if len(faults.List()) > 0 {
			return
		}
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q passed, but is not JSON: %v", text, err)
		}
		if !reflect.DeepEqual(value, want) {
			t.Fatalf("%q is %#v, want %#v", text, value, want)
		}
		if keys(text) != count(value) {
			t.Fatalf("%q has a key twice", text)
		}
		if bytes.Contains(text, []byte(`\u0000`)) && strings.Contains(string(mustJSON(t, value)), `\u0000`) {
			t.Fatalf("%q has a NUL character", text)
		}
	})
}

// keys counts the members of all objects of a text, repetitions included.
func keys(text []byte) int {
	n, d := 0, json.NewDecoder(bytes.NewReader(text))
	var inObject []bool
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return n
		}
		if key && token != json.Delim('}') {
			n++
			key = false
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			inObject = append(inObject, token == json.Delim('{'))
		case json.Delim('}'), json.Delim(']'):
			inObject = inObject[:len(inObject)-1]
		}
		key = len(inObject) > 0 && inObject[len(inObject)-1]
	}
}

// count counts the members of all objects of a value.
func count(value any) int {
	n := 0
	switch v := value.(type) {
	case map[string]any:
		n = len(v)
		for _, member := range v {
			n += count(member)
		}
	case []any:
		for _, item := range v {
			n += count(item)
		}
	}
	return n
}

func mustJSON(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	must(t, err)
	return b
}
