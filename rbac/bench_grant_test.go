package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// A tenant of many people who share many single objects.
const (
	manyMembers = 5_000
	manyRoles   = 200
	manyGrants  = 20_000
)

// BenchmarkGrants asks for decisions in one large tenant, whose members have three
// roles each and are granted an object by the first:
//
//   - cached, cold, loaded: as in BenchmarkAuthorize
//   - refused: the decision was made before, and nothing allows it, so that it is
//     looked up who made the object
//   - list: what a list has to know before it reads the database
//
// loaded reports what the policy keeps in memory, in bytes.
func BenchmarkGrants(b *testing.B) {
	s := benchService(b)
	s.policies.age = time.Hour
	callers, objects := benchLargeTenant(b, s)
	ask := func(ctx context.Context, objectID string, want bool) {
		if allowed, err := s.Allowed(ctx, auth.QueryExecute, objectID); err != nil || allowed != want {
			b.Fatal(allowed, err)
		}
	}
	ask(callers[0], objects[0], true)
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(callers[0], objects[0], true)
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			s.decisions = newDecisions(4)
			i := rand.IntN(len(callers))
			ask(callers[i], objects[i], true)
		}
	})
	b.Run("refused", func(b *testing.B) {
		other := id.New()
		for b.Loop() {
			ask(callers[0], other, false)
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.Visible(callers[rand.IntN(len(callers))], auth.QueryList, "id"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("loaded", func(b *testing.B) {
		who := auth.FromContext(callers[0])
		before := heap()
		kept := make([]*policy, 0, 64)
		for b.Loop() {
			p, err := s.readPolicy(b.Context(), s.db.DB, who.TenantID)
			if err != nil {
				b.Fatal(err)
			}
			if len(kept) < cap(kept) {
				kept = append(kept, p)
			}
		}
		b.ReportMetric(float64(heap()-before)/float64(len(kept)), "bytes/policy")
		runtime.KeepAlive(kept)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// benchLargeTenant returns members of a tenant, and of each an object that he is
// granted. Every tenth role has denials instead.
func benchLargeTenant(b *testing.B, s *Service) (callers []context.Context, objects []string) {
	b.Helper()
	caller := benchTenants(b, s, 1)[0]
	who := *auth.FromContext(caller)
	err := s.db.NewRaw("SELECT id FROM ?schema.jet_role WHERE tenant_id = ? AND builtin = ?", who.TenantID, Owner).Scan(b.Context(), &who.Roles[0])
	if err != nil {
		b.Fatal(err)
	}
	owner, roles := auth.NewContext(b.Context(), &who), make([]string, manyRoles)
	for i := range roles {
		role, err := s.CreateRole(owner, NewRole{Name: fmt.Sprint("role ", i), Permissions: []auth.Permission{auth.WorkflowRead}})
		if err != nil {
			b.Fatal(err)
		}
		roles[i] = role.ID
	}
	now := s.clock.Now()
	rows := make([]grantRow, manyGrants)
	for i := range rows {
		rows[i] = grantRow{
			ID: id.New(), TenantID: who.TenantID, RoleID: roles[i%manyRoles], Permission: "query.*", ObjectID: id.New(),
			Effect: string(Allow), CreatedBy: who.Actor(), CreatedAt: now,
		}
		if i%10 == 0 {
			rows[i].Effect = string(Deny)
		}
	}
	for range manyMembers {
		row := rows[10*rand.IntN(manyGrants/10)+1+rand.IntN(9)]
		objects = append(objects, row.ObjectID)
		member := &auth.Principal{Kind: auth.KindUser, UserID: id.New(), TenantID: who.TenantID, Roles: []string{row.RoleID}}
		for len(member.Roles) < 3 {
			if role := roles[rand.IntN(manyRoles)]; !slices.Contains(member.Roles, role) {
				member.Roles = append(member.Roles, role)
			}
		}
		callers = append(callers, auth.NewContext(context.Background(), member))
	}
	err = s.db.InTx(b.Context(), func(ctx context.Context, tx bun.IDB) error {
		for _, c := range callers {
			if err := insertBenchMember(ctx, tx, auth.FromContext(c), now); err != nil {
				return err
			}
		}
		return insertGrants(ctx, tx, who.TenantID, rows)
	})
	if err != nil {
		b.Fatal(err)
	}
	s.policies.invalidate(who.TenantID)
	return callers, objects
}

func insertBenchMember(ctx context.Context, tx bun.IDB, who *auth.Principal, now time.Time) error {
	_, err := tx.NewRaw("INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, 'bench', ?, '', '', ?, ?, 1)",
		who.UserID, who.UserID, now, now).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw("INSERT INTO ?schema.jet_member (tenant_id, user_id, created_at, version) VALUES (?, ?, ?, 1)", who.TenantID, who.UserID, now).Exec(ctx)
	for _, role := range who.Roles {
		if err == nil {
			_, err = tx.NewRaw("INSERT INTO ?schema.jet_member_role (tenant_id, user_id, role_id) VALUES (?, ?, ?)", who.TenantID, who.UserID, role).Exec(ctx)
		}
	}
	return err
}
