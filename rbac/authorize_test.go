package rbac_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

func TestAuthorizeByKindOfCaller(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		in := b.tenant
		editor, viewer := []string{in.roles[rbac.Editor]}, []string{in.roles[rbac.Viewer]}
		object := id.New()
		cases := []struct {
			name       string
			who        *auth.Principal
			permission auth.Permission
			objectID   string
			want       problem.Kind
		}{
			{"nobody", nil, auth.QueryRead, "", problem.Unauthenticated},
			{"user outside of a tenant", &auth.Principal{Kind: auth.KindUser, UserID: "u"}, auth.QueryRead, "", problem.Forbidden},
			{"user without a role", &auth.Principal{Kind: auth.KindUser, TenantID: in.id}, auth.QueryRead, "", problem.Forbidden},
			{"user with a role", &auth.Principal{Kind: auth.KindUser, TenantID: in.id, Roles: editor}, auth.QueryUpdate, object, ""},
			{"user whose role is not enough", &auth.Principal{Kind: auth.KindUser, TenantID: in.id, Roles: viewer}, auth.QueryUpdate, object, problem.Forbidden},
			{"user with two roles", &auth.Principal{Kind: auth.KindUser, TenantID: in.id, Roles: slices.Concat(viewer, editor)}, auth.QueryUpdate, object, ""},
			{"user with grants", &auth.Principal{Kind: auth.KindUser, TenantID: in.id, Roles: viewer, Grants: []auth.Grant{{Permission: "*"}}}, auth.QueryUpdate, object, problem.Forbidden},
			{"no kind", &auth.Principal{TenantID: in.id, Roles: editor, Grants: []auth.Grant{{Permission: "*"}}, Scopes: []auth.Permission{"*"}}, auth.QueryRead, "", problem.Forbidden},
			{"unknown kind", &auth.Principal{Kind: "root", TenantID: in.id, Roles: editor}, auth.QueryRead, "", problem.Forbidden},
			{"tenant that is gone", &auth.Principal{Kind: auth.KindUser, TenantID: id.New(), Roles: editor}, auth.QueryRead, "", problem.NotFound},

			{"key: scope and role", key(in.id, editor, "query.*"), auth.QueryUpdate, object, ""},
			{"key: scope without the role", key(in.id, viewer, "*"), auth.QueryUpdate, object, problem.Forbidden},
			{"key: role without the scope", key(in.id, editor, "query.read"), auth.QueryUpdate, object, problem.Forbidden},
			{"key: no scope", key(in.id, editor), auth.QueryRead, "", problem.Forbidden},

			{"service: grant on all", service(in.id, auth.Grant{Permission: auth.RunRead}), auth.RunRead, object, ""},
			{"service: grant by wildcard", service(in.id, auth.Grant{Permission: "run.*"}), auth.RunCancel, "", ""},
			{"service: grant on this object", service(in.id, auth.Grant{Permission: auth.RunRead, ObjectID: object}), auth.RunRead, object, ""},
			{"service: grant on another object", service(in.id, auth.Grant{Permission: auth.RunRead, ObjectID: object}), auth.RunRead, id.New(), problem.Forbidden},
			{"service: one object is not the kind", service(in.id, auth.Grant{Permission: auth.RunRead, ObjectID: object}), auth.RunRead, "", problem.Forbidden},
			{"service: another permission", service(in.id, auth.Grant{Permission: auth.RunRead}), auth.RunCancel, "", problem.Forbidden},
			{"service: roles do not count", &auth.Principal{Kind: auth.KindService, TenantID: in.id, Roles: editor}, auth.QueryRead, "", problem.Forbidden},
			{"service: a slip", service(in.id, auth.Grant{Permission: "query.exec"}), auth.QueryExecute, "", problem.Invalid},
			{"service: nothing", service(in.id, auth.Grant{Permission: auth.RunRead}, auth.Grant{}), auth.QueryExecute, "", problem.Invalid},
			{"service: a slip beside the right one", service(in.id, auth.Grant{Permission: "query.exec"}, auth.Grant{Permission: "query.*"}), auth.QueryExecute, "", ""},
			{"service outside of a tenant", service("", auth.Grant{Permission: "*"}), auth.RunRead, "", problem.Forbidden},
		}
		for _, c := range cases {
			ctx := auth.NewContext(t.Context(), c.who)
			who, err := b.Authorize(ctx, c.permission, c.objectID)
			if problem.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			if (err == nil) != (who != nil) {
				t.Errorf("%s: principal %v with error %v", c.name, who, err)
			}
		}
	})
}

func key(tenantID string, roles []string, scopes ...auth.Permission) *auth.Principal {
	return &auth.Principal{Kind: auth.KindAPIKey, KeyID: "k", TenantID: tenantID, Roles: roles, Scopes: scopes}
}

func service(tenantID string, grants ...auth.Grant) *auth.Principal {
	return auth.ServicePrincipal(tenantID, "test", grants...)
}

func TestOnlyPermissionsOfTheCatalogueAreAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner := b.as(b.tenant, rbac.Owner)
	everything := auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: "*"}))
	for _, permission := range []auth.Permission{"", "*", "query", "query.*", "query.", ".", ".read", "query.fly", "Query.read", "query.read ", "query.read\x00"} {
		for _, ctx := range []context.Context{owner, everything} {
			if b.may(t, ctx, permission, "") {
				t.Errorf("%q is allowed", permission)
			}
		}
	}
}

// T13: no id is a wildcard.
func TestT13_HostileObjectIDsNeverWiden(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	viewer := b.as(b.tenant, rbac.Viewer)
	hostile := []string{"*", "", ".", "..", "%", "_", "null", "0", "-1", "\x00", "id:", "query.*", ".*", "(?i).*", "а", strings.Repeat("x", 1<<20)}
	for _, objectID := range hostile {
		if b.may(t, viewer, auth.QueryUpdate, objectID) {
			t.Errorf("a Viewer may update %.20q", objectID)
		}
		one := auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: auth.QueryUpdate, ObjectID: id.New()}))
		if b.may(t, one, auth.QueryUpdate, objectID) {
			t.Errorf("a grant on one object reaches %.20q", objectID)
		}
		if objectID == "" {
			continue
		}
		odd := auth.NewContext(t.Context(), service(b.tenant.id, auth.Grant{Permission: auth.QueryUpdate, ObjectID: objectID}))
		if b.may(t, odd, auth.QueryUpdate, id.New()) || b.may(t, odd, auth.QueryUpdate, "") {
			t.Errorf("a grant on %.20q reaches something else", objectID)
		}
		if _, err := b.Authorize(odd, auth.QueryUpdate, objectID); !problem.Is(err, problem.NotFound) {
			t.Errorf("%.20q is an object: %v", objectID, err)
		}
	}
}

// T3: an object has one id, so that no other spelling slips past a rule for it.
func TestT3_OtherSpellingsAreMissing(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner, query := b.as(b.tenant, rbac.Owner), id.New()
	if _, err := b.Authorize(owner, auth.QueryRead, query); err != nil {
		t.Errorf("the id itself: %v", err)
	}
	for _, other := range []string{strings.ToUpper(query), strings.ReplaceAll(query, "-", ""), "{" + query + "}", "urn:uuid:" + query, query + " "} {
		if _, err := b.Authorize(owner, auth.QueryRead, other); !problem.Is(err, problem.NotFound) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// T2, T23: a role is one of its tenant alone, and its id is not a pattern.
func TestRolesOfAnotherTenantGiveNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		other := b.newTenant(t)
		for _, role := range []string{other.roles[rbac.Owner], "*", "", "%", rbac.Owner, "Owner", strings.ToUpper(b.tenant.roles[rbac.Owner])} {
			who := &auth.Principal{Kind: auth.KindUser, TenantID: b.tenant.id, Roles: []string{role}}
			if b.may(t, auth.NewContext(t.Context(), who), auth.TenantRead, "") {
				t.Errorf("role %q gives something", role)
			}
		}
	})
}

// T18: decisions for tenants do not mix, however many are asked for at once.
func TestT18_ConcurrentTenantsDoNotMix(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	tenants := []tenant{b.tenant, b.newTenant(t), b.newTenant(t)}
	var done sync.WaitGroup
	for worker := range 8 {
		done.Go(func() {
			for i := range 300 {
				home, away := tenants[(worker+i)%3], tenants[(worker+i+1)%3]
				asked := auth.QueryUpdate
				if i%2 == 0 {
					asked = auth.WorkflowPublish
				}
				object := id.New()
				if _, err := b.Authorize(b.as(home, rbac.Editor), asked, object); err != nil {
					t.Errorf("an Editor at home: %v", err)
				}
				if _, err := b.Authorize(b.as(home, away.roles[rbac.Owner]), asked, object); problem.KindOf(err) != problem.Forbidden {
					t.Errorf("an Owner from elsewhere: %v", err)
				}
			}
		})
	}
	done.Wait()
}

// Rule 14: a failure is not a decision.
func TestNoAnswerIsNoAccess(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	fresh := newService(t, b.db, b.audit)
	ctx, cancel := context.WithCancel(b.as(b.tenant, rbac.Owner))
	cancel()
	if allowed, err := fresh.Allowed(ctx, auth.QueryRead, ""); allowed || err == nil {
		t.Errorf("allowed %v, error %v", allowed, err)
	}
	if allowed, err := fresh.Allowed(b.as(b.tenant, rbac.Owner), auth.QueryRead, ""); !allowed || err != nil {
		t.Errorf("afterwards: allowed %v, error %v", allowed, err)
	}
}
