package tenancy_test

import (
	"context"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a service with the real roles and audit record beside it.
type bundle struct {
	*tenancy.Service
	audit *audit.Log
	auth  *auth.Service
	db    *store.DB
	rbac  *rbac.Service
}

func setup(t *testing.T, db *store.DB, options ...func(*tenancy.Config)) bundle {
	t.Helper()
	b := bundle{db: db}
	pages := page.NewSigner([]byte("key"))
	var err error
	b.audit, err = audit.New(audit.Config{
		Actor: func(ctx context.Context) audit.Actor {
			if who := auth.FromContext(ctx); who != nil {
				return audit.Actor{Name: who.Actor()}
			}
			return audit.Actor{Name: "service:host"}
		},
		Authorize: func(ctx context.Context) (string, error) {
			who, err := b.rbac.Authorize(ctx, auth.AuditList, "")
			if err != nil {
				return "", err
			}
			return who.TenantID, nil
		},
		DB:    db,
		Pages: pages,
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.rbac, err = rbac.New(rbac.Config{Audit: b.audit.Record, DB: db, Pages: pages}); err != nil {
		t.Fatal(err)
	}
	late := &accounts{}
	cfg := tenancy.Config{Accounts: late, Audit: b.audit.Record, Authorize: b.rbac.Authorize, DB: db, Pages: pages, Roles: b.rbac}
	cfg.Hooks.BeforeAccept = func(context.Context, tenancy.Accepting) error { return nil }
	for _, option := range options {
		option(&cfg)
	}
	if b.Service, err = tenancy.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.auth, err = auth.New(auth.Config{Audit: b.audit.Record, Authorize: b.rbac.Authorize, Clock: cfg.Clock, DB: db, Members: b.Service, Pages: pages})
	if err != nil {
		t.Fatal(err)
	}
	late.Service = b.auth
	return b
}

// accounts are those of a service that is made later.
type accounts struct{ *auth.Service }

func (b bundle) newUser(t *testing.T, name string) string {
	t.Helper()
	userID, now := id.New(), time.Now().UTC()
	_, err := b.db.NewRaw("INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', ?, ?, ?, ?, ?, 1)",
		userID, userID, name+"@example.test", name, now, now).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return userID
}

func signedIn(userID string) context.Context {
	return auth.NewContext(context.Background(), &auth.Principal{Kind: auth.KindUser, UserID: userID})
}

// in is the context of a user in a tenant with the roles that he has there now,
// as a request would get them.
func (b bundle) in(t *testing.T, tenantID, userID string) context.Context {
	t.Helper()
	roles, err := b.RolesOf(t.Context(), tenantID, userID)
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewContext(context.Background(), &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: tenantID, Roles: roles})
}

// workspace is a tenant with its Owner.
type workspace struct {
	tenancy.Tenant
	owner string
	roles map[string]string // ids of the default roles by key
}

func (b bundle) newWorkspace(t *testing.T) workspace {
	t.Helper()
	w := workspace{owner: b.newUser(t, "owner"), roles: map[string]string{}}
	var err error
	if w.Tenant, err = b.Create(signedIn(w.owner), tenancy.NewTenant{Name: "Werkstatt"}); err != nil {
		t.Fatal(err)
	}
	roles, err := b.rbac.Roles(b.in(t, w.ID, w.owner), page.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles.Items {
		w.roles[role.Builtin] = role.ID
	}
	return w
}

// join makes a user and lets him in with the default roles of the keys.
func (b bundle) join(t *testing.T, w workspace, keys ...string) string {
	t.Helper()
	userID := b.newUser(t, keys[0])
	if _, err := b.AddMember(b.in(t, w.ID, w.owner), tenancy.NewMember{UserID: userID, RoleIDs: w.ids(keys...)}); err != nil {
		t.Fatal(err)
	}
	return userID
}

func (w workspace) ids(keys ...string) []string {
	var ids []string
	for _, key := range keys {
		ids = append(ids, w.roles[key])
	}
	return ids
}
