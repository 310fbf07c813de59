package service

import (
	"net/url"
	"slices"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// authentication is an [Auth] that was checked against the fields.
type authentication struct {
	Auth
	tokenURL *url.URL
}

func newAuthentication(in Auth, fields []datasource.Field, faults *problem.Faults) authentication {
	a := authentication{Auth: in}
	types := []string{AuthBearer, AuthBasic, AuthHeader, AuthClientCredentials, AuthServiceAccount}
	faults.Check(slices.Contains(types, in.Type), "auth.type", "is not a known type")
	secret, ok := fieldOf(fields, in.Secret)
	faults.Check(ok && secret.Secret && secret.Required, "auth.secret", "must name a secret field that is required")
	if in.Type == AuthBasic || in.Type == AuthClientCredentials {
		name, ok := fieldOf(fields, in.Username)
		faults.Check(ok && !name.Secret && name.Required && name.Target, "auth.username", "must name a field that is required, a target and not secret")
	}
	if in.Type == AuthHeader {
		faults.Check(httpapi.KeyHeaderAllowed(in.Header), "auth.header", "must be the name of a header that can be set")
		faults.Check(printable(in.Prefix), "auth.prefix", "must be printable ASCII")
	}
	if in.Type == AuthClientCredentials || in.Type == AuthServiceAccount {
		a.tokenURL = parseTokenURL(in.TokenURL, faults)
	}
	return a
}

func (a authentication) check(s datasource.Settings, faults *problem.Faults) {
	if a.Type == AuthServiceAccount {
		_, err := httpapi.NewServiceAccount(a.tokenURL, a.Scope, s.Secret(a.Secret))
		faults.Check(err == nil, "secrets."+a.Secret, "must be the JSON key of a service account, as Google's console gives it")
		return
	}
	faults.Check(printable(s.Secret(a.Secret).Reveal()) || a.Type == AuthBasic || a.Type == AuthClientCredentials,
		"secrets."+a.Secret, "must be printable ASCII: it goes into a header")
}

func (a authentication) open(base *url.URL, headers map[string]string, s datasource.Settings) (*httpapi.API, error) {
	secret, username := s.Secret(a.Secret), fieldText(s, a.Username)
	switch a.Type {
	case AuthBasic:
		return httpapi.New(base, headers, httpapi.Basic(username, secret), s.Egress), nil
	case AuthHeader:
		return httpapi.New(base, headers, httpapi.HeaderKey(a.Header, a.Prefix, secret), s.Egress), nil
	case AuthClientCredentials:
		return httpapi.NewWithTokens(base, headers, httpapi.ClientCredentials{TokenURL: a.tokenURL, ID: username, Secret: secret, Scope: a.Scope}, s.Egress), nil
	case AuthServiceAccount:
		account, err := httpapi.NewServiceAccount(a.tokenURL, a.Scope, secret)
		if err != nil {
			return nil, problem.New(problem.Invalid, "credentials_invalid", "the key of the service account cannot be read").
				Fix("enter the JSON key again").Because(err)
		}
		return httpapi.NewWithTokens(base, headers, account, s.Egress), nil
	}
	return httpapi.New(base, headers, httpapi.Bearer(secret), s.Egress), nil
}
