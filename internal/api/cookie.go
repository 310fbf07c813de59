package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// hostCookie is the name of the session cookie where a browser can be made to
// refuse it from anybody but this host (RFC 6265bis, "__Host-").
const hostCookie = "__Host-" + auth.CookieName

// sessionCookie carries a session token to a browser.
func (a *API) sessionCookie(ctx context.Context, token string, expires time.Time) http.Cookie {
	cookie := http.Cookie{
		Name:     auth.CookieName,
		Value:    token,
		Path:     a.cfg.BasePath,
		Expires:  expires,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   clientOf(ctx).secure,
	}
	if cookie.Path == "" {
		cookie.Path = "/"
		if cookie.Secure {
			cookie.Name = hostCookie
		}
	}
	return cookie
}

// noSessionCookie takes the cookie away again.
func (a *API) noSessionCookie(ctx context.Context) http.Cookie {
	cookie := a.sessionCookie(ctx, "", time.Time{})
	cookie.MaxAge = -1
	return cookie
}

// preferHostCookie shows the session cookie that only this host can have set
// under the name that package auth looks for, and hides the others: a sister
// domain may have planted them.
func preferHostCookie(r *http.Request) *http.Request {
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
