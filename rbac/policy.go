package rbac

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
)

// policy is what the rules of a tenant were at one version. It is immutable but
// for its lease, so it is safe for concurrent use.
type policy struct {
	version  int64
	gives    map[string][]auth.Permission // by role id
	enforcer *enforcer
	ground   *ground
}

// newPolicy makes the policy of a version out of its rules.
func (s *Service) newPolicy(version int64, rules []rule) (*policy, error) {
	e, err := s.enforcers.with(rules)
	if err != nil {
		return nil, err
	}
	p := &policy{version: version, gives: make(map[string][]auth.Permission, len(rules)), enforcer: e, ground: new(ground)}
	for _, r := range rules {
		gives := p.gives[r.role]
		if !r.deny && r.object == "" {
			gives = append(gives, r.permissions...)
		}
		p.gives[r.role] = gives // also when it gives nothing: the role is there
		p.ground.name(r.object.named())
	}
	return p, nil
}

func (g *ground) name(objectID string) {
	if objectID == "" {
		return
	}
	if g.named == nil {
		g.named = map[string]bool{}
	}
	g.named[objectID] = true
}

// asked is the object that a question is about, as far as the rules can tell: one
// that no rule names shares the decision on the kind as a whole.
func (g *ground) asked(objectID string) string {
	if g.named[objectID] {
		return objectID
	}
	return ""
}

// allows decides without remembering.
func (p *policy) allows(roles []string, permission auth.Permission, objectID string) (bool, error) {
	allowed, err := p.enforcer.decide(roles, permission, objectID)
	if err != nil {
		return false, fmt.Errorf("decide on %s: %w", permission, err)
	}
	return allowed, nil
}

// currentPolicy reads the policy of a tenant as it is now. The version is read
// first: should the roles change in between, the policy looks older than it is
// and is read once more, never the other way round.
func (s *Service) currentPolicy(ctx context.Context, tenantID string) (*policy, error) {
	return s.readPolicy(ctx, s.db.DB, tenantID)
}

func (s *Service) currentVersion(ctx context.Context, tenantID string) (int64, error) {
	return selectVersion(ctx, s.db.DB, tenantID)
}

func (s *Service) readPolicy(ctx context.Context, db bun.IDB, tenantID string) (*policy, error) {
	version, err := selectVersion(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	rules, err := selectRules(ctx, db, tenantID)
	if err != nil {
		return nil, err
	}
	return s.newPolicy(version, rules)
}
