package httpapi

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// ClientCredentials is the grant of RFC 6749, section 4.4.
type ClientCredentials struct {
	TokenURL *url.URL
	ID       string
	Secret   secret.Text
	Scope    string // may be empty
	Audience string // may be empty; some servers need it
	InBody   bool   // id and secret go into the form, not into a header
}

func (c ClientCredentials) grant() grant {
	return grant{url: c.TokenURL, request: c.request, secret: []string{c.Secret.Reveal(), c.basic()}}
}

func (c ClientCredentials) request(time.Time) (url.Values, http.Header, error) {
	form, header := url.Values{"grant_type": {"client_credentials"}}, http.Header{}
	if c.Scope != "" {
		form.Set("scope", c.Scope)
	}
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	if c.InBody {
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret.Reveal())
	} else {
		header.Set("Authorization", "Basic "+c.basic())
	}
	return form, header, nil
}

// basic is written as section 2.3.1 wants it: both parts are form-encoded first.
func (c ClientCredentials) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret.Reveal())))
}
