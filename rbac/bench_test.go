package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// BenchmarkAuthorize asks for decisions in tenants picked at random:
//
//   - cached: the decision was made before
//   - cold: the rules are in memory, the decision was not made before
//   - checked: as cached, and the version of the policy is read again
//   - loaded: nothing is in memory, the rules are read first
//
// In cached and cold, the read of a version every half second is left out: with
// 10,000 tenants asked in a tight loop it would be most of what is measured.
func BenchmarkAuthorize(b *testing.B) {
	for _, tenants := range []int{10, 1_000, 10_000} {
		s := benchService(b)
		callers := benchTenants(b, s, tenants)
		for _, ctx := range callers {
			authorize(b, s, ctx)
		}
		runtime.GC() // what the making of the tenants left behind
		name := fmt.Sprintf("%dtenants", tenants)
		b.Run("cached/"+name, func(b *testing.B) {
			s.policies.age = time.Hour
			b.ReportAllocs()
			for b.Loop() {
				authorize(b, s, callers[rand.IntN(tenants)])
			}
		})
		// The yardstick of cached: to find the caller in memory, which a real request
		// has just done. The next caller depends on this one, so that the processor
		// cannot look for several at a time.
		b.Run("caller/"+name, func(b *testing.B) {
			last := 0
			for b.Loop() {
				who := auth.FromContext(callers[(rand.IntN(tenants)+last)%tenants])
				last = int(who.TenantID[0]) + int(who.Roles[0][0])
			}
		})
		b.Run("cold/"+name, func(b *testing.B) {
			s.policies.age = time.Hour
			for b.Loop() {
				ctx := callers[rand.IntN(tenants)]
				forgetDecisions(s, ctx)
				authorize(b, s, ctx)
			}
		})
		b.Run("checked/"+name, func(b *testing.B) {
			s.policies.age = 0
			for b.Loop() {
				authorize(b, s, callers[rand.IntN(tenants)])
			}
		})
		b.Run("loaded/"+name, func(b *testing.B) {
			s.policies.age = time.Hour
			for b.Loop() {
				ctx := callers[rand.IntN(tenants)]
				forgetTenant(s, ctx)
				authorize(b, s, ctx)
			}
		})
	}
}

// BenchmarkAuthorizeParallel is cached by callers on every processor, all of one
// tenant or each of another.
func BenchmarkAuthorizeParallel(b *testing.B) {
	s := benchService(b)
	callers := benchTenants(b, s, 1_000)
	for _, tenants := range []int{1, 1_000} {
		b.Run(fmt.Sprintf("%dtenants", tenants), func(b *testing.B) {
			s.policies.age = time.Hour
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					authorize(b, s, callers[rand.IntN(tenants)])
				}
			})
		})
	}
}

func authorize(b *testing.B, s *Service, ctx context.Context) {
	if _, err := s.Authorize(ctx, auth.QueryExecute, "0198c0de-0000-7000-8000-000000000001"); err != nil {
		b.Fatal(err)
	}
}

// forgetDecisions leaves the rules in memory: the lease of each decision is over,
// that of the policy is not.
func forgetDecisions(s *Service, ctx context.Context) {
	who := auth.FromContext(ctx)
	key := appendQuestion(nil, who.TenantID, who.Roles, auth.QueryExecute, "")
	over := new(ground)
	over.lease.ended.Store(true)
	s.decisions.keep(&decision{key: string(key), ground: over})
}

func forgetTenant(s *Service, ctx context.Context) {
	s.policies.invalidate(auth.FromContext(ctx).TenantID)
}

func benchService(b *testing.B) *Service {
	b.Helper()
	record := audit.Record(func(context.Context, bun.IDB, audit.Entry) error { return nil })
	s, err := New(Config{Audit: record, DB: testdb.SQLite(b), Pages: page.NewSigner([]byte("key"))})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// benchTenants makes tenants with the default roles and returns an Operator of each.
func benchTenants(b *testing.B, s *Service, n int) []context.Context {
	b.Helper()
	callers := make([]context.Context, n)
	err := s.db.InTx(b.Context(), func(ctx context.Context, tx bun.IDB) error {
		userID, now := id.New(), s.clock.Now()
		_, err := tx.NewRaw("INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', '', '', '', ?, ?, 1)",
			userID, now, now).Exec(ctx)
		for i := 0; i < n && err == nil; i++ {
			callers[i], err = benchTenant(ctx, s, tx, userID)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return callers
}

func benchTenant(ctx context.Context, s *Service, tx bun.IDB, userID string) (context.Context, error) {
	tenantID, now := id.New(), s.clock.Now()
	_, err := tx.NewRaw("INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, '', ?, 1, ?, ?, 1)",
		tenantID, userID, now, now).Exec(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.Seed(ctx, tx, tenantID); err != nil {
		return nil, err
	}
	var operator string
	err = tx.NewRaw("SELECT id FROM ?schema.jet_role WHERE tenant_id = ? AND builtin = ?", tenantID, Operator).Scan(ctx, &operator)
	who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: tenantID, Roles: []string{operator}}
	return auth.NewContext(context.WithoutCancel(ctx), who), err
}
