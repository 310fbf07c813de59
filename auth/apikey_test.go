package auth_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// keyed is a bundle with a user, his tenant and a key.
func keyed(t *testing.T, db *store.DB, in auth.NewKey) (b *bundle, u auth.User, tenantID string, key auth.APIKey, secret string) {
	t.Helper()
	b = setup(t, db)
	u = b.user(ada)
	tenantID = b.tenant(u)
	key, secret, err := b.CreateKey(b.in(tenantID, u), in)
	if err != nil {
		t.Fatal(err)
	}
	return b, u, tenantID, key, secret
}

var reader = auth.NewKey{Name: "ci", Scopes: []auth.Permission{"query.*", "run.read", "run.read"}}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, secret := keyed(t, db, reader)
		if !strings.HasPrefix(secret, key.Prefix) || len(key.Prefix) >= len(secret)/2 || key.LastUsedAt != nil {
			t.Errorf("key is %+v for %s", key, secret)
		}
		b.world.join(tenantID, u.ID, "query.*", "run.*") // roles of today, not of when it was made
		p := b.known(secret)
		want := []auth.Permission{"query.*", "run.read"}
		if p.Kind != auth.KindAPIKey || p.KeyID != key.ID || p.UserID != u.ID || p.TenantID != tenantID ||
			!slices.Equal(p.Scopes, want) || !slices.Equal(p.Roles, []string{"query.*", "run.*"}) {
			t.Errorf("principal is %+v", p)
		}
		list, err := b.Keys(b.in(tenantID, auth.User{ID: b.admin(tenantID)}), page.Request{})
		if err != nil || len(list.Items) != 1 || list.Items[0].LastUsedAt == nil || !list.Items[0].LastUsedAt.Equal(b.time.Now()) {
			t.Fatalf("list is %+v, %v, want the used key", list, err)
		}
		if text, _ := json.Marshal(list); strings.Contains(string(text), secret[len(key.Prefix):]) {
			t.Error("the list shows the secret")
		}
		if got, want := b.actions(tenantID), []string{"apikey.create"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

// admin adds a member with every right.
func (b *bundle) admin(tenantID string) string {
	u := b.user(id.New() + "@example.com")
	b.world.join(tenantID, u.ID, "*")
	return u.ID
}

func TestT51_KeyNeverExceedsItsMaker(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		tenantID := b.tenant(u)
		b.world.join(tenantID, u.ID, "apikey.*", "query.read", "query.list", "run.*")
		ctx := b.in(tenantID, u)
		for _, scope := range []auth.Permission{"*", "query.*", "query.delete", "role.update", "member.*"} {
			_, _, err := b.CreateKey(ctx, auth.NewKey{Name: "k", Scopes: []auth.Permission{"query.read", scope}})
			wantCode(t, err, "scope_not_held")
		}
		for _, scope := range []auth.Permission{"query.read", "run.*", "apikey.create"} {
			_, secret, err := b.CreateKey(ctx, auth.NewKey{Name: "k", Scopes: []auth.Permission{scope}})
			if err != nil {
				t.Fatalf("%s: %v", scope, err)
			}
			byKey := auth.NewContext(t.Context(), b.known(secret))
			_, _, err = b.CreateKey(byKey, auth.NewKey{Name: "k", Scopes: []auth.Permission{scope}})
			wantKind(t, err, problem.Forbidden)
			_, err = b.Sessions(byKey)
			wantKind(t, err, problem.Forbidden)
			_, err = b.ChangePassword(byKey, auth.PasswordChange{Old: password, New: password})
			wantKind(t, err, problem.Forbidden)
			_, err = b.UpdateMe(byKey, auth.MeUpdate{})
			wantKind(t, err, problem.Forbidden)
		}
	})
}

func TestT51_KeyDiesWithItsMaker(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, _, secret := keyed(t, db, reader)
		p := b.known(secret)
		over := func() {
			t.Helper()
			b.dead(secret)
			_, err := b.Revalidate(t.Context(), p)
			wantKind(t, err, problem.Unauthenticated)
		}
		b.world.leave(tenantID, u.ID)
		over()
		b.world.join(tenantID, u.ID, "*")
		b.known(secret)
		if err := b.SetDisabled(t.Context(), u.ID, true); err != nil {
			t.Fatal(err)
		}
		over()
	})
}

func TestT53_RevokedAndExpiredKeys(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, secret := keyed(t, db, reader)
		ctx, p := b.in(tenantID, u), b.known(secret)
		if err := b.RevokeKey(ctx, key.ID); err != nil {
			t.Fatal(err)
		}
		b.dead(secret)
		_, err := b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)
		wantKind(t, b.RevokeKey(ctx, key.ID), problem.NotFound)
		if list, err := b.Keys(ctx, page.Request{}); err != nil || len(list.Items) != 0 {
			t.Errorf("the list still has %+v, %v", list.Items, err)
		}

		soon := b.time.Now().Add(time.Hour)
		_, brief, err := b.CreateKey(ctx, auth.NewKey{Name: "brief", Scopes: reader.Scopes, ExpiresAt: &soon})
		if err != nil {
			t.Fatal(err)
		}
		b.time.pass(time.Hour - time.Microsecond)
		p = b.known(brief)
		b.time.pass(time.Microsecond)
		b.dead(brief)
		_, err = b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)
	})
}

// A wrong secret is refused wherever it differs, also with a right checksum.
func TestT52_WrongSecret(t *testing.T) {
	t.Parallel()
	b, _, _, key, secret := keyed(t, testdb.SQLite(t), reader)
	body := secret[:len(secret)-7]
	for i := len(key.Prefix); i < len(body); i++ {
		wrong := []byte(body)
		wrong[i] = 'A' + (wrong[i]-'A'+1)%26
		b.dead(auth.WithChecksum(string(wrong)))
	}
	b.dead(body)
	b.dead(secret + "A")
	b.dead(strings.ToLower(secret))
	b.known(secret)
}

func TestT50_KeyStaysInItsTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, secret := keyed(t, db, reader)
		other := b.tenant(u)
		_, err := b.Enter(t.Context(), b.known(secret), other)
		wantKind(t, err, problem.NotFound)
		if p, err := b.Enter(t.Context(), b.known(secret), tenantID); err != nil || p.TenantID != tenantID {
			t.Errorf("into its own tenant: %+v, %v", p, err)
		}
		// T1: the other tenant neither sees nor ends it.
		wantKind(t, b.RevokeKey(b.in(other, u), key.ID), problem.NotFound)
		if list, err := b.Keys(b.in(other, u), page.Request{}); err != nil || len(list.Items) != 0 {
			t.Errorf("the other tenant sees %+v, %v", list.Items, err)
		}
		b.known(secret)
	})
}

func TestCreateKeyFaults(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	u := b.user(ada)
	ctx := b.in(b.tenant(u), u)
	past := b.time.Now()
	_, _, err := b.CreateKey(ctx, auth.NewKey{Name: " ", ExpiresAt: &past})
	wantFaults(t, err, "name", "scopes", "expiresAt")
	_, _, err = b.CreateKey(ctx, auth.NewKey{Name: "k", Scopes: []auth.Permission{"query.read", "", "query", "nothing.*", "query.fly", "**", "query.*.x"}})
	wantFaults(t, err, "scopes.1", "scopes.2", "scopes.3", "scopes.4", "scopes.5", "scopes.6")

	_, _, err = b.CreateKey(t.Context(), reader)
	wantKind(t, err, problem.Unauthenticated)
	for _, keyID := range []string{"", "*", "not-an-id", id.New()} {
		wantKind(t, b.RevokeKey(ctx, keyID), problem.NotFound)
	}
}

func TestKeysArePaged(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		ctx := b.in(b.tenant(u), u)
		var made []string
		for range 5 {
			key, _, err := b.CreateKey(ctx, reader)
			if err != nil {
				t.Fatal(err)
			}
			made = append([]string{key.ID}, made...)
		}
		var got []string
		for r := (page.Request{Limit: 2}); ; {
			list, err := b.Keys(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range list.Items {
				got = append(got, k.ID)
			}
			if r.Cursor = list.NextCursor; r.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, made) {
			t.Errorf("pages give %v, want %v", got, made)
		}
	})
}

func wantFaults(t testing.TB, err error, paths ...string) {
	t.Helper()
	if !problem.Is(err, problem.Invalid) {
		t.Fatalf("error is %v, want faults at %v", err, paths)
	}
	var got []string
	for _, f := range problem.Of(err).Faults {
		got = append(got, f.Path)
	}
	if !slices.Equal(got, paths) {
		t.Errorf("faults at %v, want %v", got, paths)
	}
}

func TestKeysOfATenantAreBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, _ := keyed(t, db, reader)
		for i := range 999 {
			_, err := db.NewRaw(`INSERT INTO ?schema.jet_api_key (id, tenant_id, user_id, name, prefix, secret_hash, scopes, created_at)
				SELECT ?, tenant_id, user_id, name, ?, secret_hash, scopes, created_at FROM ?schema.jet_api_key WHERE tenant_id = ? AND id = ?`,
				id.New(), fmt.Sprint("filler", i), tenantID, key.ID).Exec(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx := b.in(tenantID, u)
		if _, _, err := b.CreateKey(ctx, reader); problem.Of(err).Code != "too_many_keys" {
			t.Errorf("one more than there may be: %v", err)
		}
		if err := b.RevokeKey(b.in(tenantID, auth.User{ID: b.admin(tenantID)}), key.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.CreateKey(ctx, reader); err != nil {
			t.Errorf("in the place of a revoked one: %v", err)
		}
	})
}
