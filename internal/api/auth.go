package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
)

func (a *API) authRoutes() {
	const tag = "sign-in"
	register(a, Operation{
		ID: "setup", Method: http.MethodPost, Path: "/auth/setup", Access: Public, Tag: tag, Status: http.StatusCreated,
		Summary:     "Make the first account",
		Description: "The one-time token stands in the server's log. Once there is an account this is a conflict: further ones are made by whoever runs the server.",
		Example:     map[string]any{"token": "jau_…", "email": "ada@example.com", "password": "correct horse battery staple", "name": "Ada"},
	}, a.setup)
	register(a, Operation{
		ID: "login", Method: http.MethodPost, Path: "/auth/login", Access: Public, Tag: tag,
		Summary:     "Sign in with e-mail address and password",
		Description: "The token also comes as a cookie, for browsers.",
		Example:     map[string]any{"email": "ada@example.com", "password": "correct horse battery staple"},
	}, a.login)
	register(a, Operation{
		ID: "logout", Method: http.MethodPost, Path: "/auth/logout", Access: SignedIn, Tag: tag, Unkeyed: true,
		Summary: "End the session of this call",
	}, a.logout)
	register(a, Operation{
		ID: "getMe", Method: http.MethodGet, Path: "/auth/me", Access: SignedIn, Tag: tag,
		Summary: "The caller, with tenants, roles and permissions",
	}, a.me)
	register(a, Operation{
		ID: "updateMe", Method: http.MethodPatch, Path: "/auth/me", Access: SignedIn, Tag: tag,
		Summary: "Change the caller's own account",
		Example: map[string]any{"name": "Ada Lovelace", "version": 1},
	}, a.updateMe)
	register(a, Operation{
		ID: "changePassword", Method: http.MethodPost, Path: "/auth/password", Access: SignedIn, Tag: tag, Unkeyed: true,
		Summary:     "Change the password, and begin a new session",
		Description: "Every session ends, that of this call too; the token of the new one also comes as a cookie. The caller's API keys are revoked unless `keepKeys` is true.",
	}, a.changePassword)
	if a.cfg.Auth.CanReset() {
		a.resetRoutes(tag)
	}
	register(a, Operation{
		ID: "listSessions", Method: http.MethodGet, Path: "/auth/sessions", Access: SignedIn, Tag: tag,
		Summary: "The caller's own sessions",
	}, a.sessions)
	register(a, Operation{
		ID: "revokeSession", Method: http.MethodDelete, Path: "/auth/sessions/{id}", Access: SignedIn, Tag: tag,
		Summary: "End one of the caller's own sessions",
	}, a.revokeSession)
}

type loginOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Location  string      `header:"Location" hidden:"true"`
	Body      auth.Login
}

func (a *API) begun(ctx context.Context, login auth.Login) *loginOutput {
	return &loginOutput{SetCookie: a.sessionCookie(ctx, login.Token, login.ExpiresAt), Body: login}
}

type setupInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"200"`
		Email    string `json:"email" maxLength:"320"`
		Password string `json:"password" maxLength:"4000"`
		Name     string `json:"name" maxLength:"1000"`
	} `nameHint:"Setup"`
}

func (a *API) setup(ctx context.Context, in *setupInput) (*loginOutput, error) {
	c := clientOf(ctx)
	login, err := a.cfg.Auth.Setup(ctx, auth.Setup{
		Token: in.Body.Token, Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name,
		UserAgent: c.userAgent, Address: c.address,
	})
	out := a.begun(ctx, login)
	out.Location = a.cfg.BasePath + apiPrefix + "/auth/me"
	return out, err
}

type loginInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"1000"`
		Password string `json:"password" maxLength:"4000"`
	} `nameHint:"Credentials"`
}

func (a *API) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	c := clientOf(ctx)
	login, err := a.cfg.Auth.Login(ctx, auth.Credentials{
		Email: in.Body.Email, Password: in.Body.Password, UserAgent: c.userAgent, Address: c.address,
	})
	return a.begun(ctx, login), err
}

type logoutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) logout(ctx context.Context, _ *struct{}) (*logoutOutput, error) {
	return &logoutOutput{SetCookie: a.noSessionCookie(ctx)}, a.cfg.Auth.Logout(ctx)
}

// Me is the caller, and what the caller may do where.
type Me struct {
	User    auth.User  `json:"user"`
	Tenants []MyTenant `json:"tenants"`
}

// MyTenant is a tenant that the caller belongs to.
type MyTenant struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	LogoURL     string               `json:"logoUrl" doc:"empty = none"`
	Roles       []tenancy.MemberRole `json:"roles"`
	Permissions []auth.Permission    `json:"permissions" doc:"everything that the caller may do here, without wildcards"`
	SuspendedAt *time.Time           `json:"suspendedAt" doc:"since when nobody may do anything here"`
}

func (a *API) me(ctx context.Context, _ *struct{}) (*versioned[Me], error) {
	user, err := a.cfg.Auth.Me(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := a.myTenants(ctx)
	if err != nil {
		return nil, err
	}
	return &versioned[Me]{ETag: etag(user.Version), Body: Me{User: user, Tenants: tenants}}, nil
}

func (a *API) myTenants(ctx context.Context) ([]MyTenant, error) {
	mine, err := a.mine(ctx)
	if err != nil {
		return nil, err
	}
	tenants := make([]MyTenant, 0, len(mine))
	for _, m := range mine {
		one := MyTenant{ID: m.Tenant.ID, Name: m.Tenant.Name, LogoURL: m.Tenant.LogoURL, Roles: m.Roles, Permissions: []auth.Permission{}, SuspendedAt: m.Tenant.SuspendedAt}
		if m.Tenant.SuspendedAt != nil {
			tenants = append(tenants, one)
			continue
		}
		who, err := a.cfg.Auth.Enter(ctx, auth.FromContext(ctx), m.Tenant.ID)
		if problem.Is(err, problem.NotFound) {
			continue // an API key is of one tenant only; a membership may have just ended
		}
		if err != nil {
			return nil, err
		}
		if one.Permissions, err = a.cfg.RBAC.Effective(auth.NewContext(ctx, who)); err != nil {
			return nil, err
		}
		tenants = append(tenants, one)
	}
	return tenants, nil
}

type updateMeInput struct {
	VersionInput
	Body struct {
		Name    *string `json:"name,omitempty"`
		Version int     `json:"version,omitempty" minimum:"1"`
	} `nameHint:"MeUpdate"`
}

func (a *API) updateMe(ctx context.Context, in *updateMeInput) (*versioned[auth.User], error) {
	version, err := in.version(in.Body.Version)
	if err != nil {
		return nil, err
	}
	user, err := a.cfg.Auth.UpdateMe(ctx, auth.MeUpdate{Name: in.Body.Name, Version: version})
	return &versioned[auth.User]{ETag: etag(user.Version), Body: user}, err
}

type passwordInput struct {
	Body struct {
		Old string `json:"old" maxLength:"4000"`
		New string `json:"new" maxLength:"4000"`

		KeepKeys bool `json:"keepKeys,omitempty" doc:"leave the caller's API keys good; default: they are revoked in every tenant"`
	} `nameHint:"PasswordChange"`
}

func (a *API) changePassword(ctx context.Context, in *passwordInput) (*loginOutput, error) {
	c := clientOf(ctx)
	login, err := a.cfg.Auth.ChangePassword(ctx, auth.PasswordChange{
		Old: in.Body.Old, New: in.Body.New, KeepKeys: in.Body.KeepKeys, UserAgent: c.userAgent, Address: c.address,
	})
	return a.begun(ctx, login), err
}

type sessionsOutput struct {
	Body struct {
		Items []auth.Session `json:"items"`
	} `nameHint:"AuthSessionList"`
}

func (a *API) sessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	sessions, err := a.cfg.Auth.Sessions(ctx)
	out := &sessionsOutput{}
	out.Body.Items = sessions
	return out, err
}

type sessionInput struct {
	ID string `path:"id"`
}

func (a *API) revokeSession(ctx context.Context, in *sessionInput) (*struct{}, error) {
	return nil, a.cfg.Auth.RevokeSession(ctx, in.ID)
}
