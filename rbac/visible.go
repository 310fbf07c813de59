package rbac

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Visible is an [auth.Visible]. With "<resource>.list", a list shows all of the kind
// to whoever holds that, and to others the objects that they may read; with another
// permission, those on which it is held. Neither shows an object on which it is
// denied. A caller who views as somebody else is shown what both see. The columns,
// expressions of the list's query, hold the ids of an object: its own first, then that
// of what it is a part of.
//
// Errors: Unauthenticated; Forbidden for whoever would be shown nothing whatever
// there is, and as [Service.Authorize].
func (s *Service) Visible(ctx context.Context, list auth.Permission, columns ...string) (*auth.Principal, func(*bun.SelectQuery) *bun.SelectQuery, error) {
	who, err := s.inTenant(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen, err := s.seen(ctx, who, list)
	if problem.Is(err, problem.Forbidden) {
		s.deny(ctx, list, "", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return who, func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, v := range seen {
			q = v.narrow(q, columns)
		}
		return q
	}, nil
}

// seen is what of a kind a caller sees, and what whom he views does. Forbidden when one
// of them sees nothing.
func (s *Service) seen(ctx context.Context, who *auth.Principal, list auth.Permission) ([]*view, error) {
	if err := onlyReads(who, list); err != nil {
		return nil, err
	}
	var seen []*view
	for _, party := range parties(who) {
		v, err := s.view(ctx, party, list)
		if err != nil {
			return nil, err
		}
		if v.something() {
			seen = append(seen, v)
			continue
		}
		if err := knownGrants(party); err != nil {
			return nil, err
		}
		return nil, problem.Newf(problem.Forbidden, "permission_required", "this needs the permission %s", list)
	}
	return seen, nil
}

// view is what of a kind a caller sees.
type view struct {
	db         bun.IDB
	who        *auth.Principal
	permission auth.Permission // on each object

	all     bool     // of the kind, as far as nothing denies it
	granted bool     // what rules of his allow
	denied  bool     // less what rules of his deny
	owned   bool     // what he made
	ids     []string // of a service
}

func (v *view) something() bool { return v.all || v.granted || v.owned || len(v.ids) > 0 }

func (s *Service) view(ctx context.Context, who *auth.Principal, list auth.Permission) (*view, error) {
	v := &view{db: s.db.DB, who: who, permission: onEach(list)}
	switch who.Kind {
	case auth.KindService:
		v.all = granted(who.Grants, list, "")
		for _, g := range who.Grants {
			if g.Permission.Covers(v.permission) && id.Valid(g.ObjectID) {
				v.ids = append(v.ids, g.ObjectID)
			}
		}
		return v, nil
	case auth.KindAPIKey:
		if !covered(who.Scopes, list) {
			return v, nil
		}
	case auth.KindUser:
	default:
		return v, nil
	}
	ofKind, err := s.byRules(ctx, who, list, "")
	if err != nil {
		return nil, err
	}
	ofEach, err := s.byRules(ctx, who, v.permission, "")
	if err != nil || ofKind == denied || ofEach == denied {
		return v, err
	}
	p, err := s.policies.get(ctx, who.TenantID)
	if err != nil {
		return nil, err
	}
	q := question{roles: who.Roles, userID: who.UserID}
	subjects := q.subjects()
	v.all, v.denied = ofKind == allowed, p.some(subjects, true, v.permission) && !p.frees(who.Roles, v.permission)
	if v.all || who.Kind == auth.KindAPIKey && !covered(who.Scopes, v.permission) {
		return v, nil
	}
	v.granted = p.some(subjects, false, v.permission)
	v.owned, err = ownsSome(ctx, s.db.DB, who, v.permission)
	return v, err
}

// onEach is the permission that makes an object visible in a list.
func onEach(list auth.Permission) auth.Permission {
	if resource, is := strings.CutSuffix(string(list), ".list"); is {
		return auth.Permission(resource + ".read")
	}
	return list
}

func (v *view) narrow(q *bun.SelectQuery, columns []string) *bun.SelectQuery {
	if !v.all {
		q = q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, column := range columns {
				if len(v.ids) > 0 {
					q = q.WhereOr("? IN (?)", bun.Safe(column), bun.List(v.ids))
				}
				if v.granted {
					q = q.WhereOr("? IN (?)", bun.Safe(column), v.objects(Allow))
				}
			}
			if v.owned {
				q = q.WhereOr("? IN (?)", bun.Safe(columns[0]), ownedBy(v.db, v.who, v.permission))
			}
			return q
		})
	}
	if v.denied {
		for _, column := range columns {
			q = q.Where("(?0 IS NULL OR ?0 NOT IN (?1))", bun.Safe(column), v.objects(Deny))
		}
	}
	return q
}

// objects selects the ids that grants of the caller with an effect are about.
func (v *view) objects(effect Effect) *bun.SelectQuery {
	roles, userID := []string{everyObject}, everyObject // which nobody has: a list must not be empty
	for _, role := range v.who.Roles {
		if id.Valid(role) {
			roles = append(roles, role)
		}
	}
	if id.Valid(v.who.UserID) {
		userID = v.who.UserID
	}
	patterns := []auth.Permission{"*", auth.Permission(v.permission.Resource() + ".*"), v.permission}
	return v.db.NewSelect().Model((*grantRow)(nil)).Column("g.object_id").Where("g.tenant_id = ?", v.who.TenantID).
		Where("(g.role_id IN (?) OR g.user_id = ?)", bun.List(roles), userID).Where("g.effect = ?", effect).
		Where("g.permission IN (?)", bun.List(slices.Compact(patterns))).Where("g.object_id <> ?", everyObject)
}

// Refused reports whether a rule denies the caller, or whom he views, a permission on an
// object: for what needs no permission on it, and must not go around a denial.
//
// Errors: Unauthenticated, Forbidden without a tenant.
func (s *Service) Refused(ctx context.Context, permission auth.Permission, objectID string) (bool, error) {
	who, err := s.inTenant(ctx)
	if err != nil || who.Kind == auth.KindService {
		return false, err
	}
	for _, party := range parties(who) {
		if v, err := s.byRules(ctx, party, permission, objectID); err != nil || v == denied {
			return v == denied, err
		}
	}
	return false, nil
}

// MemberLeft forgets, in the transaction that removes a member, the grants to him
// alone, for every process.
func (s *Service) MemberLeft(ctx context.Context, db bun.IDB, tenantID, userID string) error {
	res, err := db.NewDelete().Model((*grantRow)(nil)).Where("g.tenant_id = ?", tenantID).Where("g.user_id = ?", userID).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return raiseVersion(ctx, db, tenantID)
}
