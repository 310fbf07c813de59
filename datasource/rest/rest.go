// Package rest connects datasources to HTTP APIs that answer in JSON.
//
// A parameter fills one value in the path, the query, a header or the JSON body
// of a request and is escaped for its place; it never adds a path segment, a
// header or a key. Requests go out through the server's egress policy and carry
// the credentials of the datasource, never those of a caller.
package rest

import (
	"context"
	"encoding/json"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "rest".
func Connector() datasource.Connector { return connector{} }

type connector struct{}

// The values of the field "auth".
const (
	authNone   = "none"
	authBasic  = "basic"
	authBearer = "bearer"
	authAPIKey = "apiKey"
)

func (connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "rest",
		Title:       "REST API",
		Description: "An HTTP API that answers in JSON.",
		Fields: []datasource.Field{
			{Name: "baseUrl", Title: "Base URL", Type: datasource.FieldString, Required: true, Target: true, Description: "What the paths of queries are appended to."},
			{Name: "headers", Title: "Headers", Type: datasource.FieldMap, Description: "Sent with every request. Everybody who may read the datasource sees them."},
			{Name: "auth", Title: "Authentication", Type: datasource.FieldString, Enum: []string{authNone, authBasic, authBearer, authAPIKey}, Default: authNone},
			{Name: "username", Title: "User name", Type: datasource.FieldString, Target: true, Description: "For basic authentication."},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true, Description: "For basic authentication."},
			{Name: "token", Title: "Token", Type: datasource.FieldString, Secret: true, Description: "For bearer authentication."},
			{Name: "apiKeyIn", Title: "Key goes into", Type: datasource.FieldString, Enum: []string{"header", "query"}, Default: "header"},
			{Name: "apiKeyName", Title: "Name of the key", Type: datasource.FieldString, Default: "X-API-Key"},
			{Name: "apiKey", Title: "Key", Type: datasource.FieldString, Secret: true},
		},
		Operation: json.RawMessage(operationSchema),
		Abilities: datasource.Abilities{Exec: true},
	}
}

// CheckSettings refuses URLs that are not one plain origin and path, credentials
// that are missing, and headers that are not the datasource's to set.
func (connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	if _, err := baseURL(s); err != nil {
		faults.Add("settings.baseUrl", "must be an http or https URL without user, query and fragment")
	}
	for name := range s.Map("headers") {
		faults.Check(headerAllowed(name), "settings.headers", "holds a header that cannot be set here; credentials belong to auth")
	}
	needs := map[string]string{authBasic: "password", authBearer: "token", authAPIKey: "apiKey"}
	if field := needs[s.String("auth")]; field != "" {
		faults.Check(!s.Secret(field).Empty(), "secrets."+field, "is required for this authentication, and must be entered again when the base URL changes")
	}
	faults.Check(token(s.String("apiKeyName")), "settings.apiKeyName", "must be a name without spaces and separators")
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	base, err := baseURL(s)
	if err != nil {
		return nil, err
	}
	return &conn{base: base, settings: s, client: s.Egress.Client()}, nil
}

func baseURL(s datasource.Settings) (*url.URL, error) {
	u, err := url.Parse(s.String("baseUrl"))
	if err != nil {
		return nil, errBaseURL()
	}
	if err := egress.CheckURL(u); err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(u.EscapedPath(), "..") {
		return nil, errBaseURL()
	}
	return u, nil
}

func errBaseURL() error {
	return problem.New(problem.Invalid, "url_invalid", "the base URL is not valid")
}

// headerAllowed refuses what belongs to the connection, to proxies, or to
// authentication.
func headerAllowed(name string) bool {
	if !token(name) {
		return false
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch canonical {
	case "Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection", "Cookie", "Cookie2",
		"Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Encoding",
		"Accept-Encoding", "Expect", "Forwarded", "Via", "X-Real-Ip":
		return false
	}
	return !strings.HasPrefix(canonical, "X-Forwarded-")
}

// token reports whether s is a token of RFC 9110, as names of headers are.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
