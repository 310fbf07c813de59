package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var told []auth.User
		b := setup(t, db, func(c *auth.Config) {
			c.Hooks.AfterLogin = func(_ context.Context, u auth.User) { told = append(told, u); panic("of the host") }
		})
		u := b.user(ada)

		l, err := b.Login(t.Context(), auth.Credentials{
			Email: " ADA@Example.com ", Password: password, UserAgent: "cli\x00/1", Address: "192.0.2.1:999",
		})
		if err != nil {
			t.Fatal(err)
		}
		if l.User != u || !l.ExpiresAt.Equal(b.time.Now().Add(auth.DefaultSessionMax)) {
			t.Errorf("login is %+v, want the user %+v until %v", l, u, auth.DefaultSessionMax)
		}
		p := b.known(l.Token)
		if p.Kind != auth.KindUser || p.UserID != u.ID || p.SessionID == "" || p.TenantID != "" {
			t.Errorf("principal is %+v", p)
		}
		if len(told) != 1 || told[0] != u {
			t.Errorf("the hook was told %v", told)
		}
		if got, want := b.actions(""), []string{"user.create", "session.login"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

// Whoever cannot sign in gets the same answer after the same work, whatever the
// reason.
func TestT38_RefusedLoginsAreAlike(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		if err := b.SetDisabled(t.Context(), b.user("off@example.com").ID, true); err != nil {
			t.Fatal(err)
		}
		insertAccount(t, b, auth.LocalIssuer, "sso@example.com")
		insertAccount(t, b, "https://id.example.com", "elsewhere@example.com")

		work := b.CountHashes()
		var first error
		for name, in := range map[string]auth.Credentials{
			"wrong password":     {Email: ada, Password: "wrong horse battery"},
			"unknown":            {Email: "nobody@example.com", Password: password},
			"disabled":           {Email: "off@example.com", Password: password},
			"without a password": {Email: "sso@example.com", Password: password},
			"of another system":  {Email: "elsewhere@example.com", Password: password},
			"empty":              {},
			"not an address":     {Email: "ada\x00@example.com", Password: password},
			"endless password":   {Email: ada, Password: string(make([]byte, 1<<20))},
		} {
			work.Store(0)
			_, err := b.Login(t.Context(), in)
			if first == nil {
				first = err
			}
			wantKind(t, err, problem.Unauthenticated)
			if !reflect.DeepEqual(err, first) {
				t.Errorf("%s: the answer is %#v, elsewhere %#v", name, err, first)
			}
			if got := work.Load(); got != 64 {
				t.Errorf("%s: hashed with %d KiB, want one hash of 64", name, got)
			}
		}
	})
}

func TestT45_EachLoginHasANewToken(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		first, _ := b.login(ada)
		second, _ := b.login(ada)
		if first == second {
			t.Error("two log-ins have the same token")
		}
		planted := auth.WithChecksum("jas_" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
		r := request(t)
		r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: planted})
		p, err := b.Authenticate(r)
		wantKind(t, err, problem.Unauthenticated)
		if p != nil {
			t.Errorf("a token that we did not make is %+v", p)
		}
	})
}

func TestT42_NewPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		other, _ := b.login(ada)
		mine, ctx := b.login(ada)
		open := b.known(mine)

		const next = "a much better password"
		fresh, err := b.ChangePassword(ctx, auth.PasswordChange{Old: password, New: next})
		if err != nil {
			t.Fatal(err)
		}
		b.dead(other)
		b.dead(mine) // T45: somebody may have copied it
		_, err = b.Revalidate(t.Context(), open)
		wantKind(t, err, problem.Unauthenticated)
		if p := b.known(fresh.Token); p.UserID != open.UserID || p.SessionID == open.SessionID {
			t.Errorf("the new session is %+v", p)
		}
		_, err = b.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
		wantKind(t, err, problem.Unauthenticated)
		if _, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: next}); err != nil {
			t.Errorf("with the new password: %v", err)
		}
		if got := b.actions(""); !slices.Contains(got, "user.password") {
			t.Errorf("recorded %v, want user.password among them", got)
		}
	})
}

// T42: the keys of the account end too, unless their owner wants to keep them.
func TestT42_NewPasswordRevokesTheKeys(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		tenantID := b.tenant(u)
		_, key, err := b.CreateKey(b.in(tenantID, u), reader)
		if err != nil {
			t.Fatal(err)
		}
		before := password
		for _, keep := range []bool{true, false} {
			b.known(key)
			next := before + "!"
			if _, err := b.ChangePassword(b.in(tenantID, u), auth.PasswordChange{Old: before, New: next, KeepKeys: keep}); err != nil {
				t.Fatal(err)
			}
			before = next
		}
		b.dead(key)
		if got := b.actions(tenantID); !slices.Contains(got, "apikey.delete") {
			t.Errorf("recorded %v, want apikey.delete among them", got)
		}
	})
}

// A log-in or a change that was under way with the old password comes too late.
func TestT42_NewPasswordDuringALogin(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		_, ctx := b.login(ada)
		plant := func() {
			const other = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
			_, err := db.ExecContext(t.Context(), "UPDATE ?schema.jet_user SET password_hash = ? WHERE id = ?", other, u.ID)
			if err != nil {
				t.Error(err)
			}
		}
		before := storedHash(t, b, u.ID)
		b.DuringHash(plant)
		_, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
		wantKind(t, err, problem.Unauthenticated)

		if _, err := db.ExecContext(t.Context(), "UPDATE ?schema.jet_user SET password_hash = ? WHERE id = ?", before, u.ID); err != nil {
			t.Fatal(err)
		}
		b.DuringHash(plant)
		_, err = b.ChangePassword(ctx, auth.PasswordChange{Old: password, New: "a much better password"})
		wantKind(t, err, problem.Conflict)
		if all, err := b.Sessions(ctx); err != nil || len(all) != 1 {
			t.Errorf("sessions are %+v, %v, want the first log-in only", all, err)
		}
	})
}

func TestUnreadableHashIsNoPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	u := b.user(ada)
	if _, err := b.db.ExecContext(t.Context(), "UPDATE ?schema.jet_user SET password_hash = 'x' WHERE id = ?", u.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
	wantCode(t, err, "login_failed")
}

func TestT42_DisablingEndsEverything(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		token, _ := b.login(ada)
		p := b.known(token)
		if err := b.SetDisabled(t.Context(), u.ID, true); err != nil {
			t.Fatal(err)
		}
		b.dead(token)
		_, err := b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)

		if err := b.SetDisabled(t.Context(), u.ID, false); err != nil {
			t.Fatal(err)
		}
		b.dead(token)
		b.login(ada)
		wantKind(t, b.SetDisabled(t.Context(), id.New(), true), problem.NotFound)
	})
}

func TestChangePasswordRefuses(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		_, ctx := b.login(ada)

		_, err := b.ChangePassword(ctx, auth.PasswordChange{Old: "not the old one", New: "short"})
		wantKind(t, err, problem.Invalid)
		if got := len(problem.Of(err).Faults); got != 2 {
			t.Errorf("%d faults, want the old and the new password: %v", got, err)
		}
		_, err = b.ChangePassword(t.Context(), auth.PasswordChange{})
		wantKind(t, err, problem.Unauthenticated)

		outsider := insertAccount(t, b, "https://id.example.com", "42")
		there := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: outsider})
		_, err = b.ChangePassword(there, auth.PasswordChange{Old: password, New: password})
		wantCode(t, err, "user_external")

		for range auth.AccountAttempts {
			_, err = b.ChangePassword(ctx, auth.PasswordChange{Old: "not the old one", New: password})
		}
		wantKind(t, err, problem.RateLimited)
	})
}

func TestLoginRenewsAnOldHash(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		u := b.user(ada)
		before := storedHash(t, b, u.ID)
		b.SetCost(128, 1)
		b.login(ada)
		after := storedHash(t, b, u.ID)
		if after == before {
			t.Error("the hash was not renewed")
		}
		work := b.CountHashes()
		b.login(ada)
		if got := work.Load(); got != 128 || storedHash(t, b, u.ID) != after {
			t.Errorf("a log-in with a current hash computed %d KiB, or changed it", got)
		}
	})
}

func TestT138_LoginIsThrottled(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		wrong := auth.Credentials{Email: ada, Password: "wrong horse battery"}
		for range auth.AccountAttempts {
			_, err := b.Login(t.Context(), wrong)
			wantKind(t, err, problem.Unauthenticated)
		}
		work := b.CountHashes()
		_, err := b.Login(t.Context(), auth.Credentials{Email: "Ada@example.com", Password: password})
		wantKind(t, err, problem.RateLimited)
		if work.Load() != 0 {
			t.Error("a throttled log-in cost a hash")
		}
		wait := problem.Of(err).RetryAfter
		if wait <= 0 || wait > auth.AccountPause {
			t.Errorf("retry after %v, want up to %v", wait, auth.AccountPause)
		}
		b.time.pass(wait)
		b.login(ada) // success gives all attempts back
		_, err = b.Login(t.Context(), wrong)
		wantKind(t, err, problem.Unauthenticated)
	})
}

func TestT138_OneAddressIsThrottledForItself(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.user(ada)
	try := func(address string) error {
		_, err := b.Login(t.Context(), auth.Credentials{Email: id.New() + "@example.com", Password: password, Address: address})
		return err
	}
	for range auth.AddressAttempts {
		wantKind(t, try("2001:db8::1"), problem.Unauthenticated)
	}
	wantKind(t, try("2001:db8::2"), problem.RateLimited)
	wantKind(t, try("[2001:db8::3]:8080"), problem.RateLimited)
	wantKind(t, try("2001:db8:0:1::1"), problem.Unauthenticated)

	for range auth.AccountAttempts + 1 {
		_, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: "wrong", Address: "2001:db8::1"})
		wantKind(t, err, problem.RateLimited)
	}
	b.login(ada) // what the address was refused does not lock the account
}

// T138: who posts wrong passwords from one place locks nobody out who is elsewhere,
// and an account is limited as a whole too.
func TestT138_OnePlaceLocksNobodyOut(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.user(ada)
	try := func(password, address string) error {
		_, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: password, Address: address})
		return err
	}
	var last error
	for range 5 * auth.EveryAttempts { // one each second, for longer than the bound of all
		last = try("wrong horse battery", "192.0.2.1")
		b.time.pass(time.Second)
		if last == nil {
			t.Fatal("a wrong password is right")
		}
	}
	if err := try(password, "198.51.100.7"); err != nil {
		t.Fatalf("locked out from elsewhere: %v", err)
	}
	refused := 0
	work := b.CountHashes()
	for n := range auth.EveryAttempts + 10 {
		if problem.Is(try("wrong horse battery", fmt.Sprintf("10.0.%d.%d", n/256, n%256)), problem.RateLimited) {
			refused++
		}
	}
	if refused == 0 || int(work.Load()/64) > auth.EveryAttempts {
		t.Errorf("%d attempts from many places were refused, %d hashed", refused, work.Load()/64)
	}
}

// insertAccount plants an account that has no password.
func insertAccount(t *testing.T, b *bundle, issuer, subject string) string {
	t.Helper()
	userID := id.New()
	_, err := b.db.ExecContext(t.Context(), `INSERT INTO ?schema.jet_user
		(id, issuer, subject, email, name, created_at, updated_at, version) VALUES (?, ?, ?, '', '', ?, ?, 1)`,
		userID, issuer, subject, b.time.Now(), b.time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return userID
}

func storedHash(t *testing.T, b *bundle, userID string) string {
	t.Helper()
	var hash string
	if err := b.db.QueryRowContext(t.Context(), "SELECT password_hash FROM ?schema.jet_user WHERE id = ?", userID).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}
