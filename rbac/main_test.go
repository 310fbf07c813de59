package rbac_test

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/rbac"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a service on a database with one tenant and its default roles.
type bundle struct {
	*rbac.Service
	audit  *audit.Log
	db     *store.DB
	tenant tenant
}

// tenant is one with its default roles, by their keys.
type tenant struct {
	id    string
	roles map[string]string
}

func setup(t testing.TB, db *store.DB) bundle {
	t.Helper()
	b := bundle{db: db}
	b.audit = newAudit(t, db)
	b.Service = newService(t, db, b.audit)
	b.tenant = b.newTenant(t)
	return b
}

func newService(t testing.TB, db *store.DB, log *audit.Log) *rbac.Service {
	t.Helper()
	s, err := rbac.New(rbac.Config{Audit: log.Record, DB: db, Pages: page.NewSigner([]byte("key"))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newAudit(t testing.TB, db *store.DB) *audit.Log {
	t.Helper()
	log, err := audit.New(audit.Config{
		Actor:     func(ctx context.Context) audit.Actor { return audit.Actor{Name: auth.FromContext(ctx).Actor()} },
		Authorize: func(ctx context.Context) (string, error) { return auth.FromContext(ctx).TenantID, nil },
		DB:        db,
		Pages:     page.NewSigner([]byte("key")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// newTenant makes a tenant and a user who owns it on paper; he has no roles.
func (b bundle) newTenant(t testing.TB) tenant {
	t.Helper()
	made := tenant{id: id.New(), roles: map[string]string{}}
	userID, now := id.New(), time.Now().UTC()
	b.exec(t, "INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', ?, '', '', ?, ?, 1)",
		userID, userID, now, now)
	b.exec(t, "INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, 'T', ?, 1, ?, ?, 1)",
		made.id, userID, now, now)
	b.exec(t, "INSERT INTO ?schema.jet_member (tenant_id, user_id, created_at, version) VALUES (?, ?, ?, 1)", made.id, userID, now)
	err := b.db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
		owner, err := b.Seed(ctx, tx, made.id)
		made.roles[rbac.Owner] = owner
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	roles, err := b.Roles(b.as(made, rbac.Owner), page.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles.Items {
		made.roles[role.Builtin] = role.ID
	}
	return made
}

func (b bundle) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := b.db.NewRaw(query, args...).Exec(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// as is the context of a user who has the roles, each a key of a default role or
// the id of one.
func (b bundle) as(in tenant, roles ...string) context.Context {
	who := &auth.Principal{Kind: auth.KindUser, UserID: "u", TenantID: in.id}
	for _, role := range roles {
		if roleID, ok := in.roles[role]; ok {
			role = roleID
		}
		who.Roles = append(who.Roles, role)
	}
	return auth.NewContext(context.Background(), who)
}

// newRole makes a role as the Owner of the tenant.
func (b bundle) newRole(t testing.TB, name string, permissions ...auth.Permission) rbac.Role {
	t.Helper()
	role, err := b.CreateRole(b.as(b.tenant, rbac.Owner), rbac.NewRole{Name: name, Permissions: permissions})
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// may reports whether the caller of ctx may do it.
func (b bundle) may(t testing.TB, ctx context.Context, permission auth.Permission, objectID string) bool {
	t.Helper()
	allowed, err := b.Allowed(ctx, permission, objectID)
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}
