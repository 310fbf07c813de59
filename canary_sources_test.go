package jetadmin_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// questions are what is asked of each type of datasource: {{ p }} is a sensitive value.
// What a type that is not here is asked is missing, and fails the test.
var questions = map[string][]object{
	"csv":       {{"where": []object{{"column": "a", "value": "{{ p }}"}}}, {"columns": []string{"nothing"}, "where": []object{{"column": "a", "value": "{{ p }}"}}}},
	"excel":     {{"where": []object{{"column": "a", "value": "{{ p }}"}}}},
	"func:host": {{"params": object{"p": "{{ p }}"}}, {"params": object{"p": "panic"}}},
	"graphql":   {{"query": "query ($p: String) { a(p: $p) { b } }", "variables": object{"p": "{{ p }}"}}},
	"jira":      {{"operation": "me"}},
	"mysql":     {{"text": "SELECT 1 FROM nowhere WHERE x = {{ p }}"}},
	"postgres":  {{"text": "SELECT 1 FROM nowhere WHERE x = {{ p }}"}},
	"redis":     {{"command": "GET", "args": []string{"{{ p }}"}}},
	"rest": {
		{"path": "/rows"}, {"path": "/refused", "query": object{"p": "{{ p }}"}}, {"path": "/text/{{ p }}"}, {"path": "/text"}, {"path": "/broken"},
		{"path": "/busy"}, {"path": "/redirect", "query": object{"p": "{{ p }}"}}, {"path": "/refused", "headers": object{"X-P": "a{{ p }}"}},
	},
	"s3":      {{"operation": "get", "key": "{{ p }}"}, {"operation": "list"}},
	"sqlite":  {{"text": "SELECT id FROM orders WHERE buyer = {{ p }}"}, {"text": "SELECT json_extract({{ p }}, '$.a') AS v"}, {"text": "SELECT 1 FROM nowhere WHERE x = {{ p }}"}},
	"tickets": {{"operation": "find", "args": object{"p": "{{ p }}"}}},
}

// fixedAddress are services whose address is not a setting: nothing of them is called.
var fixedAddress = []string{"airtable", "googleanalytics", "notion", "sendgrid", "slack", "stripe", "twilio"}

// everyType makes datasources of every type, with every secret that it has, and has
// them fail in every way that there is.
func (s *sweep) everyType() {
	s.t.Helper()
	var types struct{ Items []datasource.Spec }
	s.owner.call("GET", s.tenant+"/datasource-types", nil).want(http.StatusOK).into(&types)
	if len(types.Items) < 15 {
		s.t.Fatalf("there are %d types only", len(types.Items))
	}
	for _, spec := range types.Items {
		ways := []string{""}
		for _, f := range spec.Fields {
			if f.Name == "auth" {
				ways = append(f.Enum, "oauth2, refused")
			}
		}
		for _, way := range ways {
			s.source(spec, way)
		}
	}
}

// source is one datasource of a type, in a tenant of its own.
func (s *sweep) source(spec datasource.Spec, auth string) {
	s.t.Helper()
	T := "/tenants/" + s.owner.call("POST", "/tenants", object{"name": strings.TrimSpace(spec.Type + " " + auth)}).want(http.StatusCreated).text("id")
	makeShop(s.t, s.cfg.DataDir, strings.TrimPrefix(T, "/tenants/"))
	file := s.owner.raw("POST", "/api/v1"+T+"/files?name=a.csv", "application/octet-stream", "a,b\n1,2\n").want(http.StatusCreated).text("id")
	from := s.upstream.api
	if slices.ContainsFunc(spec.Fields, func(f datasource.Field) bool { return f.Name == "port" }) {
		from = s.upstream.raw
	}
	for _, address := range []string{from, s.upstream.nobody} {
		settings, secrets := s.settings(spec, address, file, auth)
		in := object{"name": spec.Type + " at " + address, "type": spec.Type, "settings": settings, "secrets": secrets}
		made := s.owner.call("POST", T+"/datasources", in).want(http.StatusCreated)
		s.owner.call("POST", T+"/datasources", in).want(http.StatusConflict)
		s.changes(T+"/datasources", made.text("id"), in)
		if slices.Contains(fixedAddress, spec.Type) {
			return
		}
		if questions[spec.Type] == nil {
			s.t.Fatalf("nothing is asked of the type %q: add it to questions", spec.Type)
		}
		s.use(T, made.text("id"), in, questions[spec.Type])
	}
}

// settings fills in all secrets of a type, and what it takes to be saved.
func (s *sweep) settings(spec datasource.Spec, address, file, auth string) (settings, secrets object) {
	host, port, err := net.SplitHostPort(address)
	must(s.t, err)
	number, err := strconv.Atoi(port)
	must(s.t, err)
	settings, secrets = object{}, object{}
	known := object{
		"host": host, "port": number, "baseUrl": "http://" + address, "endpoint": "http://" + address + "/graphql", "tokenUrl": "http://" + address + "/token",
		"sslmode": "disable", "file": "shop.db", "tls": false, "auth": strings.TrimSuffix(auth, ", refused"), "username": "somebody", "clientId": "somebody",
		"bucket": "bucket", "email": "somebody@example.com", "accountSid": "AC" + strings.Repeat("0", 32), "propertyId": "123456", "baseId": "app12345678901234",
	}
	if spec.Type == "s3" {
		known["endpoint"] = address
	}
	if strings.HasSuffix(auth, "refused") {
		known["tokenUrl"] = "http://" + address + "/no"
	}
	for _, f := range spec.Fields {
		name := "the " + f.Name + " of " + spec.Type + " " + auth
		switch value, ok := known[f.Name]; {
		case f.Secret && f.Type == datasource.FieldText:
			secrets[f.Name] = s.secrets.serviceAccount(s.t, name)
		case f.Secret:
			secrets[f.Name] = s.secrets.text(name)
		case f.Type == datasource.FieldFile:
			settings[f.Name] = file
		case ok && len(f.Enum) > 0 && !slices.Contains(f.Enum, fmt.Sprint(value)):
			settings[f.Name] = f.Enum[0]
		case ok:
			settings[f.Name] = value
		case f.Required:
			settings[f.Name] = "somebody"
		}
	}
	return settings, secrets
}

// changes reads a datasource and changes it, and is refused doing so.
func (s *sweep) changes(path, id string, in object) {
	s.t.Helper()
	s.owner.call("POST", path, object{"name": "no such type", "type": s.secrets.plain("a type"), "secrets": in["secrets"]}).want(http.StatusUnprocessableEntity)
	s.owner.call("POST", path, object{"name": "no such secret", "type": in["type"], "settings": in["settings"], "secrets": object{"nobody": s.secrets.text("an unknown secret")}}).
		want(http.StatusUnprocessableEntity)
	s.owner.call("POST", path, object{"name": "no such setting", "type": in["type"], "settings": object{"password": s.secrets.text("a password among the settings")}}).
		want(http.StatusUnprocessableEntity)
	kept, changed := object{}, object{}
	for name := range in["secrets"].(object) {
		kept[name], changed[name] = "••••••••", s.secrets.text("another "+name)
		if strings.Contains(fmt.Sprint(in["secrets"].(object)[name]), "PRIVATE KEY") {
			changed[name] = s.secrets.serviceAccount(s.t, "another "+name)
		}
		s.owner.call("PATCH", path+"/"+id, object{"secrets": object{name: s.secrets.text("one with a line break") + "\n\x00"}})
	}
	s.owner.call("PATCH", path+"/"+id, object{"secrets": changed, "version": 99}).want(http.StatusPreconditionFailed)
	s.owner.call("PATCH", path+"/"+id, object{"secrets": changed}).want(http.StatusOK)
	s.owner.call("PATCH", path+"/"+id, object{"secrets": kept, "description": "kept"}).want(http.StatusOK)
	for _, way := range []string{"", "/usage"} {
		s.owner.call("GET", path+"/"+id+way, nil).want(http.StatusOK)
	}
	s.owner.call("GET", path, nil).want(http.StatusOK)
}

// use connects, and asks for what fails and what works.
func (s *sweep) use(T, id string, in object, operations []object) {
	s.t.Helper()
	s.owner.call("POST", T+"/datasources/"+id+"/test", nil).want(http.StatusOK)
	s.owner.call("POST", T+"/datasources/test", in).want(http.StatusOK)
	s.owner.call("GET", T+"/datasources/"+id+"/schema?refresh=true", nil)
	params := []object{{"name": "p", "type": "string", "sensitive": true}}
	for i, operation := range operations {
		text := fmt.Sprint(operation)
		in := object{"name": fmt.Sprint(in["name"], " ", i), "datasourceId": id, "operation": operation}
		if strings.Contains(text, "{{ p }}") {
			in["params"] = params
		}
		query := T + "/queries/" + s.owner.call("POST", T+"/queries", in).want(http.StatusCreated).text("id")
		values := func() object {
			if in["params"] == nil {
				return nil
			}
			return object{"p": s.secrets.text("a sensitive value for " + text)}
		}
		for _, accept := range []string{"application/json", "text/csv", "application/x-ndjson"} {
			s.owner.with("Accept", accept).call("POST", query+"/run", object{"params": values()})
		}
		if in["params"] != nil {
			s.owner.call("POST", query+"/run", object{"params": object{"p": []string{s.secrets.text("a sensitive value of another type")}}}).want(http.StatusUnprocessableEntity)
		}
		tested := object{"datasourceId": id, "operation": operation, "params": params, "values": values()}
		if in["params"] == nil {
			delete(tested, "params")
		}
		s.owner.call("POST", T+"/queries/test", tested)
		s.owner.call("POST", T+"/queries/explain", tested)
		s.owner.call("PATCH", query, object{"transform": object{"language": "script", "text": "throw new Error(JSON.stringify(input.params))"}}).want(http.StatusOK)
		s.owner.call("POST", query+"/run", object{"params": values()})
	}
	s.owner.call("GET", T+"/executions", nil).want(http.StatusOK)
	s.owner.call("GET", T+"/audit", nil).want(http.StatusOK)
}

// postgres is a real server, with the right password and a wrong one.
func (s *sweep) postgres() {
	s.t.Helper()
	dsn := testdb.PostgresDatabase(s.t)
	right := postgresSource(s.t, dsn)
	password := right.Secrets["password"]
	if len(password) >= 2*window { // one that was given may be a word
		s.secrets.known("the password of PostgreSQL", password, 0)
	}
	T := "/tenants/" + s.owner.call("POST", "/tenants", object{"name": "PostgreSQL"}).want(http.StatusCreated).text("id")
	for name, secret := range map[string]string{"right": password, "wrong": s.secrets.text("a wrong password of PostgreSQL")} {
		in := object{"name": name, "type": "postgres", "settings": right.Settings, "secrets": object{"password": secret}}
		id := s.owner.call("POST", T+"/datasources", in).want(http.StatusCreated).text("id")
		s.use(T, id, in, []object{
			{"text": "SELECT 1 AS one WHERE 'x' = {{ p }}"},
			{"text": "SELECT CAST({{ p }} AS text)::integer"},
			{"text": "SELECT nothing FROM nowhere WHERE 'x' = {{ p }}"},
			{"text": "SELECT 1 WHERE 'x' ~ ('(' || {{ p }})"},
			{"text": "SELECT CAST({{ p }} AS text)::json"},
		})
	}
}
