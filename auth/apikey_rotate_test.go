package auth_test

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// T53: a secret that has leaked is ended at once, in the middle of an overlap too.
func TestT53_AnOverlapIsCutShort(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, first := keyed(t, db, reader)
		ctx := b.in(tenantID, u)
		_, second, err := b.RotateKey(ctx, key.ID, auth.MaxKeyOverlap, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.known(first)
		_, third, err := b.RotateKey(ctx, key.ID, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.dead(first)
		b.dead(second)
		b.known(third)
	})
}

// T53: in the overlap both secrets are good, then one; an open connection of the
// other ends with it.
func TestT53_RotationWithOverlap(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, old := keyed(t, db, reader)
		ctx := b.in(tenantID, u)
		before := b.known(old)
		rotated, fresh, err := b.RotateKey(ctx, key.ID, time.Hour, key.Version)
		if err != nil {
			t.Fatal(err)
		}
		if fresh == old || !strings.HasPrefix(fresh, key.Prefix) || rotated.ID != key.ID || rotated.Prefix != key.Prefix || rotated.Version != 2 ||
			rotated.PreviousUntil == nil || !rotated.PreviousUntil.Equal(b.time.Now().Add(time.Hour)) {
			t.Errorf("rotated to %+v", rotated)
		}
		after := b.known(fresh)
		if a, o := after, b.known(old); a.KeyID != o.KeyID || !slices.Equal(a.Scopes, o.Scopes) {
			t.Errorf("the secrets are of %+v and %+v", a, o)
		}
		_, _, err = b.RotateKey(ctx, key.ID, time.Minute, 0)
		wantCode(t, err, "rotation_under_way")

		b.time.pass(time.Hour - time.Microsecond)
		b.known(old)
		if _, err := b.Revalidate(t.Context(), before); err != nil {
			t.Errorf("within the overlap: %v", err)
		}
		b.time.pass(time.Microsecond)
		b.dead(old)
		_, err = b.Revalidate(t.Context(), before)
		wantKind(t, err, problem.Unauthenticated)
		b.known(fresh)
		if _, err := b.Revalidate(t.Context(), after); err != nil {
			t.Errorf("the new secret: %v", err)
		}
		list, err := b.Keys(ctx, page.Request{})
		if err != nil || len(list.Items) != 1 || list.Items[0].PreviousUntil != nil {
			t.Errorf("list is %+v, %v", list, err)
		}

		_, third, err := b.RotateKey(ctx, key.ID, 0, 2)
		if err != nil {
			t.Fatal(err)
		}
		b.dead(old)
		b.dead(fresh)
		b.known(third)
		if got, want := b.actions(tenantID), []string{"apikey.create", "apikey.rotate", "apikey.rotate"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

func TestT53_RevokingEndsBothSecrets(t *testing.T) {
	t.Parallel()
	b, u, tenantID, key, old := keyed(t, testdb.SQLite(t), reader)
	_, fresh, err := b.RotateKey(b.in(tenantID, u), key.ID, time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RevokeKey(b.in(tenantID, u), key.ID); err != nil {
		t.Fatal(err)
	}
	b.dead(old)
	b.dead(fresh)
}

// Of rotations at once, one makes a secret.
func TestT53_ConcurrentRotations(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, old := keyed(t, db, reader)
		ctx := b.in(tenantID, u)
		const callers = 6
		secrets := make(chan string, callers)
		var done sync.WaitGroup
		for range callers {
			done.Go(func() {
				_, secret, err := b.RotateKey(ctx, key.ID, time.Hour, 0)
				if err == nil {
					secrets <- secret
				} else {
					wantCode(t, err, "rotation_under_way")
				}
			})
		}
		done.Wait()
		if len(secrets) != 1 {
			t.Fatalf("%d rotations were made", len(secrets))
		}
		b.known(old)
		b.known(<-secrets)
	})
}

// T51: a secret lets its holder act as who made the key, so nobody else gets one;
// and a key makes none.
func TestT51_OnlyItsMakerRotatesAKey(t *testing.T) {
	t.Parallel()
	b, u, tenantID, key, secret := keyed(t, testdb.SQLite(t), auth.NewKey{Name: "k", Scopes: []auth.Permission{"*"}})
	admin := b.in(tenantID, auth.User{ID: b.admin(tenantID)})
	_, _, err := b.RotateKey(admin, key.ID, 0, 0)
	wantCode(t, err, "apikey_not_yours")
	byKey := auth.NewContext(t.Context(), b.known(secret))
	_, _, err = b.RotateKey(byKey, key.ID, 0, 0)
	wantKind(t, err, problem.Forbidden)
	_, err = b.UpdateKey(byKey, key.ID, auth.KeyUpdate{NeverExpires: true})
	wantKind(t, err, problem.Forbidden)

	other := b.tenant(u)
	_, _, err = b.RotateKey(b.in(other, u), key.ID, 0, 0)
	wantKind(t, err, problem.NotFound)
	for _, overlap := range []time.Duration{-1, auth.MaxKeyOverlap + 1} {
		_, _, err = b.RotateKey(b.in(tenantID, u), key.ID, overlap, 0)
		wantFaults(t, err, "overlap")
	}
	_, _, err = b.RotateKey(b.in(tenantID, u), key.ID, 0, 7)
	wantKind(t, err, problem.Stale)
	b.known(secret)

	// Nobody lets a key do longer what he may not do himself.
	weak := b.user(id.New() + "@example.com")
	b.world.join(tenantID, weak.ID, "apikey.*")
	never := auth.KeyUpdate{NeverExpires: true}
	_, err = b.UpdateKey(b.in(tenantID, weak), key.ID, never)
	wantCode(t, err, "scope_not_held")
	if _, err = b.UpdateKey(admin, key.ID, never); err != nil {
		t.Errorf("an admin: %v", err)
	}
}

// T52: by whichever secret, and by none, the same is compared.
func TestT52_ComparisonTakesTheSameWork(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, plain, secret := keyed(t, db, reader)
		ctx := b.in(tenantID, u)
		rotated, old, err := b.CreateKey(ctx, reader)
		if err != nil {
			t.Fatal(err)
		}
		if rotated, _, err = b.RotateKey(ctx, rotated.ID, time.Hour, 0); err != nil {
			t.Fatal(err)
		}
		changed := func(token string, at int) string {
			body := []byte(token[:len(token)-7])
			body[at] = 'A' + (body[at]-'A'+1)%26
			return auth.WithChecksum(string(body))
		}
		want := [][2]int{{32, 32}, {32, 32}}
		for _, c := range []struct {
			name, token, keyID string
			opened             bool
		}{
			{"the right one", secret, plain.ID, true},
			{"the one before", old, rotated.ID, true},
			{"wrong at the first character", changed(secret, len(plain.Prefix)), plain.ID, false},
			{"wrong at the last character", changed(secret, len(secret)-8), plain.ID, false},
			{"of another key", secret, rotated.ID, false},
			{"a key that is not there", secret, "", false},
		} {
			opened, sizes, err := b.CompareKey(t.Context(), c.token, c.keyID)
			if err != nil || opened != c.opened || !slices.Equal(sizes, want) {
				t.Errorf("%s: opened %v by %v, %v", c.name, opened, sizes, err)
			}
		}
		unknown := auth.WithChecksum("jak_" + strings.Repeat("A", 12+52))
		_, first := b.AuthenticateToken(t.Context(), unknown)
		_, second := b.AuthenticateToken(t.Context(), changed(secret, len(secret)-8))
		if first == nil || second == nil || problem.Of(first).Message != problem.Of(second).Message || problem.Of(first).Code != problem.Of(second).Code {
			t.Errorf("refusals differ: %v and %v", first, second)
		}
	})
}

func TestKeyIsGoodFromItsAddresses(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		in := reader
		in.Addresses = []string{"203.0.113.77/24", "2001:db8::/32", "198.51.100.7", "::ffff:192.0.2.0/120", "203.0.113.0/24"}
		b, u, tenantID, key, secret := keyed(t, db, in)
		want := []string{"192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "203.0.113.0/24"}
		if !slices.Equal(key.Addresses, want) {
			t.Errorf("addresses are %v, want %v", key.Addresses, want)
		}
		for remote, good := range map[string]bool{
			"203.0.113.1:80": true, "203.0.113.255:80": true, "203.0.114.1:80": false, "198.51.100.7:1": true, "198.51.100.8:1": false,
			"[::ffff:203.0.113.9]:80": true, "192.0.2.200:80": true, "[2001:db8:ffff::1]:443": true, "[2001:db9::1]:443": false,
			"203.0.113.1": true, "": false, "@": false, "/run/app.sock": false,
		} {
			r := request(t, "Authorization", "Bearer "+secret, "X-Forwarded-For", "203.0.113.1", "X-Real-Ip", "203.0.113.1", "Forwarded", "for=203.0.113.1")
			r.RemoteAddr = remote
			p, err := b.Authenticate(r)
			if (err == nil) != good {
				t.Errorf("from %q: %v", remote, err)
			}
			if err != nil {
				wantKind(t, err, problem.Unauthenticated)
				wantCode(t, err, "credential_invalid")
			} else if p.KeyID != key.ID {
				t.Errorf("from %q: %+v", remote, p)
			}
		}
		b.dead(secret) // from nowhere

		here := auth.WithAddress(t.Context(), netip.MustParseAddr("::ffff:203.0.113.9"))
		p, err := b.AuthenticateToken(here, secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Revalidate(t.Context(), p); err != nil {
			t.Errorf("an open connection: %v", err)
		}
		// Who asks for a key that is not here, of an invitation say, is not where it is.
		absent := &auth.Principal{Kind: auth.KindAPIKey, UserID: u.ID, KeyID: key.ID, TenantID: tenantID}
		if _, err := b.Revalidate(auth.WithAddress(t.Context(), netip.MustParseAddr("198.51.100.99")), absent); err != nil {
			t.Errorf("a key that nobody comes with: %v", err)
		}
		narrow := []string{"198.51.100.7"}
		updated, err := b.UpdateKey(b.in(tenantID, u), key.ID, auth.KeyUpdate{Addresses: &narrow, Version: key.Version})
		if err != nil || !slices.Equal(updated.Addresses, []string{"198.51.100.7/32"}) || updated.Version != 2 {
			t.Fatalf("%+v, %v", updated, err)
		}
		_, err = b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)
		everywhere := []string{}
		if _, err := b.UpdateKey(b.in(tenantID, u), key.ID, auth.KeyUpdate{Addresses: &everywhere}); err != nil {
			t.Fatal(err)
		}
		b.known(secret)
	})
}

func TestUpdateKey(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, u, tenantID, key, secret := keyed(t, db, reader)
		ctx := b.in(tenantID, u)
		name, soon := "  nightly ", b.time.Now().Add(time.Hour)
		got, err := b.UpdateKey(ctx, key.ID, auth.KeyUpdate{Name: &name, ExpiresAt: &soon})
		if err != nil || got.Name != "nightly" || got.ExpiresAt == nil || !got.ExpiresAt.Equal(soon) || !slices.Equal(got.Scopes, key.Scopes) {
			t.Fatalf("%+v, %v", got, err)
		}
		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{Name: &name, Version: 1})
		wantKind(t, err, problem.Stale)
		if got, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{NeverExpires: true}); err != nil || got.ExpiresAt != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		past, empty, bad := b.time.Now(), " ", []string{"10.0.0.0/33", "10.0.0.1", "fe80::1%eth0", "::ffff:0:0/90", "localhost", "", "10.0.0.1:80"}
		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{Name: &empty, Addresses: &bad, ExpiresAt: &past, NeverExpires: true})
		wantFaults(t, err, "name", "addresses.0", "addresses.2", "addresses.3", "addresses.4", "addresses.5", "addresses.6", "expiresAt", "neverExpires")
		many := slices.Repeat([]string{"10.0.0.1"}, 51)
		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{Addresses: &many})
		wantFaults(t, err, "addresses")
		for _, keyID := range []string{"", "*", "not-an-id", id.New()} {
			_, err := b.UpdateKey(ctx, keyID, auth.KeyUpdate{Name: &name})
			wantKind(t, err, problem.NotFound)
		}
		_, err = b.UpdateKey(t.Context(), key.ID, auth.KeyUpdate{Name: &name})
		wantKind(t, err, problem.Unauthenticated)

		// What has ended is not brought back.
		if _, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{ExpiresAt: &soon}); err != nil {
			t.Fatal(err)
		}
		b.time.pass(time.Hour)
		b.dead(secret)
		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{NeverExpires: true})
		wantCode(t, err, "apikey_expired")
		_, _, err = b.RotateKey(ctx, key.ID, 0, 0)
		wantCode(t, err, "apikey_expired")
	})
}
