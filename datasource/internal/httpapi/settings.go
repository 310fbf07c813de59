package httpapi

import (
	"net/url"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// The values of the field "auth".
const (
	authNone   = "none"
	authBasic  = "basic"
	authBearer = "bearer"
	authAPIKey = "apiKey"
	authOAuth2 = "oauth2"
)

// AuthFields are the settings of a datasource whose authentication is chosen, as
// [Open] and [CheckSettings] read them beside the fields of the URL and "headers".
func AuthFields() []datasource.Field {
	return []datasource.Field{
		{Name: "auth", Title: "Authentication", Type: datasource.FieldString, Enum: []string{authNone, authBasic, authBearer, authAPIKey, authOAuth2}, Default: authNone},
		{Name: "username", Title: "User name", Type: datasource.FieldString, Target: true, Description: "For basic authentication."},
		{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true, Description: "For basic authentication."},
		{Name: "token", Title: "Token", Type: datasource.FieldString, Secret: true, Description: "For bearer authentication."},
		{Name: "apiKeyIn", Title: "Key goes into", Type: datasource.FieldString, Enum: []string{"header", "query"}, Default: "header"},
		{Name: "apiKeyName", Title: "Name of the key", Type: datasource.FieldString, Default: "X-API-Key"},
		{Name: "apiKey", Title: "Key", Type: datasource.FieldString, Secret: true},
		{Name: "tokenUrl", Title: "Token URL", Type: datasource.FieldString, Target: true, Description: "For OAuth 2 with client credentials."},
		{Name: "clientId", Title: "Client id", Type: datasource.FieldString, Target: true, Description: "For OAuth 2."},
		{Name: "clientSecret", Title: "Client secret", Type: datasource.FieldString, Secret: true, Description: "For OAuth 2."},
		{Name: "clientAuth", Title: "Client secret goes into", Type: datasource.FieldString, Enum: []string{"header", "body"}, Default: "header", Description: "For OAuth 2; most servers take it in a header."},
		{Name: "scope", Title: "Scope", Type: datasource.FieldString, Description: "For OAuth 2; several are separated by spaces."},
		{Name: "audience", Title: "Audience", Type: datasource.FieldString, Description: "For OAuth 2, where the server wants it."},
	}
}

// CheckSettings notes what is wrong with a URL (in the named field), headers and
// credentials.
func CheckSettings(s datasource.Settings, urlField string, faults *problem.Faults) {
	base, err := ParseURL(s.String(urlField))
	faults.Check(err == nil, "settings."+urlField, "must be an http or https URL without user, query and fragment")
	for name := range s.Map("headers") {
		faults.Check(HeaderAllowed(name), "settings.headers", "holds a header that cannot be set here; credentials belong to auth")
	}
	needs := map[string]string{authBasic: "password", authBearer: "token", authAPIKey: "apiKey", authOAuth2: "clientSecret"}
	if field := needs[s.String("auth")]; field != "" {
		faults.Check(!s.Secret(field).Empty(), "secrets."+field, "is required for this authentication, and must be entered again when the "+urlName(urlField)+" changes")
	}
	name := s.String("apiKeyName")
	faults.Check(Token(name), "settings.apiKeyName", "must be a name without spaces and separators")
	faults.Check(s.String("apiKeyIn") != "header" || !Token(name) || KeyHeaderAllowed(name), "settings.apiKeyName", "is a header that cannot be set")
	if s.String("auth") == authOAuth2 {
		checkOAuth2(s, base, faults)
	}
}

func urlName(field string) string {
	if field == "baseUrl" {
		return "base URL"
	}
	return field
}

// checkOAuth2 does not let the secret of an encrypted API travel in the clear.
func checkOAuth2(s datasource.Settings, base *url.URL, faults *problem.Faults) {
	faults.Check(s.String("clientId") != "", "settings.clientId", "is required for this authentication")
	tokens, err := ParseTokenURL(s.String("tokenUrl"))
	faults.Check(err == nil, "settings.tokenUrl", "must be an http or https URL without user and fragment")
	if err == nil && base != nil {
		faults.Check(tokens.Scheme == "https" || base.Scheme == "http", "settings.tokenUrl", "must begin with https:// as the API does")
	}
}

// Open makes the API that checked settings describe.
func Open(s datasource.Settings, urlField string) (*API, error) {
	base, err := ParseURL(s.String(urlField))
	if err != nil {
		return nil, err
	}
	headers := s.Map("headers")
	if s.String("auth") != authOAuth2 {
		return New(base, headers, auth(s), s.Egress), nil
	}
	tokens, err := ParseTokenURL(s.String("tokenUrl"))
	if err != nil {
		return nil, err
	}
	return NewWithTokens(base, headers, ClientCredentials{
		TokenURL: tokens, ID: s.String("clientId"), Secret: s.Secret("clientSecret"),
		Scope: s.String("scope"), Audience: s.String("audience"), InBody: s.String("clientAuth") == "body",
	}, s.Egress), nil
}

func auth(s datasource.Settings) Auth {
	switch s.String("auth") {
	case authBasic:
		return Basic(s.String("username"), s.Secret("password"))
	case authBearer:
		return Bearer(s.Secret("token"))
	case authAPIKey:
		name, key := s.String("apiKeyName"), s.Secret("apiKey")
		if s.String("apiKeyIn") == "header" {
			return HeaderKey(name, "", key)
		}
		return QueryKey(name, key)
	}
	return NoAuth()
}
