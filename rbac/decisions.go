package rbac

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/auth"
)

// decision is the answer to one question in one tenant.
type decision struct {
	key     string
	verdict verdict
	ground  *ground
}

// ground is what a decision rests on: as much of a policy as a decision needs for
// as long as it is kept, without the rules.
type ground struct {
	lease   lease
	objects map[string]bool // that some rule is about
	users   map[string]bool // that have rules of their own
}

func (g *ground) name(r *rule) {
	if objectID := r.object.named(); r.object != "" {
		if g.objects == nil {
			g.objects = map[string]bool{}
		}
		g.objects[objectID] = true
	}
	if r.alone() {
		if g.users == nil {
			g.users = map[string]bool{}
		}
		g.users[strings.TrimPrefix(r.subject, userSubject(""))] = true
	}
}

// general reports whether the decision for the roles on the kind as a whole is
// that on a question, because no rule names its user or its object.
func (g *ground) general(userID string, permission auth.Permission, objectID string) bool {
	if g.users[userID] {
		return false
	}
	return objectID == "" || len(g.objects) == 0 || !g.objects[objectID] && !isPart(permission)
}

// decisions keeps the decisions of all tenants in a table of fixed size, which
// costs a look-up four reads of memory at most, no lock and no allocation. A
// decision that finds its bucket full takes the place of another.
type decisions struct {
	seed    maphash.Seed
	buckets []bucket
}

// bucket is as large as a cache line. The hash beside a decision saves a look at
// the decision itself, nothing else relies on the two being written together.
type bucket [4]struct {
	hash     atomic.Uint64
	decision atomic.Pointer[decision]
}

// maxDecisions is how many decisions are kept, some 200 bytes each. A tenant
// needs as many as its sets of roles, or users with rules of their own, ×
// permissions that are asked for × (1 + objects with rules of their own).
const maxDecisions = 1 << 17

func newDecisions(limit int) *decisions {
	return &decisions{seed: maphash.MakeSeed(), buckets: make([]bucket, max(1, limit/len(bucket{})))}
}

// find returns the decision on a question, by whatever policy, or nil.
func (d *decisions) find(key []byte) *decision {
	hash := maphash.Bytes(d.seed, key)
	b := &d.buckets[hash%uint64(len(d.buckets))]
	for i := range b {
		if b[i].hash.Load() != hash {
			continue
		}
		if made := b[i].decision.Load(); made != nil && made.key == string(key) {
			return made
		}
	}
	return nil
}

// keep puts a decision in the place of an older one on the same question, else in
// a free place, that of a decision which does not stand, or any.
func (d *decisions) keep(made *decision) {
	hash := maphash.String(d.seed, made.key)
	b := &d.buckets[hash%uint64(len(d.buckets))]
	place := int(hash>>32) % len(b)
	for i := range b {
		if b[i].hash.Load() == hash {
			place = i
			break
		}
		if old := b[i].decision.Load(); old == nil || old.ground.lease.ended.Load() {
			place = i
		}
	}
	b[place].decision.Store(made)
	b[place].hash.Store(hash)
}

// appendQuestion writes a question as a key. Each part is preceded by its
// length, and the roles by their number, so that no two questions share a key;
// the roles are in order, so that one set of roles has one key. more are what else
// the question names.
func appendQuestion(key []byte, tenantID string, roles []string, permission auth.Permission, objectID string, more ...string) []byte {
	var space [8]string
	if !slices.IsSorted(roles) {
		roles = append(space[:0], roles...)
		slices.Sort(roles)
	}
	key = binary.AppendUvarint(appendPart(key, tenantID), uint64(len(roles)))
	for _, role := range roles {
		key = appendPart(key, role)
	}
	key = appendPart(appendPart(key, string(permission)), objectID)
	for _, part := range more {
		key = appendPart(key, part)
	}
	return key
}

func appendPart(key []byte, part string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(part))), part...)
}
