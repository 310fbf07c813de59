package auth_test

import (
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func shortSessions(c *auth.Config) { c.SessionIdle, c.SessionMax = 10*time.Minute, time.Hour }

func TestSessionEndsWhenIdle(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, shortSessions)
		b.user(ada)
		token, _ := b.login(ada)
		for range 4 { // each use puts the end off
			b.time.pass(9 * time.Minute)
			b.known(token)
		}
		b.time.pass(10 * time.Minute)
		b.dead(token)
	})
}

func TestSessionEndsInTheEnd(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, shortSessions)
		b.user(ada)
		token, ctx := b.login(ada)
		p := auth.FromContext(ctx)
		for range 11 {
			b.time.pass(5 * time.Minute)
			b.known(token)
		}
		if _, err := b.Revalidate(t.Context(), p); err != nil {
			t.Errorf("before its end: %v", err)
		}
		b.time.pass(5 * time.Minute)
		b.dead(token)
		_, err := b.Revalidate(t.Context(), p)
		wantKind(t, err, problem.Unauthenticated)
	})
}

func TestLastSeenIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		token, ctx := b.login(ada)
		seen := func() time.Time {
			t.Helper()
			all, err := b.Sessions(ctx)
			if err != nil || len(all) != 1 || !all[0].Current {
				t.Fatalf("sessions are %+v, %v, want the current one", all, err)
			}
			return all[0].LastSeenAt
		}
		begin := seen()
		b.time.pass(auth.TouchEvery - time.Second)
		b.known(token)
		if got := seen(); !got.Equal(begin) {
			t.Errorf("written again after less than a minute: %v", got)
		}
		b.time.pass(time.Second)
		b.known(token)
		if got := seen(); !got.Equal(b.time.Now()) {
			t.Errorf("last seen %v, want %v", got, b.time.Now())
		}
	})
}

func TestRevokeSession(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		b.user("grace@example.com")
		lost, _ := b.login(ada)
		mine, ctx := b.login(ada)
		other, otherCtx := b.login("grace@example.com")

		for _, foreign := range []string{auth.FromContext(otherCtx).SessionID, id.New(), "*", ""} {
			wantKind(t, b.RevokeSession(ctx, foreign), problem.NotFound)
		}
		b.known(other)
		all, err := b.Sessions(ctx)
		if err != nil || len(all) != 2 || !all[0].Current || all[1].Current {
			t.Fatalf("sessions are %+v, %v, want the current and the lost one", all, err)
		}
		if err := b.RevokeSession(ctx, all[1].ID); err != nil {
			t.Fatal(err)
		}
		b.dead(lost)
		b.known(mine)
	})
}

func TestLogoutWithoutASession(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	u := b.user(ada)
	wantKind(t, b.Logout(t.Context()), problem.Unauthenticated)
	byHost := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindUser, UserID: u.ID})
	wantKind(t, b.Logout(byHost), problem.Conflict)
	byKey := auth.NewContext(t.Context(), &auth.Principal{Kind: auth.KindAPIKey, UserID: u.ID})
	wantKind(t, b.Logout(byKey), problem.Forbidden)
}

// A session that began while its account was being disabled is worth nothing.
func TestSessionOfADisabledAccount(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		b.user(ada)
		token, ctx := b.login(ada)
		if _, err := db.ExecContext(t.Context(), "UPDATE ?schema.jet_user SET disabled = ?", true); err != nil {
			t.Fatal(err)
		}
		b.dead(token)
		_, err := b.Revalidate(t.Context(), auth.FromContext(ctx))
		wantKind(t, err, problem.Unauthenticated)
	})
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.user(ada)
	first, _ := b.login(ada)
	for range auth.MaxSessions - 1 {
		b.login(ada)
	}
	b.known(first)
	_, ctx := b.login(ada)
	b.dead(first)
	if all, err := b.Sessions(ctx); err != nil || len(all) != auth.MaxSessions {
		t.Errorf("%d sessions, %v, want %d", len(all), err, auth.MaxSessions)
	}
}
