package rbac

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
)

// policy is what the rules of a tenant were at one version, with the decisions
// they led to. It is safe for concurrent use.
type policy struct {
	version  int64
	gives    map[string][]auth.Permission // by role id
	named    map[string]bool              // the objects that some rule is about
	enforcer *enforcer

	mu        sync.RWMutex
	decisions map[string]bool
}

// maxDecisions bounds the decisions kept for a tenant, of some 150 bytes. There
// are as many as role sets × permissions × objects with rules of their own.
const maxDecisions = 2048

// allows decides, by a decision made before if there is one.
func (p *policy) allows(roles []string, permission auth.Permission, objectID string) (bool, error) {
	if !p.named[objectID] {
		objectID = "" // no rule tells it from the kind as a whole, so they share the decision
	}
	var space [256]byte
	key := appendQuestion(space[:0], roles, permission, objectID)
	p.mu.RLock()
	allowed, made := p.decisions[string(key)]
	p.mu.RUnlock()
	if made {
		return allowed, nil
	}
	allowed, err := p.enforcer.decide(roles, permission, objectID)
	if err != nil {
		return false, fmt.Errorf("decide on %s: %w", permission, err)
	}
	p.keep(string(key), allowed)
	return allowed, nil
}

func (p *policy) keep(key string, allowed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.decisions) >= maxDecisions {
		clear(p.decisions)
	}
	p.decisions[key] = allowed
}

// appendQuestion writes a question as a key. Each part is preceded by its
// length, and the roles by their number, so that no two questions share a key;
// the roles are in order, so that one set of roles has one key.
func appendQuestion(key []byte, roles []string, permission auth.Permission, objectID string) []byte {
	var space [8]string
	if !slices.IsSorted(roles) {
		roles = append(space[:0], roles...)
		slices.Sort(roles)
	}
	key = binary.AppendUvarint(key, uint64(len(roles)))
	for _, role := range roles {
		key = appendPart(key, role)
	}
	return appendPart(appendPart(key, string(permission)), objectID)
}

func appendPart(key []byte, part string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(part))), part...)
}

// newPolicy makes the policy of a version out of its rules.
func (s *Service) newPolicy(version int64, rules []rule) (*policy, error) {
	e, err := newEnforcer(s.model, rules)
	if err != nil {
		return nil, err
	}
	p := &policy{
		version:   version,
		gives:     make(map[string][]auth.Permission, len(rules)),
		named:     map[string]bool{},
		enforcer:  e,
		decisions: map[string]bool{},
	}
	for _, r := range rules {
		gives := p.gives[r.role]
		if !r.deny && r.object == "" {
			gives = append(gives, r.permissions...)
		}
		p.gives[r.role] = gives // also when it gives nothing: the role is there
		if id := r.object.named(); id != "" {
			p.named[id] = true
		}
	}
	return p, nil
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
