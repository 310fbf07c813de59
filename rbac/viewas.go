package rbac

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// ViewAs returns a context in which the caller of ctx is shown what a member, or
// whoever has one role alone, is shown: what both may look at, and no more. He changes
// nothing in it, see [Reads]. To view as a member takes member.impersonate on him, as a
// role role.read on it; both are asked with each decision in the context.
//
// The audit record has member.impersonate, or role.impersonate, of a caller and a
// subject once in [ViewNotedFor], in each process.
//
// Errors: Unauthenticated; Forbidden without the right, for a service, and for who
// views already; NotFound for who is no member and for a role that is not there; Invalid
// for another kind of subject: an API key has the sight of its creator, as far as its
// scopes go.
func (s *Service) ViewAs(ctx context.Context, of Subject) (context.Context, error) {
	who, err := s.inTenant(ctx)
	if err != nil {
		return nil, err
	}
	if err := who.MayChange(); err != nil { // the view would be another one, not less
		return nil, err
	}
	if who.Kind == auth.KindService {
		return nil, problem.New(problem.Forbidden, "view_as_person_or_key", "only a person or an API key views as somebody else")
	}
	viewed, err := s.viewedPrincipal(ctx, who.TenantID, of)
	if err != nil {
		return nil, err
	}
	viewing := who.ViewingAs(viewed)
	if err := s.noteView(ctx, viewing, of); err != nil {
		return nil, err
	}
	return auth.NewContext(ctx, viewing), nil
}

func (s *Service) viewedPrincipal(ctx context.Context, tenantID string, of Subject) (*auth.Principal, error) {
	switch of.Kind {
	case SubjectUser:
		if _, err := s.Authorize(ctx, auth.MemberImpersonate, of.ID); err != nil {
			return nil, err
		}
		return memberPrincipal(ctx, s.db.DB, tenantID, of.ID)
	case SubjectRole:
		return s.rolePrincipal(ctx, tenantID, of.ID)
	}
	return nil, problem.New(problem.Invalid, "view_as_invalid", "a caller views as a member or as a role").Fix("name a user or a role")
}

// noteView takes down that a caller views as somebody else. Without the event there is
// no view.
func (s *Service) noteView(ctx context.Context, who *auth.Principal, of Subject) error {
	v := viewing{who.TenantID, who.Actor(), who.Viewing()}
	if s.views.has(v) {
		return nil
	}
	entry := audit.Entry{TenantID: who.TenantID, Action: string(auth.MemberImpersonate), ObjectType: "member", ObjectID: of.ID}
	if of.Kind == SubjectRole {
		entry.Action, entry.ObjectType = "role.impersonate", "role"
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return s.audit(ctx, tx, entry) })
	if err == nil {
		s.views.note(v)
	}
	return err
}

// mayView is Forbidden when a caller views whom he may not view, or not any more.
func (s *Service) mayView(ctx context.Context, who *auth.Principal) error {
	viewed, permission := who.Viewed(), auth.MemberImpersonate
	objectID := viewed.UserID
	if objectID == "" && len(viewed.Roles) == 1 {
		permission, objectID = auth.RoleRead, viewed.Roles[0]
	}
	if viewed.Kind == auth.KindUser && id.Valid(objectID) && who.Kind != auth.KindService {
		may, err := s.allowsOne(ctx, who, permission, objectID)
		if err != nil || may {
			return err
		}
	}
	return problem.Newf(problem.Forbidden, "permission_required", "this needs the permission %s", permission)
}

// parties are those who must all be allowed what a caller does: himself, and whom he
// views.
func parties(who *auth.Principal) []*auth.Principal {
	if viewed := who.Viewed(); viewed != nil {
		return []*auth.Principal{who, viewed}
	}
	return []*auth.Principal{who}
}

// onlyReads is Forbidden for a permission that a caller has not while he views as
// somebody else.
func onlyReads(who *auth.Principal, permission auth.Permission) error {
	if Reads(permission) {
		return nil
	}
	return who.MayChange()
}
