package service_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/service"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// notes is a service that a host describes, and its server.
type notes struct {
	*httptest.Server
	running atomic.Int64
	mu      sync.Mutex
	kept    []string
}

const notesSpec = `{
	"type": "notes", "title": "Notes", "baseUrl": "http://{{ host }}/api",
	"fields": [
		{"name": "host", "title": "Host", "type": "string", "required": true, "target": true},
		{"name": "space", "title": "Space", "type": "string", "required": true},
		{"name": "key", "title": "Key", "type": "string", "required": true, "secret": true}
	],
	"auth": {"type": "header", "header": "X-Key", "prefix": "Key ", "secret": "key"},
	"failure": {"unless": "/fine", "message": ["/why"]},
	"ping": "hello",
	"operations": [
		{"name": "hello", "title": "Hello", "path": "/hello"},
		{"name": "echo", "title": "Echo", "method": "POST", "path": "/echo/{{ space }}", "body": {"v": "{{ v }}", "words": "{{ words }}"}, "rows": "/value",
			"params": [{"name": "v", "type": "json"}, {"name": "words", "type": "string[]"}]},
		{"name": "many", "title": "Many", "path": "/many", "rows": "/items"},
		{"name": "wide", "title": "Wide", "path": "/wide"},
		{"name": "large", "title": "Large", "path": "/large"},
		{"name": "slow", "title": "Slow", "path": "/slow"},
		{"name": "no", "title": "No", "path": "/no"},
		{"name": "keep", "title": "Keep", "method": "POST", "path": "/notes", "writes": true, "form": {"text": "{{ text }}"}, "params": [{"name": "text", "type": "string", "default": "x"}]}
	]
}`

func newNotes(t testing.TB) *notes {
	t.Helper()
	n := &notes{}
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	mux.HandleFunc("GET /api/hello", func(w http.ResponseWriter, _ *http.Request) { say(w, map[string]any{"fine": true}) })
	mux.HandleFunc("POST /api/echo/my space", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		v := in["v"]
		if words := in["words"]; words != nil {
			v = words
		}
		say(w, map[string]any{"fine": true, "value": []any{map[string]any{"v": v}}})
	})
	mux.HandleFunc("GET /api/many", func(w http.ResponseWriter, _ *http.Request) {
		list := make([]map[string]int, 6000)
		for i := range list {
			list[i] = map[string]int{"n": i}
		}
		say(w, map[string]any{"fine": true, "items": list})
	})
	mux.HandleFunc("GET /api/wide", func(w http.ResponseWriter, _ *http.Request) {
		object := map[string]any{"fine": true}
		for i := range 1000 {
			object[fmt.Sprint("c", i)] = i
		}
		say(w, object)
	})
	mux.HandleFunc("GET /api/large", func(w http.ResponseWriter, _ *http.Request) {
		say(w, map[string]any{"fine": true, "text": strings.Repeat("x", 1<<20)})
	})
	mux.HandleFunc("GET /api/slow", func(_ http.ResponseWriter, r *http.Request) {
		n.running.Add(1)
		defer n.running.Add(-1)
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /api/no", func(w http.ResponseWriter, r *http.Request) {
		say(w, map[string]any{"fine": false, "why": "not with " + r.Header.Get("X-Key")})
	})
	mux.HandleFunc("POST /api/notes", func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.kept = append(n.kept, r.PostFormValue("text"))
		n.mu.Unlock()
		say(w, map[string]any{"fine": true})
	})
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "Key canary-key" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"why": "who is `+r.Header.Get("X-Key")+`?"}`)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *notes) settings() datasource.Settings {
	return datasource.Settings{
		Values:  map[string]any{"host": strings.TrimPrefix(n.URL, "http://"), "space": "my space"},
		Secrets: map[string]secret.Text{"key": secret.NewText("canary-key")},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

func made(t testing.TB, text string) datasource.Connector {
	t.Helper()
	s, err := service.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return connector(t, s)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	n := newNotes(t)
	at := func(host string) datasource.Settings {
		s := n.settings()
		s.Values["host"] = host
		return s
	}
	wrong := n.settings()
	wrong.Secrets = map[string]secret.Text{"key": secret.NewText("canary-wrong")}
	connectortest.Run(t, made(t, notesSpec), n.settings(), connectortest.Fixtures{
		Echo: func(datasource.ParamType) json.RawMessage {
			return json.RawMessage(`{"operation": "echo", "args": {"v": "{{ v }}"}}`)
		},
		EchoList: json.RawMessage(`{"operation": "echo", "args": {"words": "{{ v }}"}}`),
		Many:     json.RawMessage(`{"operation": "many"}`),
		Wide:     json.RawMessage(`{"operation": "wide"}`),
		Large:    json.RawMessage(`{"operation": "large"}`),
		Slow:     json.RawMessage(`{"operation": "slow"}`),
		Running:  func(*testing.T) int { return int(n.running.Load()) },
		Refused:  json.RawMessage(`{"operation": "no"}`),
		Write:    json.RawMessage(`{"operation": "keep"}`),
		Harmful: map[string]json.RawMessage{
			"unknown":          json.RawMessage(`{"operation": "drop"}`),
			"a spec":           json.RawMessage(`{"operation": "hello", "path": "/notes", "method": "POST"}`),
			"another casing":   json.RawMessage(`{"operation": "Keep"}`),
			"a placeholder":    json.RawMessage(`{"operation": "{{ op }}"}`),
			"an argument more": json.RawMessage(`{"operation": "hello", "args": {"x": 1}}`),
		},
		State: func(*testing.T) string {
			n.mu.Lock()
			defer n.mu.Unlock()
			return fmt.Sprint(n.kept)
		},
		Unreachable: map[string]datasource.Settings{
			"no such host":    at("nowhere.invalid"),
			"closed port":     at("127.0.0.1:1"),
			"refused address": at("169.254.169.254"),
			"wrong key":       wrong,
		},
	})
}

func TestArguments(t *testing.T) {
	t.Parallel()
	c := made(t, notesSpec)
	conn := open(t, c, newNotes(t).settings())
	for _, e := range []struct {
		args, params map[string]any
		want         string
	}{
		{map[string]any{"v": map[string]any{"a": "{{ x }}", "b": []any{"no {{ x }}", 1}}}, map[string]any{"x": int64(7)}, `[[{"a":7,"b":["no 7",1]}]]`},
		{map[string]any{"words": []any{"{{ x }}", "y"}}, map[string]any{"x": int64(7)}, `[[["7","y"]]]`},
		{map[string]any{"words": "{{ x }}"}, map[string]any{"x": []any{int64(7), datasource.Date("2024-01-02")}}, `[[["7","2024-01-02"]]]`},
		{map[string]any{"v": nil}, nil, `[[<nil>]]`},
		{map[string]any{"v": "{{ x }}"}, map[string]any{"x": time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)}, `[[2024-01-02T03:04:05Z]]`},
	} {
		rows, err := run(t, c, conn, "echo", e.args, e.params)
		if err != nil {
			t.Errorf("%v: %v", e.args, err)
			continue
		}
		if _, list, err := all(rows); err != nil || fmt.Sprint(list) != e.want {
			t.Errorf("%v: got %v, %v; want %s", e.args, list, err, e.want)
		}
	}
}

func TestArgumentFaults(t *testing.T) {
	t.Parallel()
	n := newServer(t)
	in := spec(t, "stripe")
	c := connector(t, n.at(in))
	paths := func(err error) (list []string) {
		for _, f := range problem.Of(err).Faults {
			list = append(list, f.Path)
		}
		slices.Sort(list)
		return list
	}
	for operation, want := range map[string]string{
		`{"operation": "nope"}`:         "[operation]",
		`{"operation": "createCharge"}`: "[args.amount args.currency]",
		`{"operation": "createCharge", "args": {"amount": "x", "currency": "euro", "nope": 1}}`: "[args.amount args.currency args.nope]",
		`{"operation": "createCharge", "args": {"amount": "{{ a b }}", "currency": "{{ c }}"}}`: "[args.amount]",
		`{"operation": "createCharge", "args": {"amount": null, "currency": "eur"}}`:            "[args.amount]",
		`{"operation": "createCustomer", "args": {"metadata": {"{{ k }}": 1}}}`:                 "[args.metadata]",
		`{"operation": "listCharges", "args": {"limit": 101, "expand": "x"}}`:                   "[args.expand args.limit]",
		`{"operation": "retrieveCharge", "args": {"id": "{{ id }}"}, "rows": "/x"}`:             "[rows]",
	} {
		_, err := c.Parse(json.RawMessage(operation))
		if !problem.Is(err, problem.Invalid) || fmt.Sprint(paths(err)) != want {
			t.Errorf("%s: %v", operation, err)
		}
	}
	// What only shows when the query runs is Invalid, and nothing is sent.
	conn := open(t, c, n.settings(contracts(t)["stripe"]))
	for _, e := range []struct {
		operation string
		args      map[string]any
		param     any
		path      string
	}{
		{"createCharge", map[string]any{"amount": "{{ v }}", "currency": "eur"}, nil, "args.amount"},
		{"createCharge", map[string]any{"amount": "{{ v }}", "currency": "eur"}, "x", "args.amount"},
		{"createCharge", map[string]any{"amount": 1, "currency": "{{ v }}"}, "euro", "args.currency"},
		{"retrieveCharge", map[string]any{"id": "{{ v }}"}, "", "args.id"},
		{"retrieveCharge", map[string]any{"id": "{{ v }}"}, []any{"a"}, "args.id"},
		{"createCustomer", map[string]any{"metadata": "{{ v }}"}, json.RawMessage(`"x"`), "args.metadata"},
	} {
		n.answer(0, `{}`)
		_, err := run(t, c, conn, e.operation, e.args, map[string]any{"v": e.param})
		if got := paths(err); !problem.Is(err, problem.Invalid) || len(got) != 1 || got[0] != e.path || n.got() != nil {
			t.Errorf("%s %v: %v", e.operation, e.param, err)
		}
	}
}

// The assertion of a service account is a JWT that Google can verify, made for
// the token URL of the spec and for no other that a key names (T75).
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	in := s.at(spec(t, "googleanalytics"))
	c := connector(t, in)
	conn := open(t, c, s.settings(contracts(t)["googleanalytics"]))
	s.answer(0, `{"dimensions": []}`)
	for range 3 {
		if _, err := run(t, c, conn, "listDimensions", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.tokens) != 1 {
		t.Fatalf("%d tokens were asked for", len(s.tokens))
	}
	parts := strings.Split(s.tokens[0], ".")
	if len(parts) != 3 {
		t.Fatalf("the assertion is %s", s.tokens[0])
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			t.Fatalf("part %d: %v", i, err)
		}
	}
	if fmt.Sprint(header) != "map[alg:RS256 kid:key-1 typ:JWT]" {
		t.Errorf("the header is %v", header)
	}
	issued, _ := claims["iat"].(float64)
	want := map[string]any{
		"iss": "reader@p.iam.gserviceaccount.com", "aud": s.URL + "/token", "scope": "https://www.googleapis.com/auth/analytics.readonly",
		"iat": issued, "exp": issued + 3600,
	}
	if fmt.Sprint(claims) != fmt.Sprint(want) || time.Since(time.Unix(int64(issued), 0)) > time.Minute {
		t.Errorf("the claims are %v", claims)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&testKey().PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if _, writes := conn.(datasource.Execer); writes || c.Spec().Abilities.Exec {
		t.Error("a service that only reads can write")
	}
}

func TestServiceAccountKeysAreChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := connector(t, s.at(spec(t, "googleanalytics")))
	settings := s.settings(contracts(t)["googleanalytics"])
	good := settings.Secrets["credentials"].Reveal()
	for name, key := range map[string]string{
		"nothing":        "",
		"no JSON":        "-----BEGIN PRIVATE KEY-----",
		"another type":   strings.Replace(good, "service_account", "authorized_user", 1),
		"no key":         strings.Replace(good, "PRIVATE KEY", "PUBLIC KEY", 2),
		"a broken key":   strings.Replace(good, `-----BEGIN PRIVATE KEY-----\nMII`, `-----BEGIN PRIVATE KEY-----\nXXX`, 1),
		"without e-mail": strings.Replace(good, "client_email", "email", 1),
	} {
		settings.Secrets["credentials"] = secret.NewText(key)
		err := c.(datasource.SettingsChecker).CheckSettings(settings)
		if e := problem.Of(err); e == nil || e.Faults[0].Path != "secrets.credentials" {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: the error holds the key", name)
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	for name, c := range contracts(t) {
		s := newServer(t)
		conn := open(t, connector(t, s.at(spec(t, name))), s.settings(c))
		for _, e := range []struct {
			status int
			reply  string
			code   string
		}{
			{200, `{"ok": true}`, ""},
			{401, `{"message": "no"}`, "credentials_refused"},
			{403, ``, "credentials_refused"},
			{404, `<html>`, "ping_refused"},
			{429, ``, "api_busy"},
		} {
			s.answer(e.status, e.reply)
			err := conn.Ping(t.Context())
			p, _ := errors.AsType[*problem.Error](err)
			if e.code == "" && err != nil || e.code != "" && (p == nil || p.Code != e.code || p.Remedy == "") {
				t.Errorf("%s: %d: %v", name, e.status, err)
			}
		}
	}
	s := newServer(t)
	conn := open(t, connector(t, s.at(spec(t, "slack"))), s.settings(contracts(t)["slack"]))
	s.answer(200, `{"ok": false, "error": "invalid_auth"}`)
	if err := conn.Ping(t.Context()); problem.Of(err).Code != "credentials_refused" {
		t.Errorf("a Slack token that is not good: %v", err)
	}
}

// What a field says about the host decides where secrets go: it is a host and
// nothing else.
func TestT71_TheHostIsAHost(t *testing.T) {
	t.Parallel()
	c := connector(t, spec(t, "jira"))
	for _, host := range []string{
		"", "https://x.test", "x.test/", "x.test/path", "a@x.test", "x.test#", "x.test?", "x.test:80:90", "x.test:port", "x test", "x\ttest", `x\test`, "[::1]", ".", "-x", "x.", "ä.test", "x.test%2f", "{{ host }}",
	} {
		err := c.(datasource.SettingsChecker).CheckSettings(datasource.Settings{
			Values: map[string]any{"host": host, "email": "a@b.test"}, Secrets: map[string]secret.Text{"apiToken": secret.NewText("x")},
		})
		if e := problem.Of(err); e == nil || len(e.Faults) != 1 || e.Faults[0].Path != "settings.host" {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestSettingsThatGoIntoHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := connector(t, s.at(spec(t, "stripe")))
	settings := s.settings(contracts(t)["stripe"])
	settings.Values["apiVersion"] = "2024\u00e9"
	settings.Secrets["secretKey"] = secret.NewText("sk_\u00e9")
	if e := problem.Of(c.(datasource.SettingsChecker).CheckSettings(settings)); e == nil || len(e.Faults) != 2 {
		t.Errorf("got %v", e)
	}
	settings = s.settings(contracts(t)["stripe"])
	delete(settings.Values, "apiVersion")
	s.answer(0, `{}`)
	if _, err := run(t, c, open(t, c, settings), "balance", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, there := s.got().header["Stripe-Version"]; there {
		t.Error("a header is sent without a value")
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	text := strings.NewReplacer(
		`"auth": {"type": "header", "header": "X-Key", "prefix": "Key ", "secret": "key"}`, `"auth": {"type": "clientCredentials", "username": "id", "secret": "key", "tokenUrl": "`+s.URL+`/token", "scope": "all"}`,
		`"fields": [`, `"fields": [{"name": "id", "title": "Id", "type": "string", "required": true, "target": true},`,
	).Replace(notesSpec)
	c := made(t, text)
	settings := (&notes{Server: s.Server}).settings()
	settings.Values["id"] = "me"
	s.answer(0, `{"fine": true}`)
	if err := open(t, c, settings).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.got(); got.header.Get("Authorization") != "Bearer ya29.canary" || len(s.tokens) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestSpecFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"no scheme":                 {`http://{{ host }}/api`, `{{ host }}/api`},
		"another scheme":            {`http://{{ host }}/api`, `file://{{ host }}/api`},
		"a query":                   {`http://{{ host }}/api`, `http://{{ host }}/api?x=1`},
		"a field in the path":       {`http://{{ host }}/api`, `http://x.test/{{ host }}`},
		"a field that is no target": {`"required": true, "target": true`, `"required": true`},
		"a secret in the host":      {`http://{{ host }}/api`, `http://{{ key }}/api`},
		"a secret in a path":        {`/echo/{{ space }}`, `/echo/{{ key }}`},
		"a trusted placeholder":     {`/echo/{{ space }}`, `/echo/{{ tenant.id }}`},
		"a claim in a body":         {`"words": "{{ words }}"`, `"words": "{{ words }}", "who": "{{ user.claims.team }}"`},
		"a header that is not sent": {`"header": "X-Key"`, `"header": "Host"`},
		"an unknown placeholder":    {`/echo/{{ space }}`, `/echo/{{ nobody }}`},
		"an unused parameter":       {`"words": "{{ words }}"`, `"words": 1`},
		"a parameter like a field":  {`{"name": "v", "type": "json"}`, `{"name": "v", "type": "json"}, {"name": "space", "type": "string"}`},
		"an unknown type":           {`{"name": "v", "type": "json"}`, `{"name": "v", "type": "object"}`},
		"each of no list":           {`{"name": "v", "type": "json"}`, `{"name": "v", "type": "json", "each": "x"}`},
		"an unknown authentication": {`"type": "header"`, `"type": "magic"`},
		"no header":                 {`"header": "X-Key"`, `"header": "X Key"`},
		"a secret that is none":     {`"secret": "key"`, `"secret": "space"`},
		"an unknown ping":           {`"ping": "hello"`, `"ping": "nobody"`},
		"a ping that writes":        {`"ping": "hello"`, `"ping": "keep"`},
		"a title that lacks":        {`"title": "Many"`, `"title": ""`},
		"twice":                     {`"name": "many"`, `"name": "slow"`},
		"a name with a space":       {`"name": "many"`, `"name": "so many"`},
		"a write without a mark":    {`"path": "/many"`, `"path": "/many", "method": "DELETE"`},
		"a pointer without a slash": {`"rows": "/items"`, `"rows": "items"`},
		"rows beside a table":       {`"rows": "/items"`, `"rows": "/items", "table": {"rows": "/x", "groups": []}`},
		"no type":                   {`"type": "notes"`, `"type": ""`},
		"a token URL that is none":  {`"type": "header"`, `"type": "serviceAccount", "tokenUrl": "x"`},
	} {
		text := strings.Replace(notesSpec, change[0], change[1], 1)
		if text == notesSpec {
			t.Fatalf("%s changes nothing", name)
		}
		s, err := service.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := service.New(s); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	for _, text := range []string{`{`, `[]`, `{"type": "x", "nobodyDeclaresThis": 1}`, notesSpec + notesSpec} {
		if _, err := service.Parse([]byte(text)); err == nil {
			t.Errorf("%.40s passes", text)
		}
	}
}

// The schema of each operation says what Parse takes.
func TestSchemas(t *testing.T) {
	t.Parallel()
	builtins, err := service.Builtins()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range builtins {
		var schema struct {
			OneOf []struct {
				Title      string
				Properties struct {
					Operation struct{ Const string }
					Args      struct {
						Properties map[string]any
						Required   []string
					}
				}
			}
		}
		if err := json.Unmarshal(c.Spec().Operation, &schema); err != nil || len(schema.OneOf) < 4 {
			t.Fatalf("%s: %d operations, %v", c.Spec().Type, len(schema.OneOf), err)
		}
		for _, choice := range schema.OneOf {
			args := map[string]any{}
			for _, name := range choice.Properties.Args.Required {
				args[name] = "{{ " + name + " }}"
			}
			text, _ := json.Marshal(map[string]any{"operation": choice.Properties.Operation.Const, "args": args})
			op, err := c.Parse(text)
			if err != nil || len(op.Placeholders()) != len(args) || choice.Title == "" {
				t.Errorf("%s: %s: %v", c.Spec().Type, text, err)
			}
		}
	}
}
