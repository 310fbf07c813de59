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

// BenchmarkGrants asks for decisions on objects with grants of their own in one
// large tenant, whose members have three roles each:
//
//   - cached, cold, loaded: as in BenchmarkAuthorize
//   - other: an object that no rule names, not asked before
//   - list: what a list has to know before it asks the database
//
// loaded reports what the policy keeps in memory, in bytes.
func BenchmarkGrants(b *testing.B) {
	s := benchService(b)
	s.policies.age = time.Hour
	callers, objects := benchLargeTenant(b, s)
	ask := func(ctx context.Context, objectID string) {
		if _, err := s.Allowed(ctx, auth.QueryExecute, objectID); err != nil {
			b.Fatal(err)
		}
	}
	ask(callers[0], objects[0])
	b.Run("cached", func(b *testing.B) {
		ctx := callers[0]
		ask(ctx, objects[0])
		b.ReportAllocs()
		for b.Loop() {
			ask(ctx, objects[0])
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			s.decisions = newDecisions(4)
			ask(callers[rand.IntN(len(callers))], objects[rand.IntN(len(objects))])
		}
	})
	b.Run("other", func(b *testing.B) {
		for b.Loop() {
			s.decisions = newDecisions(4)
			ask(callers[rand.IntN(len(callers))], id.New())
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

// benchLargeTenant returns members of a tenant, and the objects with grants.
func benchLargeTenant(b *testing.B, s *Service) (callers []context.Context, objects []string) {
	b.Helper()
	now := s.clock.Now()
	for range manyGrants {
		objects = append(objects, id.New())
	}
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
		for i, objectID := range objects {
			row := grantRow{
				ID: id.New(), TenantID: tenantID, RoleID: roles[i%manyRoles], Permission: "query.*", ObjectID: objectID,
				Effect: string(Allow), CreatedBy: "user:" + userID, CreatedAt: now,
			}
			if i%10 == 0 {
				row.Effect = string(Deny)
			}
			rows = append(rows, row)
		}
		for range manyMembers {
			who := &auth.Principal{Kind: auth.KindUser, UserID: id.New(), TenantID: tenantID}
			for range 3 {
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
