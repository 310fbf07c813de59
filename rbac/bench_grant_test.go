package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
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
	now := s.clock.Now()
	err := s.db.InTx(b.Context(), func(ctx context.Context, tx bun.IDB) error {
		userID := id.New()
		_, err := tx.NewRaw("INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', '', '', '', ?, ?, 1)",
			userID, now, now).Exec(ctx)
		if err != nil {
			return err
		}
		caller, err := benchTenant(ctx, s, tx, userID)
		if err != nil {
			return err
		}
		tenantID := auth.FromContext(caller).TenantID
		var roles []string
		for i := range manyRoles {
			role := Role{ID: id.New(), Name: fmt.Sprint("role ", i), Permissions: []auth.Permission{auth.WorkflowRead}, CreatedAt: now, UpdatedAt: now, Version: 1}
			if _, err := tx.NewInsert().Model(rowOf(tenantID, role)).Exec(ctx); err != nil {
				return err
			}
			roles = append(roles, role.ID)
		}
		var rows []grantRow
		for i := range manyGrants {
			row := grantRow{
				ID: id.New(), TenantID: tenantID, RoleID: roles[i%manyRoles], Permission: "query.*", ObjectID: id.New(),
				Effect: string(Allow), CreatedBy: "user:" + userID, CreatedAt: now,
			}
			if i%10 == 0 {
				row.Effect = string(Deny)
			}
			rows = append(rows, row)
		}
		for range manyMembers {
			row := rows[10*rand.IntN(manyGrants/10)+1+rand.IntN(9)]
			objects = append(objects, row.ObjectID)
			who := &auth.Principal{Kind: auth.KindUser, UserID: id.New(), TenantID: tenantID, Roles: []string{row.RoleID}}
			for range 2 {
				who.Roles = append(who.Roles, roles[rand.IntN(manyRoles)])
			}
			callers = append(callers, auth.NewContext(context.Background(), who))
		}
		return insertGrants(ctx, tx, tenantID, rows)
	})
	if err != nil {
		b.Fatal(err)
	}
	return callers, objects
}
