package jetadmin_test

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/rbac"
)

// waysIn are those beside a password: an invitation, a link to a new password, and
// another's sign-in.
func (s *sweep) waysIn() {
	s.t.Helper()
	s.invited()
	s.forgotten()
	s.byIssuer()
}

func (s *sweep) invited() {
	s.t.Helper()
	const email = "invited@example.com"
	var list struct {
		Items []struct{ ID, Builtin string }
	}
	s.owner.call("GET", s.tenant+"/roles?limit=200", nil).want(http.StatusOK).into(&list)
	var roles []string
	for _, role := range list.Items {
		if role.Builtin == rbac.Viewer {
			roles = append(roles, role.ID)
		}
	}
	invitation := s.owner.call("POST", s.tenant+"/invitations", object{"email": email, "roleIds": roles}).want(http.StatusCreated)
	accept := func(token, password string) *reply {
		return s.anybody.call("POST", "/invitations/accept", object{"token": token, "email": email, "name": "Invited", "password": password})
	}
	accept("jai_"+s.secrets.plain("a made-up token of an invitation"), s.secrets.text("a password for no invitation")).want(http.StatusNotFound)
	accept(invitation.text("token"), s.secrets.text("the password of an invited person")).want(http.StatusOK)
}

func (s *sweep) forgotten() {
	s.t.Helper()
	m := s.member(rbac.Viewer)
	s.anybody.call("POST", "/auth/password/forgot", object{"email": m.User.Email}).want(http.StatusAccepted)
	_, token, _ := strings.Cut((<-s.links).URL, "#token=")
	s.secrets.known("the token of a link to a new password", token, visible(token))
	reset := func(token, password string) *reply {
		return s.anybody.call("POST", "/auth/password/reset", object{"token": token, "password": password})
	}
	reset("jar_"+s.secrets.plain("a made-up token of a reset"), s.secrets.text("a password for no reset")).want(http.StatusUnauthorized)
	reset(token, s.secrets.text("a password after a reset")).want(http.StatusNoContent)
}

func (s *sweep) byIssuer() {
	s.t.Helper()
	s.issuer.SignIn(map[string]any{"sub": "grace", "name": "Grace"})
	client := *s.anybody.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	browser := *s.anybody
	browser.http = &client
	begun := browser.call("GET", "/auth/oidc/test/start?next=/", nil).want(http.StatusFound)
	page, err := (&http.Client{CheckRedirect: client.CheckRedirect}).Get(begun.Header.Get("Location"))
	must(s.t, err)
	_ = page.Body.Close()
	back, err := page.Location()
	must(s.t, err)
	s.secrets.known("the code of an issuer", back.Query().Get("code"), 0)
	kept := cookies(begun)[0]
	done := browser.with("Cookie", kept.Name+"="+kept.Value).call("GET", "/auth/oidc/test/callback?"+back.RawQuery, nil).want(http.StatusSeeOther)
	for _, c := range cookies(done) {
		if c.Name == auth.CookieName {
			browser.with("Cookie", c.Name+"="+c.Value).call("GET", "/auth/me", nil).want(http.StatusOK)
		}
	}
	browser.call("GET", "/auth/oidc/test/callback?state=x&code="+url.QueryEscape(s.secrets.text("a code of nobody")), nil).want(http.StatusUnauthorized)
	token := s.issuer.Token("grace")
	s.secrets.known("the token of an issuer", token, 0)
	s.anybody.bearer(token).call("GET", "/auth/me", nil).want(http.StatusOK)
}
