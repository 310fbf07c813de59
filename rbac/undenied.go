package rbac

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
)

// Undenied narrows a query over things of every kind, such as events about them, to
// those that no rule denies the caller, or whom he views, to read. The columns, expressions of the query
// that are never NULL, hold the kind of an object, which is the part of permissions
// before the dot, and its id as a text. Things of other kinds stay.
//
// Who is denied one run, or the runs of one workflow, is shown none at all: what tells
// of a run need not know its workflow. Without denials it costs nothing.
//
// Errors: Unauthenticated, Forbidden without a tenant.
func (s *Service) Undenied(ctx context.Context, kindColumn, idColumn string) (func(*bun.SelectQuery) *bun.SelectQuery, error) {
	who, err := s.inTenant(ctx)
	if err != nil {
		return nil, err
	}
	same := func(q *bun.SelectQuery) *bun.SelectQuery { return q }
	if who.Kind == auth.KindService {
		return same, nil
	}
	p, err := s.policies.get(ctx, who.TenantID)
	if err != nil {
		return nil, err
	}
	narrow := same
	for _, party := range parties(who) {
		kinds, single, err := s.deniedKinds(p, party)
		if err != nil {
			return nil, err
		}
		wider := narrow
		narrow = func(q *bun.SelectQuery) *bun.SelectQuery {
			return s.without(wider(q), party, kindColumn, idColumn, kinds, single)
		}
	}
	return narrow, nil
}

// without leaves kinds of things out, and of others the single ones that a rule denies.
func (s *Service) without(q *bun.SelectQuery, who *auth.Principal, kindColumn, idColumn string, kinds, single []string) *bun.SelectQuery {
	if len(kinds) > 0 {
		q = q.Where("? NOT IN (?)", bun.Safe(kindColumn), bun.List(kinds))
	}
	for _, kind := range single {
		v := view{db: s.db.DB, who: who, permission: auth.Permission(kind + ".read")}
		denied := s.db.NewSelect().TableExpr("(?) AS denied", v.objects(Deny)).ColumnExpr("CAST(denied.object_id AS text)")
		q = q.Where("NOT (? = ? AND ? IN (?))", bun.Safe(kindColumn), kind, bun.Safe(idColumn), denied)
	}
	return q
}

// deniedKinds are those kinds of which a caller is denied all, and those of which he
// is denied single objects.
func (s *Service) deniedKinds(p *policy, who *auth.Principal) (kinds, single []string, err error) {
	q := question{roles: who.Roles, userID: who.UserID}
	subjects := q.subjects()
	for _, kind := range s.catalogue.kinds() {
		whole := false
		for _, action := range []string{".list", ".read"} {
			q.permission = auth.Permission(kind + action)
			if !s.catalogue.has(q.permission) {
				continue
			}
			v, _, err := p.decide(&q)
			if err != nil {
				return nil, nil, err
			}
			whole = whole || v == denied
		}
		read := auth.Permission(kind + ".read")
		some := !p.frees(who.Roles, read) && s.catalogue.aboutObjects(read) && p.some(subjects, true, read)
		switch {
		case whole, some && isPart(read):
			kinds = append(kinds, kind)
		case some:
			single = append(single, kind)
		}
	}
	return kinds, single, nil
}
