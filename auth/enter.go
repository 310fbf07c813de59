package auth

import (
	"context"
	"errors"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

var (
	errNotMember = errors.New("the user is not a member of the tenant")
	errTokenOver = errors.New("the token is over")
)

// Enter proves that p may act in a tenant and returns the principal that does,
// with its present roles. Who is confined to a tenant (an API key, a service)
// enters only that one. A tenant that is not there and one that p does not
// belong to are the same NotFound; one that is suspended is Forbidden for its
// members.
//
// Who is refused is in the record of no tenant: the tenant learns of its members
// alone.
func (s *Service) Enter(ctx context.Context, p *Principal, tenantID string) (*Principal, error) {
	entered, err := s.enter(ctx, p, tenantID)
	if problem.Is(err, problem.NotFound) {
		s.denied(NewContext(ctx, p), audit.Denial{Action: "tenant.enter", ObjectType: "tenant", ObjectID: tenantID, Code: problem.Of(err).Code})
	}
	return entered, err
}

func (s *Service) enter(ctx context.Context, p *Principal, tenantID string) (*Principal, error) {
	if p == nil {
		return nil, problem.New(problem.Unauthenticated, "unauthenticated", "sign in first")
	}
	if !id.Valid(tenantID) || (p.TenantID != "" && p.TenantID != tenantID) {
		return nil, problem.Missing("tenant")
	}
	if p.Kind == KindService {
		if p.TenantID == "" {
			return nil, problem.Missing("tenant")
		}
		return p.clone(), nil
	}
	roles, err := s.members.RolesOf(ctx, tenantID, p.UserID)
	if problem.Is(err, problem.NotFound) {
		return nil, problem.Missing("tenant").Because(err)
	}
	if err != nil {
		return nil, err
	}
	return p.InTenant(tenantID, roles), nil
}

// confined is [Service.Enter] for a credential that is of one tenant only: with
// the membership it loses everything, so it is refused as a credential.
func (s *Service) confined(ctx context.Context, p *Principal, tenantID string) (*Principal, error) {
	p, err := s.enter(ctx, p, tenantID)
	if problem.Is(err, problem.NotFound) {
		return nil, refuse(errNotMember)
	}
	return p, err
}

// Revalidate checks again what a long-lived connection began with: the session
// or key, the account, and the membership when p is in a tenant. It returns the
// principal as it is now.
//
// Unauthenticated says that the credential is over, NotFound that the
// membership is. It is not a use: it does not keep a session from ending. Who came
// with a token of an [OIDC] issuer is over when the token is. The session of
// another sign-in of the host's is known to the host alone; of such a caller only
// account and membership are checked. Who views as a member still does, with the roles
// that the member has now; NotFound says too that the member has left.
func (s *Service) Revalidate(ctx context.Context, p *Principal) (*Principal, error) {
	if p == nil {
		return nil, problem.New(problem.Unauthenticated, "unauthenticated", "sign in first")
	}
	fresh, err := s.revalidated(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.stillViewing(ctx, fresh, p)
}

func (s *Service) revalidated(ctx context.Context, p *Principal) (*Principal, error) {
	switch {
	case p.Kind == KindService:
		return p.clone(), nil
	case p.Kind == KindAPIKey:
		return s.keyStillGood(ctx, p)
	}
	fresh, err := s.userStillGood(ctx, p)
	if err != nil {
		return nil, err
	}
	fresh.Claims, fresh.until = p.Claims, p.until
	if p.TenantID == "" {
		return fresh, nil
	}
	return s.enter(ctx, fresh, p.TenantID)
}

func (s *Service) userStillGood(ctx context.Context, p *Principal) (*Principal, error) {
	if p.SessionID != "" {
		row, err := oneSession(ctx, s.db.DB, "s.id = ?", p.SessionID)
		if err != nil {
			return nil, err
		}
		if row.UserID != p.UserID {
			return nil, refuse(errSessionUnknown)
		}
		return row.principal(s.clock.Now(), s.sessionIdle)
	}
	row, err := userByID(ctx, s.db.DB, p.UserID)
	switch {
	case problem.Is(err, problem.NotFound):
		return nil, refuse(err)
	case err != nil:
		return nil, err
	case row.Disabled:
		return nil, refuse(errAccountDisabled)
	case !p.until.IsZero() && !s.clock.Now().Before(p.until):
		return nil, refuse(errTokenOver)
	}
	return row.principal(), nil
}

// Principal returns a member of a tenant as a principal with his present
// roles, for a Go host and for work in the background that is done as a user.
// It checks no credential: the caller answers for it. Errors: NotFound for who
// is not a member, Forbidden for a disabled account.
func (s *Service) Principal(ctx context.Context, tenantID, userID string) (*Principal, error) {
	row, err := userByID(ctx, s.db.DB, userID)
	if err != nil {
		return nil, err
	}
	if row.Disabled {
		return nil, problem.New(problem.Forbidden, "user_disabled", "the account is disabled")
	}
	return s.enter(ctx, row.principal(), tenantID)
}
