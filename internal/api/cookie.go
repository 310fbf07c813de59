package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// hostPrefix begins the name of a cookie where a browser can be made to refuse it
// from anybody but this host (RFC 6265bis).
const hostPrefix = "__Host-"

const hostCookie = hostPrefix + auth.CookieName

// sessionCookie carries a session token to a browser.
func (a *API) sessionCookie(ctx context.Context, token string, expires time.Time) http.Cookie {
	return a.cookie(ctx, auth.CookieName, token, expires)
}

// cookie is one that only this server reads, and no script.
func (a *API) cookie(ctx context.Context, name, value string, expires time.Time) http.Cookie {
	return http.Cookie{
		Name:     a.cookieName(ctx, name),
		Value:    value,
		Path:     cmp.Or(a.cfg.BasePath, "/"),
		Expires:  expires,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   clientOf(ctx).secure,
	}
}

// cookieName is the name of a cookie with the prefix, where that is possible: over
// TLS, at the root.
func (a *API) cookieName(ctx context.Context, name string) string {
	if a.cfg.BasePath == "" && clientOf(ctx).secure {
		return hostPrefix + name
	}
	return name
}

// noSessionCookie takes the cookie away again.
func (a *API) noSessionCookie(ctx context.Context) http.Cookie {
	cookie := a.sessionCookie(ctx, "", time.Time{})
	cookie.MaxAge = -1
	return cookie
}

// preferHostCookie shows the session cookie that only this host can have set
// under the name that package auth looks for, and hides the others: a sister
// domain may have planted them. Below a path that cookie is of another App, at the
// root of this host: it says nothing here.
func (a *API) preferHostCookie(r *http.Request) *http.Request {
	if a.cfg.BasePath != "" {
		return r
	}
	sure := r.CookiesNamed(hostCookie)
	if len(sure) == 0 {
		return r
	}
	all := r.Cookies()
	r = r.Clone(r.Context())
	r.Header.Del("Cookie")
	for _, cookie := range all {
		switch cookie.Name {
		case auth.CookieName:
		case hostCookie:
			r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: cookie.Value})
		default:
			r.AddCookie(cookie)
		}
	}
	return r
}
