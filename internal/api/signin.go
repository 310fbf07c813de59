package api

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
)

// SignInPath is the path, below the base path, at which an issuer's answers come
// back.
func SignInPath(provider string) string {
	return apiPrefix + "/auth/oidc/" + provider + "/callback"
}

func (a *API) signInRoutes() {
	const tag = "sign-in"
	register(a, Operation{
		ID: "listProviders", Method: http.MethodGet, Path: "/auth/providers", Access: Public, Tag: tag,
		Summary: "The ways to sign in",
	}, a.providers)
	if len(a.cfg.Auth.Providers()) == 0 {
		return
	}
	register(a, Operation{
		ID: "beginSignIn", Method: http.MethodGet, Path: "/auth/oidc/{provider}/start", Access: Public, Tag: tag, Status: http.StatusFound,
		Summary:     "Go to a provider to sign in",
		Description: "For browsers: leads to the provider, and from there, signed in, to `next`.",
	}, a.beginSignIn)
	a.registerRaw(Operation{
		ID: "finishSignIn", Method: http.MethodGet, Path: "/auth/oidc/{provider}/callback", Access: Public, Tag: tag,
		Summary:     "Come back from a provider",
		Description: "The address that is registered at the provider. Begins a session, sets its cookie, and leads to the `next` of the start.",
		Query: []*huma.Param{
			textParam("state", "of the start"), textParam("code", "what the session is given for"),
			textParam("error", "why there is no code"), textParam("iss", "the issuer (RFC 9207)"),
		},
	}, http.HandlerFunc(a.finishSignIn), map[string]*huma.Response{
		"303":     {Description: "signed in", Headers: map[string]*huma.Param{"Location": {Schema: &huma.Schema{Type: huma.TypeString}}}},
		"default": problemResponse("any other problem"),
	})
}

func textParam(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// SignInProvider is a provider at which one can sign in by the browser.
type SignInProvider struct {
	auth.Provider
	URL string `json:"url" doc:"where to go to; needs the parameter next"`
}

type providersOutput struct {
	Body struct {
		Items []SignInProvider `json:"items"`
	} `nameHint:"SignInProviders"`
}

func (a *API) providers(context.Context, *struct{}) (*providersOutput, error) {
	out := &providersOutput{}
	out.Body.Items = []SignInProvider{}
	for _, p := range a.cfg.Auth.Providers() {
		out.Body.Items = append(out.Body.Items, SignInProvider{p, a.cfg.BasePath + apiPrefix + "/auth/oidc/" + p.Name + "/start"})
	}
	return out, nil
}

type beginSignInInput struct {
	Provider string `path:"provider"`
	Next     string `query:"next" required:"true" maxLength:"2000" doc:"the path on this server to go to when signed in"`
}

type beginSignInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Location  string      `header:"Location"`
}

func (a *API) beginSignIn(ctx context.Context, in *beginSignInInput) (*beginSignInOutput, error) {
	begun, err := a.cfg.Auth.BeginSignIn(ctx, auth.SignIn{Provider: in.Provider, Next: in.Next, Address: clientOf(ctx).address})
	return &beginSignInOutput{SetCookie: a.cookie(ctx, begun.Cookie, begun.Secret, begun.ExpiresAt), Location: begun.URL}, err
}

// finishSignIn reads the query itself: providers send parameters of their own.
func (a *API) finishSignIn(w http.ResponseWriter, r *http.Request) {
	ctx, q := r.Context(), r.URL.Query()
	c := clientOf(ctx)
	var kept string // the cookie of the log-in
	login, next, err := a.cfg.Auth.FinishSignIn(ctx, auth.SignInAnswer{
		Provider: r.PathValue("provider"), Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error"),
		Secret: func(name string) string {
			kept = name
			cookie, err := r.Cookie(a.cookieName(ctx, name))
			if err != nil {
				return ""
			}
			return cookie.Value
		},
		UserAgent: c.userAgent, Address: c.address,
	})
	if kept != "" {
		gone := a.cookie(ctx, kept, "", time.Time{})
		gone.MaxAge = -1
		http.SetCookie(w, &gone)
	}
	if err != nil && strings.Contains(r.Header.Get("Accept"), "text/html") {
		showProblem(w, a.reply(ctx, err))
		return
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	session := a.sessionCookie(ctx, login.Token, login.ExpiresAt)
	http.SetCookie(w, &session)
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusSeeOther)
}

// showProblem is the reply to a person, whose browser has come here by itself.
func showProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%[1]s</title>`+
		`<h1>%[1]s</h1>%[2]s<p><small>%[3]s, request %[4]s</small></p></html>`+"\n",
		html.EscapeString(p.Detail), paragraph(p.Remedy), html.EscapeString(p.Code), html.EscapeString(p.RequestID)) // the browser may have gone
}

func paragraph(text string) string {
	if text == "" {
		return ""
	}
	return "<p>" + html.EscapeString(text) + "</p>"
}
