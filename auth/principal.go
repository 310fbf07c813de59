package auth

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/internal/tenantid"
	"github.com/jetadmin/jetadmin/problem"
)

// Kind tells what sort of caller a [Principal] is.
type Kind string

// The kinds of principal.
const (
	KindUser    Kind = "user"    // a person, by session or by a host's own sign-in
	KindAPIKey  Kind = "apiKey"  // an API key, within the rights of who made it
	KindService Kind = "service" // a run, or a part of the host program, with exactly its grants
)

// Principal is who makes a call and, below a tenant's route, in which tenant.
//
// An [Authenticator] returns one that names the caller; the library fills in
// the rest (user id, tenant, roles). It is made once at the edge of a call and
// must not be changed afterwards; [NewContext] stores a copy.
type Principal struct {
	Kind Kind

	// UserID is the account: of the person, of an API key's creator, or of the
	// user on whose behalf a service works. An Authenticator for accounts that
	// live elsewhere leaves it empty and sets Issuer and Subject.
	UserID string

	// Issuer and Subject name an account of another system, e.g. the host's own
	// users or an OIDC provider. The pair is the identity; Email and Name are
	// only for display and never link two accounts.
	Issuer, Subject string
	Email, Name     string

	// Claims are what the identity provider or the host says of the caller.
	Claims map[string]any

	KeyID     string // the API key, for KindAPIKey
	SessionID string // the session, when there is one
	Service   string // the name of the service, for KindService, e.g. "run"

	// TenantID is the tenant of the call; "" outside of a tenant. An API key has
	// one from the start. An Authenticator that sets it confines its caller to
	// that tenant; membership is proven like everybody's.
	TenantID string

	// Roles are the ids of the caller's roles in the tenant.
	Roles []string

	// Scopes limit an API key: what is not covered is refused whatever the roles say.
	Scopes []Permission

	// Grants are the whole of a service's rights. A person or key has none.
	Grants []Grant

	use    *keyUse    // of an API key
	until  time.Time  // of an issuer's token: when it is over; zero = it does not end
	viewed *Principal // whom he is shown the tenant as; nil = as himself
}

// Grant is a right to do one thing, to one object or (ObjectID "") to all of
// its kind in the tenant. The permission may be a wildcard, see [Permission.Covers].
type Grant struct {
	Permission Permission `json:"permission"`
	ObjectID   string     `json:"objectId,omitempty"`
}

// ServicePrincipal returns the principal of a part of the host program that acts
// in a tenant with exactly the given grants:
//
//	ctx = auth.NewContext(ctx, auth.ServicePrincipal(tenantID, "billing", auth.Grant{Permission: auth.WorkflowExecute}))
func ServicePrincipal(tenantID, name string, grants ...Grant) *Principal {
	return &Principal{Kind: KindService, Service: name, TenantID: tenantID, Grants: grants}
}

// Actor is the stable name of the caller for records: "user:<id>",
// "apiKey:<id>" or "service:<name>".
func (p *Principal) Actor() string {
	switch p.Kind {
	case KindAPIKey:
		return "apiKey:" + p.KeyID
	case KindService:
		return "service:" + p.Service
	}
	return "user:" + p.UserID
}

// InTenant returns a copy of p that acts in a tenant with the given roles.
func (p *Principal) InTenant(tenantID string, roles []string) *Principal {
	c := p.clone()
	c.TenantID, c.Roles = tenantID, slices.Clone(roles)
	return c
}

func (p *Principal) clone() *Principal {
	c := *p
	c.Roles, c.Scopes, c.Grants = slices.Clone(p.Roles), slices.Clone(p.Scopes), slices.Clone(p.Grants)
	c.Claims = maps.Clone(p.Claims)
	if p.viewed != nil {
		c.viewed = p.viewed.clone()
	}
	return &c
}

type contextKey struct{}

// NewContext returns a context in which every call is made by p.
func NewContext(ctx context.Context, p *Principal) context.Context {
	if p == nil {
		return ctx
	}
	return context.WithValue(tenantid.NewContext(ctx, p.TenantID), contextKey{}, p.clone())
}

// WithoutPrincipal returns a context whose call is made by nobody, in the same
// tenant: for work whose outcome others will get too, so that it cannot depend on
// the caller.
func WithoutPrincipal(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, (*Principal)(nil))
}

// FromContext returns the principal of the call, or nil: then every service
// method refuses. The result must not be changed.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// Person is the principal of a call that only a signed-in person can make as himself,
// not a key or a part of the program. Errors: Unauthenticated, Forbidden.
func Person(ctx context.Context) (*Principal, error) {
	who := FromContext(ctx)
	if who == nil {
		return nil, problem.New(problem.Unauthenticated, "sign_in_required", "this needs a signed-in caller")
	}
	if who.Kind != KindUser || who.UserID == "" {
		return nil, problem.New(problem.Forbidden, "person_required", "only a signed-in person can do this")
	}
	if err := who.MayChange(); err != nil {
		return nil, err
	}
	return who, nil
}
