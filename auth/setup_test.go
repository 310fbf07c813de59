package auth_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func (b *bundle) prepare() string {
	b.t.Helper()
	token, err := b.PrepareSetup(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

func firstAccount(token string) auth.Setup {
	return auth.Setup{Token: token, Email: ada, Name: "Ada", Password: password}
}

func TestT47_SetupTokenIsGoodOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		void, token := b.prepare(), b.prepare()
		for _, wrong := range []string{"", void, token[:len(token)-1], token + " "} {
			_, err := b.Setup(t.Context(), firstAccount(wrong))
			wantKind(t, err, problem.Unauthenticated)
		}
		faulty := firstAccount(token)
		faulty.Password = "short"
		_, err := b.Setup(t.Context(), faulty)
		wantKind(t, err, problem.Invalid)

		l, err := b.Setup(t.Context(), firstAccount(token))
		if err != nil {
			t.Fatal(err)
		}
		if p := b.known(l.Token); p.UserID != l.User.ID || l.User.Email != ada {
			t.Errorf("the session is of %+v, want %+v", p, l.User)
		}
		for _, late := range []string{token, "", "jau_x"} {
			_, err = b.Setup(t.Context(), firstAccount(late))
			wantKind(t, err, problem.Conflict)
			if p := problem.Of(err); p.Remedy == "" || strings.Contains(p.Message+p.Remedy, "example.com") {
				t.Errorf("late: %+v", p)
			}
		}
		if again := b.prepare(); again != "" {
			t.Error("there is a set-up token although there is an account")
		}
		if got, want := b.actions(""), []string{"user.setup"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

func TestT47_SetupUnderConcurrency(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		token := b.prepare()
		var done atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				in := firstAccount(token)
				in.Email = string(rune('a'+i)) + "@example.com"
				switch _, err := b.Setup(t.Context(), in); {
				case err == nil:
					done.Add(1)
				default:
					wantKind(t, err, problem.Conflict)
				}
			})
		}
		wg.Wait()
		var accounts int
		if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_user").Scan(t.Context(), &accounts); err != nil {
			t.Fatal(err)
		}
		if done.Load() != 1 || accounts != 1 {
			t.Errorf("%d set-ups succeeded and made %d accounts, want one", done.Load(), accounts)
		}
	})
}

func TestT47_SetupTokenExpiresAndDiesWithAnyAccount(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		old := b.prepare()
		b.time.pass(auth.SetupFor)
		_, err := b.Setup(t.Context(), firstAccount(old))
		wantKind(t, err, problem.Unauthenticated)

		token := b.prepare()
		b.user("made-by-the-host@example.com")
		_, err = b.Setup(t.Context(), firstAccount(token))
		wantKind(t, err, problem.Conflict)
		_, err = b.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
		wantKind(t, err, problem.Unauthenticated)
	})
}

func TestTokensAreNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	l, err := b.Setup(t.Context(), firstAccount(b.prepare()))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"SELECT token_hash FROM ?schema.jet_setup", "SELECT token_hash FROM ?schema.jet_session"} {
		var stored []byte
		if err := b.db.NewRaw(query).Scan(t.Context(), &stored); err != nil {
			t.Fatal(err)
		}
		if len(stored) != 32 || bytes.Contains([]byte(l.Token), stored) {
			t.Errorf("%s gives %q, want a SHA-256", query, stored)
		}
	}
}
