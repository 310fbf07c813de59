package rbac

import (
	"context"
	"fmt"
	"slices"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/tenantid"
	"github.com/jetadmin/jetadmin/problem"
)

// Authorize is an [auth.Authorize]: it returns the principal of ctx when he may
// do it to the object, or, with objectID "", to the kind as a whole.
//
// Errors: Unauthenticated without a principal; Forbidden without a tenant or the
// right, while the tenant is suspended, and for what a caller who views as somebody else
// may not do, see [Service.ViewAs]; Invalid for a service that is refused and has grants that do not exist; NotFound when the tenant is gone, and for what is not an id in its
// canonical form. It reads the database at most once in
// half a second per tenant and takes well under 1 µs otherwise.
//
// A caller who is refused goes into the audit record, unless it was only asked
// for, see [auth.AsQuestion]. This is the one place for it: every operation asks
// here, over HTTP as in Go.
func (s *Service) Authorize(ctx context.Context, permission auth.Permission, objectID string) (*auth.Principal, error) {
	who, err := s.authorize(ctx, permission, objectID)
	if problem.Is(err, problem.Forbidden) {
		s.deny(ctx, permission, objectID, err)
	}
	return who, err
}

func (s *Service) deny(ctx context.Context, permission auth.Permission, objectID string, err error) {
	if auth.IsQuestion(ctx) {
		return
	}
	s.denied(ctx, audit.Denial{
		TenantID: tenantid.FromContext(ctx), Action: string(permission), ObjectType: permission.Resource(), ObjectID: objectID, Code: problem.Of(err).Code,
	})
}

func (s *Service) authorize(ctx context.Context, permission auth.Permission, objectID string) (*auth.Principal, error) {
	who, err := s.inTenant(ctx)
	if err != nil {
		return nil, err
	}
	if !s.catalogue.has(permission) {
		return nil, problem.New(problem.Forbidden, "permission_unknown", "this needs a permission that does not exist")
	}
	if err := onlyReads(who, permission); err != nil {
		return nil, err
	}
	allowed, err := s.allows(ctx, who, permission, objectID)
	if err != nil {
		return nil, err
	}
	if !allowed {
		if err := knownGrants(who); err != nil {
			return nil, err
		}
		return nil, problem.Newf(problem.Forbidden, "permission_required", "this needs the permission %s", permission)
	}
	// PostgreSQL knows a UUID in any spelling. A rule for the object knows one: the
	// others would slip past it.
	if objectID != "" && !id.Valid(objectID) {
		return nil, problem.Missing(permission.Resource())
	}
	return who, nil
}

// Allowed answers the question of [Service.Authorize] with yes or no. An error
// means that there is no answer: who asks is not known, or the database failed.
func (s *Service) Allowed(ctx context.Context, permission auth.Permission, objectID string) (bool, error) {
	_, err := s.authorize(ctx, permission, objectID)
	if problem.Is(err, problem.Forbidden) {
		return false, nil
	}
	return err == nil, err
}

// Effective lists the permissions that the caller has for all objects of a kind,
// wildcards written out, in the order of the catalogue.
//
// Errors: Unauthenticated without a principal, Forbidden without a tenant.
func (s *Service) Effective(ctx context.Context) ([]auth.Permission, error) {
	who, err := s.inTenant(ctx)
	if err != nil {
		return nil, err
	}
	effective := []auth.Permission{}
	for _, info := range s.catalogue.list {
		allowed, err := s.allows(ctx, who, info.Permission, "")
		if err != nil {
			return nil, err
		}
		if allowed {
			effective = append(effective, info.Permission)
		}
	}
	return effective, nil
}

// Rights names the rights that the caller has in his tenant: after any change of the
// rules there, of his roles or of his scopes the name is another one. Outside of a tenant
// it is "".
func (s *Service) Rights(ctx context.Context) (string, error) {
	who := auth.FromContext(ctx)
	if who == nil || who.TenantID == "" {
		return "", nil
	}
	p, err := s.policies.get(ctx, who.TenantID)
	if err != nil {
		return "", fmt.Errorf("load the roles: %w", err)
	}
	roles := slices.Sorted(slices.Values(who.Roles))
	return fmt.Sprint(p.version, roles, who.Scopes), nil
}

func (s *Service) inTenant(ctx context.Context) (*auth.Principal, error) {
	who := auth.FromContext(ctx)
	switch {
	case who == nil:
		return nil, problem.New(problem.Unauthenticated, "sign_in_required", "this needs a signed-in caller")
	case who.TenantID == "":
		return nil, problem.New(problem.Forbidden, "tenant_required", "this needs a tenant")
	case who.Viewed() != nil:
		if err := s.mayView(ctx, who); err != nil {
			return nil, err
		}
	}
	return who, nil
}

// knownGrants tells a refusal from a slip of the host: a service whose grant is no
// permission at all would be refused for ever, and not know why.
func knownGrants(who *auth.Principal) error {
	if who.Kind != auth.KindService {
		return nil
	}
	var f problem.Faults
	for i, g := range who.Grants {
		f.Check(len(g.Permission.Expand()) > 0, fmt.Sprintf("grants[%d].permission", i), "is not a permission, nor a wildcard of some")
	}
	if err := f.Err("grant_unknown", "the service has grants that do not exist"); err != nil {
		return problem.Of(err).Fix("use the constants of package auth in auth.ServicePrincipal")
	}
	return nil
}

// allows decides for a permission of the catalogue and a principal in a tenant.
func (s *Service) allows(ctx context.Context, who *auth.Principal, permission auth.Permission, objectID string) (bool, error) {
	yes, err := s.allowsOne(ctx, who, permission, objectID)
	viewed := who.Viewed()
	if err != nil || !yes || viewed == nil {
		return yes, err
	}
	if !Reads(permission) {
		return false, nil
	}
	return s.allowsOne(ctx, viewed, permission, objectID)
}

// allowsOne is allows for a principal himself, whomever he views.
func (s *Service) allowsOne(ctx context.Context, who *auth.Principal, permission auth.Permission, objectID string) (bool, error) {
	switch who.Kind {
	case auth.KindService:
		if s.gone(who.TenantID) {
			return false, problem.Missing("tenant")
		}
		return granted(who.Grants, permission, objectID), nil
	case auth.KindAPIKey:
		if !covered(who.Scopes, permission) {
			return false, nil
		}
	case auth.KindUser:
	default:
		return false, nil
	}
	v, err := s.byRules(ctx, who, permission, objectID)
	if err != nil || v != unsaid {
		return v == allowed, err
	}
	return owns(ctx, s.db.DB, who, permission, objectID)
}

// byRules decides by the rules for a principal: by a decision that was made before,
// if it still stands.
func (s *Service) byRules(ctx context.Context, who *auth.Principal, permission auth.Permission, objectID string) (verdict, error) {
	var space [256]byte
	key := appendQuestion(space[:0], who.TenantID, who.Roles, permission, "")
	if d := s.decisions.find(key); d != nil && s.policies.stands(&d.ground.lease) && d.ground.general(who.UserID, permission, objectID) {
		return d.verdict, nil
	}
	p, err := s.policies.get(ctx, who.TenantID)
	if err != nil {
		return unsaid, fmt.Errorf("load the roles: %w", err)
	}
	q, err := s.questionFor(ctx, p, who, permission, objectID)
	if err != nil {
		return unsaid, err
	}
	if q.userID != "" || q.objectID != "" || q.parentID != "" {
		key = appendQuestion(space[:0], who.TenantID, who.Roles, permission, q.objectID, q.parentID, q.userID)
	}
	if d := s.decisions.find(key); d != nil && d.ground == p.ground {
		return d.verdict, nil
	}
	v, _, err := p.decide(&q)
	if err == nil {
		s.decisions.keep(&decision{key: string(key), verdict: v, ground: p.ground})
	}
	return v, err
}

// questionFor is a question as far as the rules of a policy can tell it from
// others.
func (s *Service) questionFor(ctx context.Context, p *policy, who *auth.Principal, permission auth.Permission, objectID string) (question, error) {
	q := question{roles: who.Roles, permission: permission}
	if p.ground.users[who.UserID] {
		q.userID = who.UserID
	}
	if objectID == "" || len(p.ground.objects) == 0 {
		return q, nil
	}
	if p.ground.objects[objectID] {
		q.objectID = objectID
	}
	if !isPart(permission) {
		return q, nil
	}
	parentID, err := s.parents.of(ctx, who.TenantID, objectID)
	if err == nil && p.ground.objects[parentID] {
		q.parentID = parentID
	}
	return q, err
}

// granted reports whether a service holds a right. A grant on one object says
// nothing about the kind as a whole.
func granted(grants []auth.Grant, permission auth.Permission, objectID string) bool {
	return slices.ContainsFunc(grants, func(g auth.Grant) bool {
		return g.Permission.Covers(permission) && (g.ObjectID == "" || g.ObjectID == objectID)
	})
}
