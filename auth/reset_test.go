package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

const newPassword = "battery staple, four words"

// posted is a service whose host sends links into a channel.
type posted struct {
	*bundle
	mail chan auth.PasswordReset
}

func setupReset(t *testing.T, db *store.DB) posted {
	t.Helper()
	p := posted{mail: make(chan auth.PasswordReset, 100)}
	p.bundle = setup(t, db, func(c *auth.Config) {
		c.ResetURL = "https://tools.example.com/new-password"
		c.Hooks.SendPasswordReset = func(_ context.Context, link auth.PasswordReset) error {
			p.mail <- link
			if len(p.mail)%2 == 0 {
				panic("of the host")
			}
			return errors.New("the mail server is down")
		}
	})
	return p
}

// forgot asks for a link, and waits until everything is done about it.
func (p posted) forgot(email string) {
	p.t.Helper()
	if err := p.ForgotPassword(p.t.Context(), email, ""); err != nil {
		p.t.Fatal(err)
	}
	p.settle()
}

func (p posted) settle() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	if err := p.Settle(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// link is the one that was sent, or fails.
func (p posted) link() (token string) {
	p.t.Helper()
	select {
	case link := <-p.mail:
		_, token, ok := strings.Cut(link.URL, "https://tools.example.com/new-password#token=")
		if !ok {
			p.t.Fatalf("the link is %s", link.URL)
		}
		return token
	default:
		p.t.Fatal("no link was sent")
		return ""
	}
}

func (p posted) reset(token, password string) error {
	return p.ResetPassword(p.t.Context(), auth.NewPassword{Token: token, Password: password})
}

func TestT42_ResetEndsEverySession(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		p := setupReset(t, db)
		p.user(ada)
		one, _ := p.login(ada)
		two, _ := p.login(ada)
		p.forgot(" ADA@example.com ")
		if p.known(one) == nil {
			t.Error("asking for a link has ended a session")
		}
		token := p.link()
		if err := p.reset(token, newPassword); err != nil {
			t.Fatal(err)
		}
		p.dead(one)
		p.dead(two)
		_, err := p.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
		wantKind(t, err, problem.Unauthenticated)
		if _, err := p.Login(t.Context(), auth.Credentials{Email: ada, Password: newPassword}); err != nil {
			t.Errorf("with the new password: %v", err)
		}
		want := []string{"user.create", "session.login", "session.login", "user.forgot", "user.password", "session.login"}
		if got := p.actions(""); !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

// T42: who had the account may have made a key. A reset ends those of the account in
// all tenants, and nobody else's.
func TestT42_ResetRevokesTheKeys(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		p := setupReset(t, db)
		u, other := p.user(ada), p.user("grace@example.com")
		one, two := p.tenant(u), p.tenant(u)
		p.world.join(one, other.ID, "*")
		make := func(tenantID string, u auth.User) string {
			_, secret, err := p.CreateKey(p.in(tenantID, u), reader)
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		keys, hers := []string{make(one, u), make(two, u), make(one, u)}, make(one, other)
		open := p.known(keys[0])
		p.forgot(ada)
		if err := p.reset(p.link(), newPassword); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			p.dead(key)
		}
		_, err := p.Revalidate(t.Context(), open)
		wantKind(t, err, problem.Unauthenticated)
		p.known(hers)
		if got := p.actions(one); !slices.Equal(got, []string{"apikey.create", "apikey.create", "apikey.create", "apikey.delete", "apikey.delete"}) {
			t.Errorf("recorded %v", got)
		}
	})
}

// T154: after Stop nothing begins that would reach a database that is closed.
func TestT154_NoLinkAfterStop(t *testing.T) {
	t.Parallel()
	p := setupReset(t, testdb.SQLite(t))
	p.user(ada)
	for range 2 {
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, p.ForgotPassword(t.Context(), ada, ""), problem.Unavailable)
	p.settle()
	if len(p.mail) != 0 {
		t.Error("a link was sent")
	}
}

// T40: a link is good once, for an hour, for one account, and the newest one only.
func TestT40_BadResetTokens(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		p := setupReset(t, db)
		u := p.user(ada)
		p.user("grace@example.com")
		bad := func(name, token string) {
			t.Helper()
			err := p.reset(token, newPassword)
			wantCode(t, err, "reset_token_invalid")
			if err == nil {
				t.Errorf("%s is good", name)
			}
		}
		p.forgot(ada)
		first := p.link()
		p.forgot(ada)
		used := p.link()
		bad("the one before the newest", first)
		wantKind(t, p.reset(used, "short"), problem.Invalid)
		if err := p.reset(used, newPassword); err != nil {
			t.Fatal(err)
		}
		session, in := func() (string, context.Context) {
			l, err := p.Login(t.Context(), auth.Credentials{Email: ada, Password: newPassword})
			if err != nil {
				t.Fatal(err)
			}
			return l.Token, auth.NewContext(t.Context(), p.known(l.Token))
		}()
		for name, token := range map[string]string{
			"empty": "", "null": "null", "an array": "[]", "used": used, "in capitals": strings.ToUpper(used), "a session": session,
			"made up": auth.WithChecksum("jar_" + strings.Repeat("A", 52)), "a wildcard": "%", "with a tail": used + "A",
		} {
			bad(name, token)
		}

		p.time.pass(time.Hour)
		p.forgot(ada)
		late := p.link()
		p.time.pass(auth.ResetFor)
		bad("late", late)

		p.forgot(ada)
		changed := p.link()
		if _, err := p.ChangePassword(in, auth.PasswordChange{Old: newPassword, New: password}); err != nil {
			t.Fatal(err)
		}
		bad("from before a change of the password", changed)

		p.forgot(ada)
		disabled := p.link()
		if err := p.SetDisabled(t.Context(), u.ID, true); err != nil {
			t.Fatal(err)
		}
		bad("of an account that was disabled", disabled)
		var kept int
		if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_password_reset").Scan(t.Context(), &kept); err != nil || kept != 0 {
			t.Errorf("%d links are kept: %v", kept, err)
		}
		p.login("grace@example.com") // her password is what it was
	})
}

func TestT40_ResetUnderConcurrency(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		p := setupReset(t, db)
		p.user(ada)
		p.forgot(ada)
		token := p.link()
		done := make(chan error)
		for range 4 {
			go func() { done <- p.reset(token, newPassword) }()
		}
		good := 0
		for range 4 {
			if err := <-done; err == nil {
				good++
			} else {
				wantCode(t, err, "reset_token_invalid")
			}
		}
		if good != 1 {
			t.Errorf("the link was good %d times", good)
		}
	})
}

// T38: who asks for a link gets one answer before anybody looks for the account.
func TestT38_ForgottenPasswordsAreAlike(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		p := setupReset(t, db)
		p.user(ada)
		if err := p.SetDisabled(t.Context(), p.user("off@example.com").ID, true); err != nil {
			t.Fatal(err)
		}
		insertAccount(t, p.bundle, "https://id.example.com", "sso@example.com")
		for _, email := range []string{"nobody@example.com", "off@example.com", "sso@example.com", "", "no address", "ada\x00@example.com", "ada+x@example.com"} {
			p.forgot(email)
		}
		if len(p.mail) != 0 {
			t.Errorf("%d links were sent", len(p.mail))
		}
		p.forgot(ada)
		p.link()
		// Nothing of the account is in the way of the caller: the database may even
		// be gone, and the answer is the same.
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		p.forgot(ada)
		p.forgot("nobody@example.com")
	})
}

func TestT138_LinksAreThrottled(t *testing.T) {
	t.Parallel()
	p := setupReset(t, testdb.SQLite(t))
	p.user(ada)
	for _, email := range []string{ada, "nobody@example.com"} {
		for range auth.ResetAttempts {
			p.forgot(email)
		}
		wantKind(t, p.ForgotPassword(t.Context(), email, ""), problem.RateLimited)
	}
	if len(p.mail) != auth.ResetAttempts {
		t.Errorf("%d links were sent", len(p.mail))
	}
	guess := auth.NewPassword{Token: auth.WithChecksum("jar_" + strings.Repeat("A", 52)), Address: "192.0.2.1"}
	for range auth.AddressAttempts {
		wantCode(t, p.ResetPassword(t.Context(), guess), "reset_token_invalid")
	}
	wantKind(t, p.ResetPassword(t.Context(), guess), problem.RateLimited)
	wantKind(t, p.ForgotPassword(t.Context(), "grace@example.com", "192.0.2.1"), problem.RateLimited)
}

func TestResetWithoutAHost(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	if b.CanReset() {
		t.Error("links are sent by nobody")
	}
	wantKind(t, b.ForgotPassword(t.Context(), ada, ""), problem.Conflict)
	_, err := auth.New(auth.Config{Hooks: auth.Hooks{SendPasswordReset: func(context.Context, auth.PasswordReset) error { return nil }}})
	if err == nil || !strings.Contains(err.Error(), "ResetURL") {
		t.Errorf("the error does not name ResetURL: %v", err)
	}
}

// limits is a limiter that all processes share, or that fails.
type limits struct{ err error }

func (l limits) Take(context.Context, string, int, time.Duration) (time.Duration, error) {
	return time.Minute, l.err
}

func (l limits) Forget(context.Context, string) error { return l.err }

// T138: the shared limiter decides; while it fails, each process counts its own.
func TestT138_LimitsAcrossProcesses(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]limits{"shared": {}, "failing": {errors.New("down")}} {
		b := setup(t, testdb.SQLite(t), func(c *auth.Config) { c.Limiter = l })
		b.user(ada)
		tries := 0
		for range auth.AccountAttempts + 1 {
			_, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: "wrong horse battery"})
			if problem.Is(err, problem.RateLimited) {
				break
			}
			tries++
		}
		if want := map[string]int{"shared": 0, "failing": auth.AccountAttempts}[name]; tries != want {
			t.Errorf("%s: %d tries, want %d", name, tries, want)
		}
	}
}
