package rbac_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

func allow(p auth.Permission, objectID string) rbac.NewGrant {
	return rbac.NewGrant{Permission: p, ObjectID: objectID, Effect: rbac.Allow}
}

func deny(p auth.Permission, objectID string) rbac.NewGrant {
	return rbac.NewGrant{Permission: p, ObjectID: objectID, Effect: rbac.Deny}
}

// grant replaces the grants of a role as the Owner of the tenant.
func (b bundle) grant(t testing.TB, roleID string, grants ...rbac.NewGrant) rbac.GrantsChange {
	t.Helper()
	done, err := b.SetRoleGrants(b.as(b.tenant, rbac.Owner), roleID, rbac.GrantsUpdate{Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// member makes a member of the tenant with roles, and returns his context.
func (b bundle) member(t testing.TB, roles ...string) (context.Context, string) {
	t.Helper()
	userID, now := id.New(), time.Now().UTC()
	b.exec(t, "INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, '', ?, '', '', ?, ?, 1)",
		userID, userID, now, now)
	b.exec(t, "INSERT INTO ?schema.jet_member (tenant_id, user_id, created_at, version) VALUES (?, ?, ?, 1)", b.tenant.id, userID, now)
	who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: b.tenant.id}
	for _, role := range roles {
		if roleID, ok := b.tenant.roles[role]; ok {
			role = roleID
		}
		b.exec(t, "INSERT INTO ?schema.jet_member_role (tenant_id, user_id, role_id) VALUES (?, ?, ?)", b.tenant.id, userID, role)
		who.Roles = append(who.Roles, role)
	}
	return auth.NewContext(context.Background(), who), userID
}

func TestGrantsAreReplacedListedAndAudited(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner, role := b.as(b.tenant, rbac.Owner), b.newRole(t, "Custom")
		first, second := id.New(), id.New()
		done := b.grant(t, role.ID, allow(auth.QueryRead, first), deny("query.*", second), allow(auth.RunList, ""))
		if done.Grants != 3 || done.Added != 3 || done.Removed != 0 || done.Version != 2 {
			t.Errorf("%+v", done)
		}
		list := func() (all []rbac.Grant) {
			t.Helper()
			for r := (page.Request{Limit: 2}); ; {
				p, err := b.RoleGrants(owner, role.ID, r)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, p.Items...)
				if r.Cursor = p.NextCursor; r.Cursor == "" {
					return all
				}
			}
		}
		before := list()
		if len(before) != 3 || before[0].ObjectID != first || before[1].Effect != rbac.Deny || before[2].ObjectID != "" || before[0].CreatedBy != "user:u" {
			t.Errorf("%+v", before)
		}
		done = b.grant(t, role.ID, deny("query.*", second), allow(auth.QueryRead, second))
		if after := list(); done.Added != 1 || done.Removed != 2 || len(after) != 2 || after[0].ID != before[1].ID {
			t.Errorf("%+v: %+v, before %+v", done, after, before)
		}
		if _, err := b.SetRoleGrants(owner, role.ID, rbac.GrantsUpdate{Version: 2}); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale change: %v", err)
		}
		events, err := b.audit.List(owner, audit.Filter{ObjectType: "role", ObjectID: role.ID}, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if last := events.Items[0]; last.Action != "role.update" || !strings.Contains(string(last.Detail), first) || !strings.Contains(string(last.Detail), second) {
			t.Errorf("recorded %s: %s", last.Action, last.Detail)
		}
		if err := b.DeleteRole(owner, role.ID); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := db.NewRaw("SELECT COUNT(*) FROM ?schema.jet_grant WHERE tenant_id = ?", b.tenant.id).Scan(t.Context(), &left); err != nil || left != 0 {
			t.Errorf("%d grants of a deleted role are left (%v)", left, err)
		}
	})
}

func TestGrantsAreValidatedAllAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	owner, role, object := b.as(b.tenant, rbac.Owner), b.newRole(t, "Custom"), id.New()
	_, err := b.SetRoleGrants(owner, role.ID, rbac.GrantsUpdate{Grants: []rbac.NewGrant{
		allow("query.fly", object), allow("*", object), allow(auth.QueryList, object), allow(auth.QueryRead, "x"),
		allow(auth.QueryRead, strings.ToUpper(object)), {Permission: auth.QueryRead, ObjectID: object}, allow(auth.QueryRead, object),
		allow(auth.QueryRead, "00000000-0000-0000-0000-000000000000"),
	}})
	var got []string
	for _, f := range problem.Of(err).Faults {
		got = append(got, f.Path)
	}
	want := []string{"grants.0.permission", "grants.1.permission", "grants.2.permission", "grants.3.objectId", "grants.4.objectId",
		"grants.5.effect", "grants.6", "grants.7.objectId"}
	if !problem.Is(err, problem.Invalid) || !slices.Equal(got, want) {
		t.Errorf("%v: %v", err, got)
	}
	_, err = b.SetRoleGrants(owner, role.ID, rbac.GrantsUpdate{Grants: make([]rbac.NewGrant, 20_001)})
	if faults := problem.Of(err).Faults; !problem.Is(err, problem.Invalid) || faults[0].Path != "grants" || len(faults) > 110 {
		t.Errorf("%d faults: %v", len(faults), err)
	}
	if _, err := b.SetRoleGrants(owner, b.tenant.roles[rbac.Owner], rbac.GrantsUpdate{}); problem.Of(err).Code != "role_owner" {
		t.Errorf("the Owner role: %v", err)
	}
	if _, err := b.SetRoleGrants(owner, id.New(), rbac.GrantsUpdate{}); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no role: %v", err)
	}
	b.grant(t, b.tenant.roles[rbac.Viewer], allow(auth.WorkflowExecute, object)) // default roles take grants
	if !b.may(t, b.as(b.tenant, rbac.Viewer), auth.WorkflowExecute, object) {
		t.Error("a Viewer may not start what he is granted")
	}
}

// T21, T23, T32: nobody gives what he does not hold, and nobody frees himself or
// others of a denial that he is under.
func TestT32_GrantsGiveNothingThatIsNotHeld(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		mine, other := id.New(), id.New()
		keeper, target := b.newRole(t, "Keeper", "role.*", "query.*"), b.newRole(t, "Target", auth.QueryRead)
		bound := b.newRole(t, "Bound")
		b.grant(t, keeper.ID, allow(auth.WorkflowRead, mine))
		b.grant(t, bound.ID, deny(auth.QueryDelete, mine))
		keeping, keepingBound := b.as(b.tenant, keeper.ID), b.as(b.tenant, keeper.ID, bound.ID)
		for name, c := range map[string]struct {
			ctx  context.Context
			give []rbac.NewGrant
			want problem.Kind
		}{
			"what he holds":                     {keeping, []rbac.NewGrant{allow(auth.QueryDelete, mine), allow("query.*", ""), allow(auth.WorkflowRead, mine)}, ""},
			"an object that he was not granted": {keeping, []rbac.NewGrant{allow(auth.WorkflowRead, other)}, problem.Forbidden},
			"the kind, of which he has one":     {keeping, []rbac.NewGrant{allow(auth.WorkflowRead, "")}, problem.Forbidden},
			"the wildcard, of which he has one": {keeping, []rbac.NewGrant{allow("workflow.*", mine)}, problem.Forbidden},
			"everything":                        {keeping, []rbac.NewGrant{allow("*", "")}, problem.Forbidden},
			"a denial of what he has not":       {keeping, []rbac.NewGrant{deny("datasource.*", other)}, ""},
			"what is denied to him":             {keepingBound, []rbac.NewGrant{allow(auth.QueryDelete, mine)}, problem.Forbidden},
			"a wildcard around what is denied":  {keepingBound, []rbac.NewGrant{allow("query.*", mine)}, problem.Forbidden},
			"the kind around what is denied":    {keepingBound, []rbac.NewGrant{allow(auth.QueryDelete, "")}, problem.Forbidden},
			"beside what is denied":             {keepingBound, []rbac.NewGrant{allow(auth.QueryDelete, other)}, ""},
			"a key beyond its scopes":           {auth.NewContext(t.Context(), key(b.tenant.id, []string{b.tenant.roles[rbac.Owner]}, "role.*", auth.QueryRead)), []rbac.NewGrant{allow(auth.QueryDelete, mine)}, problem.Forbidden},
		} {
			_, err := b.SetRoleGrants(c.ctx, target.ID, rbac.GrantsUpdate{Grants: c.give})
			if problem.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			b.grant(t, target.ID)
		}
		// What is denied of a workflow is not given by its runs, nor the other way round.
		runs := b.newRole(t, "Runs", "role.*", "run.*")
		for _, denied := range []string{mine, other} {
			b.grant(t, bound.ID, deny(auth.RunRead, denied))
			for _, given := range []string{mine, other} {
				_, err := b.SetRoleGrants(b.as(b.tenant, runs.ID, bound.ID), target.ID, rbac.GrantsUpdate{Grants: []rbac.NewGrant{allow(auth.RunRead, given)}})
				if problem.KindOf(err) != problem.Forbidden {
					t.Errorf("run.read, denied of %s, is given for %s: %v", denied, given, err)
				}
			}
		}
		b.grant(t, bound.ID, deny(auth.QueryDelete, mine))
		if _, err := b.SetRoleGrants(keepingBound, bound.ID, rbac.GrantsUpdate{}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he frees himself of a denial: %v", err)
		}
		if err := b.Grantable(keepingBound, db.DB, []string{bound.ID}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he takes the role that denies away: %v", err)
		}
		if _, err := b.SetRoleGrants(keeping, b.tenant.roles[rbac.Admin], rbac.GrantsUpdate{Grants: []rbac.NewGrant{deny("query.*", mine)}}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he denies a role above his own: %v", err)
		}
		b.grant(t, target.ID, allow(auth.WorkflowRead, other))
		if err := b.Grantable(keeping, db.DB, []string{target.ID}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he gives a role with a grant above his own: %v", err)
		}
		if _, err := b.UpdateRole(keeping, target.ID, rbac.RoleUpdate{Permissions: []auth.Permission{}}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("he changes a role with a grant above his own: %v", err)
		}
	})
}

// A denial binds an Owner where he uses the tenant, not where he manages it: so he
// can take it back.
func TestOwnersAreNotLockedOut(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	object, trap := id.New(), b.newRole(t, "Trap")
	b.grant(t, trap.ID, deny("*", ""))
	trapped := b.as(b.tenant, rbac.Owner, trap.ID)
	if b.may(t, trapped, auth.QueryRead, object) {
		t.Error("a denial does not bind an Owner")
	}
	if _, err := b.SetRoleGrants(trapped, trap.ID, rbac.GrantsUpdate{}); err != nil {
		t.Fatalf("an Owner is locked out: %v", err)
	}
	if !b.may(t, trapped, auth.QueryRead, object) {
		t.Error("the denial is still there")
	}
}

// Denials of its creator bind an API key; its scopes limit what grants allow.
func TestGrantsAndKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	free, closed := id.New(), id.New()
	role := b.newRole(t, "Custom", auth.QueryList)
	b.grant(t, role.ID, allow("query.*", free), deny(auth.QueryRead, closed))
	roles := []string{role.ID, b.tenant.roles[rbac.Editor]}
	all := auth.NewContext(t.Context(), key(b.tenant.id, roles, "*"))
	narrow := auth.NewContext(t.Context(), key(b.tenant.id, roles[:1], auth.QueryRead))
	for name, c := range map[string]struct {
		ctx    context.Context
		p      auth.Permission
		object string
		want   bool
	}{
		"denied to its creator": {all, auth.QueryRead, closed, false},
		"beside it":             {all, auth.QueryUpdate, closed, true},
		"granted, in scope":     {narrow, auth.QueryRead, free, true},
		"granted, not in scope": {narrow, auth.QueryUpdate, free, false},
	} {
		if b.may(t, c.ctx, c.p, c.object) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}

// T30: a grant that goes, and a denial that comes, hold for the next decision here
// and within a second elsewhere.
func TestT30_GrantsHoldEverywhereWithinASecond(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		there, role, object := newService(t, db, b.audit), b.newRole(t, "Custom"), id.New()
		holder := b.as(b.tenant, role.ID)
		follows := func(want bool) {
			t.Helper()
			if b.may(t, holder, auth.QueryRead, object) != want {
				t.Fatalf("at once it is not %v", want)
			}
			for changed := time.Now(); ; {
				allowed, err := there.Allowed(holder, auth.QueryRead, object)
				if err != nil {
					t.Fatal(err)
				}
				if allowed == want {
					return
				}
				if time.Since(changed) > time.Second {
					t.Fatalf("after a second it is not %v", want)
				}
			}
		}
		follows(false)
		b.grant(t, role.ID, allow(auth.QueryRead, object))
		follows(true)
		b.grant(t, role.ID, allow(auth.QueryRead, object), deny("query.*", object))
		follows(false)
		b.grant(t, role.ID)
		follows(false)
	})
}

func TestOwnershipEndsWithTheMembership(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Custom", auth.QueryCreate)
		maker, userID := b.member(t, role.ID)
		stranger, _ := b.member(t, role.ID)
		object := id.New()
		if err := b.Own(maker, db.DB, "query", object); err != nil {
			t.Fatal(err)
		}
		key := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindAPIKey, UserID: userID, TenantID: b.tenant.id, Roles: []string{role.ID}, Scopes: []auth.Permission{auth.QueryRead}})
		for _, c := range []struct {
			ctx  context.Context
			p    auth.Permission
			want bool
		}{
			{maker, auth.QueryRead, true}, {maker, auth.QueryUpdate, true}, {maker, auth.QueryDelete, true}, {maker, auth.QueryExecute, true},
			{maker, auth.QueryHistory, false}, {maker, auth.WorkflowRead, false}, {stranger, auth.QueryRead, false},
			{key, auth.QueryRead, true}, {key, auth.QueryUpdate, false},
		} {
			if b.may(t, c.ctx, c.p, object) != c.want {
				t.Errorf("%s: %v", c.p, !c.want)
			}
		}
		if b.may(t, maker, auth.QueryRead, id.New()) || b.may(t, maker, auth.QueryRead, "") {
			t.Error("he owns more than he made")
		}
		b.grant(t, role.ID, deny(auth.QueryUpdate, object))
		if b.may(t, maker, auth.QueryUpdate, object) || !b.may(t, maker, auth.QueryRead, object) {
			t.Error("a denial does not win over ownership")
		}
		b.exec(t, "DELETE FROM ?schema.jet_member_role WHERE tenant_id = ? AND user_id = ?", b.tenant.id, userID)
		b.exec(t, "DELETE FROM ?schema.jet_member WHERE tenant_id = ? AND user_id = ?", b.tenant.id, userID)
		b.exec(t, "INSERT INTO ?schema.jet_member (tenant_id, user_id, created_at, version) VALUES (?, ?, ?, 1)", b.tenant.id, userID, time.Now().UTC())
		if b.may(t, maker, auth.QueryRead, object) {
			t.Error("who left and came back still owns what he made")
		}
	})
}

// thing is an object of a list, which may be a part of another.
type thing struct {
	bun.BaseModel `bun:"table:?schema.thing,alias:x"`

	ID     string
	Parent string
}

// What a list shows is what one by one would be allowed, and its pages have all of it.
func TestListsShowWhatMayBeRead(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		if _, err := db.NewCreateTable().Model((*thing)(nil)).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		kind := "VARCHAR"
		if db.Dialect == store.PostgreSQL {
			kind = "uuid"
			b.exec(t, "ALTER TABLE ?schema.thing ALTER COLUMN id TYPE "+kind+" USING id::uuid, ALTER COLUMN parent TYPE uuid USING parent::uuid")
		}
		var things []thing
		for range 12 {
			things = append(things, thing{ID: id.New(), Parent: id.New()})
		}
		if _, err := db.NewInsert().Model(&things).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		parents := map[string]string{}
		for _, x := range things {
			parents[x.ID] = x.Parent
		}
		s, err := rbac.New(rbac.Config{Audit: b.audit.Record, DB: db, Pages: page.NewSigner([]byte("key")),
			ParentOf: func(_ context.Context, _, runID string) (string, error) { return parents[runID], nil }})
		if err != nil {
			t.Fatal(err)
		}
		b.Service = s
		rnd := rand.New(rand.NewPCG(7, 49))
		roles := []rbac.Role{b.newRole(t, "A"), b.newRole(t, "B", auth.RunList, auth.RunRead), b.newRole(t, "C")}
		_, userID := b.member(t)
		for range 12 {
			for _, role := range roles {
				var grants []rbac.NewGrant
				seen := map[rbac.NewGrant]bool{}
				for range rnd.IntN(5) {
					x := things[rnd.IntN(len(things))]
					g := allow([]auth.Permission{auth.RunRead, "run.*", auth.QueryRead}[rnd.IntN(3)], []string{x.ID, x.Parent}[rnd.IntN(2)])
					if same := g; !seen[same] {
						seen[same] = true
						if rnd.IntN(3) == 0 {
							g.Effect = rbac.Deny
						}
						grants = append(grants, g)
					}
				}
				b.grant(t, role.ID, grants...)
			}
			for set := range 8 {
				who := &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: b.tenant.id}
				for i, role := range roles {
					if set&(1<<i) != 0 {
						who.Roles = append(who.Roles, role.ID)
					}
				}
				b.compareList(t, auth.NewContext(t.Context(), who), things)
			}
		}
	})
}

func (b bundle) compareList(t *testing.T, ctx context.Context, things []thing) {
	t.Helper()
	var want, got []string
	for _, x := range slices.Backward(things) {
		if b.may(t, ctx, auth.RunRead, x.ID) {
			want = append(want, x.ID)
		}
	}
	for r := (page.Request{Limit: 3}); ; {
		_, visible, err := b.Visible(ctx, auth.RunList, "id", "parent")
		if problem.Is(err, problem.Forbidden) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := page.List[thing, string]{
			Key: func(s string) string { return s }, Query: b.db.NewSelect().Apply(visible), Scope: []string{"things"},
			View: page.Plain(func(x *thing) string { return x.ID }),
		}.Read(ctx, page.NewSigner([]byte("key")), r)
		if err != nil || len(p.Items) > 3 {
			t.Fatal(p, err)
		}
		got = append(got, p.Items...)
		if r.Cursor = p.NextCursor; r.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("roles %v: the list has %v, one by one %v", auth.FromContext(ctx).Roles, got, want)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner, object := b.as(b.tenant, rbac.Owner), id.New()
		role := b.newRole(t, "Analyst", auth.QueryRead)
		b.grant(t, role.ID, allow(auth.QueryExecute, object), deny("query.*", object))
		_, userID := b.member(t, rbac.Viewer, role.ID)
		maker, makerID := b.member(t, rbac.Viewer)
		if err := b.Own(maker, db.DB, "query", object); err != nil {
			t.Fatal(err)
		}
		keyID, now := id.New(), time.Now().UTC()
		b.exec(t, "INSERT INTO ?schema.jet_api_key (id, tenant_id, user_id, name, prefix, secret_hash, scopes, created_at) VALUES (?, ?, ?, 'k', ?, ?, ?, ?)",
			keyID, b.tenant.id, makerID, "jak_"+keyID[:8], []byte{1}, `["query.read"]`, now)
		user, made := rbac.Subject{Kind: rbac.SubjectUser, ID: userID}, rbac.Subject{Kind: rbac.SubjectUser, ID: makerID}
		key := rbac.Subject{Kind: rbac.SubjectAPIKey, ID: keyID}
		for _, c := range []struct {
			q    rbac.Question
			want string // decision, source of the rule that decides, length of the chain
		}{
			{rbac.Question{Subject: user, Permission: auth.QueryRead}, "allow role 2"},
			{rbac.Question{Subject: user, Permission: auth.QueryRead, ObjectID: object}, "deny grant 3"},
			{rbac.Question{Subject: user, Permission: auth.QueryExecute, ObjectID: object}, "deny grant 2"},
			{rbac.Question{Subject: user, Permission: auth.QueryUpdate}, "none  0"},
			{rbac.Question{Subject: made, Permission: auth.QueryUpdate, ObjectID: object}, "allow ownership 1"},
			{rbac.Question{Subject: key, Permission: auth.QueryUpdate, ObjectID: object}, "none scope 1"},
			{rbac.Question{Subject: key, Permission: auth.QueryRead, ObjectID: object}, "allow role 3"},
			{rbac.Question{Subject: rbac.Subject{Kind: rbac.SubjectRole, ID: role.ID}, Permission: auth.QueryRead}, "allow role 1"},
		} {
			e, err := b.Explain(owner, c.q)
			if err != nil {
				t.Errorf("%+v: %v", c.q, err)
				continue
			}
			by := rbac.Step{}
			for _, step := range e.Chain {
				if step.Decides {
					by = step
				}
				if step.RoleID != "" && step.RoleName == "" {
					t.Errorf("%+v has no name", step)
				}
			}
			if got := fmt.Sprintf("%s %s %d", e.Decision, by.Source, len(e.Chain)); got != c.want || e.Allowed != (e.Decision == rbac.DecisionAllow) {
				t.Errorf("%+v: %s, want %s: %+v", c.q, got, c.want, e.Chain)
			}
		}
		_, err := b.Explain(owner, rbac.Question{Subject: rbac.Subject{Kind: "tree"}, Permission: "query.*", ObjectID: "x"})
		if faults := problem.Of(err).Faults; !problem.Is(err, problem.Invalid) || len(faults) != 3 {
			t.Errorf("%v", err)
		}
		for _, kind := range []rbac.SubjectKind{rbac.SubjectUser, rbac.SubjectRole, rbac.SubjectAPIKey} {
			for _, missing := range []string{id.New(), "x", ""} {
				_, err := b.Explain(owner, rbac.Question{Subject: rbac.Subject{Kind: kind, ID: missing}, Permission: auth.QueryRead})
				if !problem.Is(err, problem.NotFound) {
					t.Errorf("%s %q: %v", kind, missing, err)
				}
			}
		}
		// T23: what is of another tenant is not there.
		if _, err := b.Explain(b.as(b.newTenant(t), rbac.Owner), rbac.Question{Subject: user, Permission: auth.QueryRead}); !problem.Is(err, problem.NotFound) &&
			!problem.Is(err, problem.Forbidden) {
			t.Errorf("a member of another tenant: %v", err)
		}
		if _, err := b.Explain(b.as(b.tenant, rbac.Viewer), rbac.Question{Subject: user, Permission: auth.QueryRead}); !problem.Is(err, problem.Forbidden) {
			t.Errorf("a Viewer: %v", err)
		}
	})
}

func TestMemberPermissions(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role, object := b.newRole(t, "Custom"), id.New()
		b.grant(t, role.ID, deny(auth.RunRead, ""), allow(auth.QueryExecute, object))
		ctx, userID := b.member(t, rbac.Viewer, role.ID)
		m, err := b.MemberPermissions(b.as(b.tenant, rbac.Owner), userID)
		if err != nil || len(m.Roles) != 2 || len(m.Objects) != 1 || m.Objects[0].ObjectID != object || m.MoreObjects {
			t.Fatalf("%+v, %v", m, err)
		}
		effective, err := b.Effective(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range m.Permissions {
			if (p.Decision == rbac.DecisionAllow) != slices.Contains(effective, p.Permission) || (p.By == nil) != (p.Decision == rbac.DecisionNone) {
				t.Errorf("%+v", p)
			}
			if p.Permission == auth.RunRead && p.Decision != rbac.DecisionDeny {
				t.Errorf("%+v", p)
			}
		}
		if _, err := b.MemberPermissions(b.as(b.tenant, rbac.Owner), id.New()); !problem.Is(err, problem.NotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// T32: what a role is about to get is judged by the rules as they are when it gets it.
func TestGrantsOfManyObjects(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		role := b.newRole(t, "Many")
		grants := make([]rbac.NewGrant, 2_000)
		for i := range grants {
			grants[i] = allow(auth.QueryRead, id.New())
		}
		b.grant(t, role.ID, grants...)
		holder := b.as(b.tenant, role.ID)
		if !b.may(t, holder, auth.QueryRead, grants[1_999].ObjectID) || b.may(t, holder, auth.QueryRead, id.New()) {
			t.Error("the grants do not decide")
		}
		if done := b.grant(t, role.ID, grants[:500]...); done.Removed != 1_500 {
			t.Errorf("%+v", done)
		}
		if b.may(t, holder, auth.QueryRead, grants[1_999].ObjectID) || !b.may(t, holder, auth.QueryRead, grants[0].ObjectID) {
			t.Error("the grants that are gone decide")
		}
	})
}

// Grants to a member alone are his, bind his keys, and end with his membership.
func TestGrantsToAMemberAlone(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		owner, mine, closed := b.as(b.tenant, rbac.Owner), id.New(), id.New()
		ctx, userID := b.member(t, rbac.Viewer)
		colleague, _ := b.member(t, rbac.Viewer)
		done, err := b.SetMemberGrants(owner, userID, rbac.GrantsUpdate{Version: 1, Grants: []rbac.NewGrant{allow(auth.QueryExecute, mine), deny(auth.QueryRead, closed)}})
		if err != nil || done.Added != 2 || done.Version != 2 || done.UserID != userID {
			t.Fatalf("%+v, %v", done, err)
		}
		for _, c := range []struct {
			ctx    context.Context
			p      auth.Permission
			object string
			want   bool
		}{
			{ctx, auth.QueryExecute, mine, true}, {ctx, auth.QueryExecute, closed, false}, {ctx, auth.QueryRead, closed, false}, {ctx, auth.QueryRead, mine, true},
			{colleague, auth.QueryExecute, mine, false}, {colleague, auth.QueryRead, closed, true},
		} {
			if b.may(t, c.ctx, c.p, c.object) != c.want {
				t.Errorf("%s on %s: %v", c.p, c.object, !c.want)
			}
		}
		list, err := b.MemberGrants(owner, userID, page.Request{})
		if err != nil || len(list.Items) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := b.SetMemberGrants(owner, userID, rbac.GrantsUpdate{Version: 1}); !problem.Is(err, problem.Stale) {
			t.Errorf("a stale change: %v", err)
		}
		if _, err := b.SetMemberGrants(owner, id.New(), rbac.GrantsUpdate{}); !problem.Is(err, problem.NotFound) {
			t.Errorf("nobody: %v", err)
		}
		// T21, T32: not to who has more, not more than one has, not without both rights.
		_, ownerID := b.member(t, rbac.Owner)
		keeper := b.newRole(t, "Keeper", "role.*", "member.*", auth.QueryRead)
		clerk := b.newRole(t, "Clerk", "member.*", "query.*", "workflow.*", "run.*", "schedule.*", auth.TenantRead)
		for name, c := range map[string]struct {
			ctx  context.Context
			to   string
			give []rbac.NewGrant
		}{
			"an Admin denies an Owner": {b.as(b.tenant, rbac.Admin), ownerID, []rbac.NewGrant{deny("query.*", "")}},
			"he gives what he has not": {b.as(b.tenant, keeper.ID), userID, []rbac.NewGrant{allow(auth.WorkflowPublish, mine)}},
			"he cannot manage roles":   {b.as(b.tenant, clerk.ID), userID, []rbac.NewGrant{deny(auth.QueryRead, mine)}},
			"he frees himself":         {auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: userID, TenantID: b.tenant.id, Roles: []string{b.tenant.roles[rbac.Admin]}}), userID, nil},
		} {
			if _, err := b.SetMemberGrants(c.ctx, c.to, rbac.GrantsUpdate{Grants: c.give}); !problem.Is(err, problem.Forbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		err = db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error { return b.MemberLeft(ctx, tx, b.tenant.id, userID) })
		if err != nil {
			t.Fatal(err)
		}
		there := newService(t, db, b.audit)
		if allowed, err := there.Allowed(ctx, auth.QueryExecute, mine); allowed || err != nil {
			t.Errorf("after he left: %v, %v", allowed, err)
		}
	})
}
