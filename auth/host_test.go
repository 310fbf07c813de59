package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// hosted is a service whose host says who the caller is.
func hosted(t *testing.T, db *store.DB, change ...func(*auth.Config)) (*bundle, func(*auth.Principal) (*auth.Principal, error)) {
	type key struct{}
	b := setup(t, db, append(change, func(c *auth.Config) {
		c.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
			return r.Context().Value(key{}).(*auth.Principal), nil
		})}
	})...)
	return b, func(said *auth.Principal) (*auth.Principal, error) {
		return b.Authenticate(request(t).WithContext(context.WithValue(t.Context(), key{}, said)))
	}
}

// An account of another system is known by issuer and subject alone.
func TestT36_EMailNeverLinksAccounts(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, says := hosted(t, db)
		local := b.user(ada)
		seen := map[string]string{local.ID: "local"}
		for _, said := range []auth.Principal{
			{Issuer: "https://id.example.com", Subject: "1", Email: ada},
			{Issuer: "https://id.example.com", Subject: ada, Email: ada},
			{Issuer: "https://id.example.com", Subject: "2", Email: "ADA@example.com"},
			{Issuer: "https://id.example.com", Subject: "3", Email: "ada+x@example.com"},
			{Issuer: "https://other.example.com", Subject: "1", Email: ada},
			{Issuer: "HTTPS://id.example.com", Subject: "1", Email: ada},
		} {
			p, err := says(&said)
			if err != nil {
				t.Fatal(err)
			}
			if first := seen[p.UserID]; first != "" {
				t.Errorf("%s %s is the account of %s", said.Issuer, said.Subject, first)
			}
			seen[p.UserID] = said.Issuer + " " + said.Subject

			said.Email = "moved@example.com"
			again, err := says(&said)
			if err != nil || again.UserID != p.UserID || again.Email != "moved@example.com" {
				t.Errorf("with a new e-mail address: %+v, %v, want the account %s", again, err, p.UserID)
			}
		}
		b.login(ada)
	})
}

func TestT43_ForeignSubjectsAreNotOurIDs(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b, says := hosted(t, db)
		u := b.user(ada)
		for _, subject := range []string{u.ID, "1", "admin", ada} {
			p, err := says(&auth.Principal{Issuer: "https://id.example.com", Subject: subject})
			if err != nil || p.UserID == u.ID {
				t.Errorf("subject %q: %+v, %v, want an account of its own", subject, p, err)
			}
			for _, issuer := range []string{"local", "LOCAL", " local "} {
				p, err := says(&auth.Principal{Issuer: issuer, Subject: subject})
				wantKind(t, err, problem.Unauthenticated)
				if p != nil {
					t.Errorf("issuer %q, subject %q is %+v", issuer, subject, p)
				}
			}
		}
	})
}

func TestHostNamesAnAccountOfOurs(t *testing.T) {
	t.Parallel()
	b, says := hosted(t, testdb.SQLite(t))
	u := b.user(ada)
	claims := map[string]any{"department": "sales"}
	p, err := says(&auth.Principal{UserID: u.ID, Claims: claims})
	if err != nil || p.UserID != u.ID || p.Email != ada || p.Claims["department"] != "sales" {
		t.Fatalf("got %+v, %v, want %s", p, err, u.ID)
	}
	claims["department"] = "board"
	if p.Claims["department"] != "sales" {
		t.Error("the host can change the claims of a principal")
	}
	if err := b.SetDisabled(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	_, err = says(&auth.Principal{UserID: u.ID})
	wantKind(t, err, problem.Unauthenticated)
}

// Without an identity there is no caller, and no rights come from outside.
func TestT152_HostWithoutAnIdentity(t *testing.T) {
	t.Parallel()
	b, says := hosted(t, testdb.SQLite(t))
	u := b.user(ada)
	if p, err := says(nil); p != nil || err != nil {
		t.Errorf("nil is %+v, %v, want an anonymous request", p, err)
	}
	for name, said := range map[string]auth.Principal{
		"empty":            {},
		"only a kind":      {Kind: auth.KindUser},
		"only an e-mail":   {Email: ada},
		"only an issuer":   {Issuer: "host"},
		"only a subject":   {Subject: "7"},
		"a missing user":   {UserID: id.New()},
		"not an id":        {UserID: "admin"},
		"somebody else":    {UserID: u.ID, Issuer: "host", Subject: "7"},
		"a service":        {Kind: auth.KindService, Service: "billing", Issuer: "host", Subject: "7"},
		"a key":            {Kind: auth.KindAPIKey, KeyID: id.New(), UserID: u.ID},
		"a key of a user":  {KeyID: id.New(), UserID: u.ID},
		"a session":        {SessionID: id.New(), UserID: u.ID},
		"roles":            {UserID: u.ID, Roles: []string{"owner"}},
		"grants":           {UserID: u.ID, Grants: []auth.Grant{{Permission: "*"}}},
		"scopes":           {UserID: u.ID, Scopes: []auth.Permission{"query.read"}},
		"a NUL":            {Issuer: "host", Subject: "7\x00"},
		"broken text":      {Issuer: "host", Subject: "\xff"},
		"an endless text":  {Issuer: "host", Subject: string(make([]rune, 10_000))},
		"a foreign tenant": {UserID: u.ID, TenantID: id.New()},
		"not a tenant":     {UserID: u.ID, TenantID: "*"},
	} {
		p, err := says(&said)
		wantKind(t, err, problem.Unauthenticated)
		if p != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestT152_HostThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host auth.AuthenticatorFunc
		want problem.Kind
	}{
		"panic":    {func(*http.Request) (*auth.Principal, error) { panic("boom") }, problem.Internal},
		"no func":  {nil, problem.Internal},
		"an error": {func(*http.Request) (*auth.Principal, error) { return nil, errors.New("expired") }, problem.Unauthenticated},
		"its kind": {func(*http.Request) (*auth.Principal, error) { return nil, problem.New(problem.Unavailable, "", "down") }, problem.Unavailable},
		"both sides": {func(*http.Request) (*auth.Principal, error) {
			return &auth.Principal{Issuer: "a", Subject: "b"}, errors.New("no")
		}, problem.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, testdb.SQLite(t), func(cfg *auth.Config) {
				cfg.Authenticators = []auth.Authenticator{c.host, bearerOf("t", "7")}
			})
			p, err := b.Authenticate(request(t, "Authorization", "Bearer t"))
			wantKind(t, err, c.want)
			if p != nil {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestHostConfinesToATenant(t *testing.T) {
	t.Parallel()
	b, says := hosted(t, testdb.SQLite(t))
	u := b.user(ada)
	mine, other := b.tenant(u), b.tenant(u)
	p, err := says(&auth.Principal{UserID: u.ID, TenantID: mine})
	if err != nil || p.TenantID != mine || !slices.Equal(p.Roles, []string{"*"}) {
		t.Fatalf("got %+v, %v, want the member of %s", p, err, mine)
	}
	_, err = b.Enter(t.Context(), p, other)
	wantKind(t, err, problem.NotFound)
}

func TestProvisionOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		var told []auth.User
		b, says := hosted(t, db, func(c *auth.Config) {
			c.Hooks.AfterProvision = func(_ context.Context, u auth.User) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, u)
			}
		})
		ids := make([]string, 8)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				p, err := says(&auth.Principal{Issuer: "host", Subject: "7", Name: "Grace\x07 Hopper"})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = p.UserID
			})
		}
		wg.Wait()
		if ids = slices.Compact(ids); len(ids) != 1 {
			t.Errorf("one identity became the accounts %v", ids)
		}
		if len(told) != 1 || told[0].Name != "Grace Hopper" {
			t.Errorf("the hook was told %+v, want it once", told)
		}
		if got, want := b.actions(""), []string{"user.provision"}; !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

// T138: an issuer where anybody signs up must not fill the database: accounts that
// were never seen are made so often from one network, and from all together. Known
// ones get in, and what the host itself makes is not counted.
func TestT138_NewAccountsAreThrottled(t *testing.T) {
	t.Parallel()
	type key struct{}
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		c.Authenticators = []auth.Authenticator{auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
			return &auth.Principal{Issuer: "https://id.example.com", Subject: r.Context().Value(key{}).(string)}, nil
		})}
	})
	come := func(subject, address string) error {
		ctx := auth.WithAddress(context.WithValue(t.Context(), key{}, subject), netip.MustParseAddr(address))
		_, err := b.Authenticate(request(t).WithContext(ctx))
		return err
	}
	for n := range auth.NewAccounts {
		if err := come(fmt.Sprint("here ", n), "2001:db8::1"); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
	err := come("one more", "2001:db8::2")
	wantKind(t, err, problem.RateLimited)
	if wait := problem.Of(err).RetryAfter; wait <= 0 || wait > auth.NewPause {
		t.Errorf("retry after %v", wait)
	}
	if err := come("here 1", "2001:db8::1"); err != nil {
		t.Errorf("an account that is known: %v", err)
	}
	if _, err := b.Provision(t.Context(), auth.Identity{Issuer: "https://id.example.com", Subject: "of the host"}); err != nil {
		t.Errorf("the host makes one: %v", err)
	}
	made := auth.NewAccounts
	for n := range auth.EveryNew {
		if err = come(fmt.Sprint("there ", n), fmt.Sprintf("10.0.%d.%d", n/256, n%256)); err != nil {
			break
		}
		made++
	}
	wantKind(t, err, problem.RateLimited)
	if made != auth.EveryNew {
		t.Errorf("%d were made, want %d", made, auth.EveryNew)
	}
}

// T138: tokens that anybody can make up are counted by network when they are refused;
// beyond the limit they cost no query. Good ones do not count, wherever they come
// from, and other networks are not held up.
func TestT138_BadTokensAreThrottled(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	b.user(ada)
	good, _ := b.login(ada)
	bad := auth.WithChecksum("jas_" + strings.Repeat("A", 52))
	try := func(token, address string) error {
		r := request(t)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := b.Authenticate(r.WithContext(auth.WithAddress(t.Context(), netip.MustParseAddr(address))))
		return err
	}
	for range 2 * auth.BadTokens {
		if err := try(good, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	fresh, err := b.Login(t.Context(), auth.Credentials{Email: ada, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	for range auth.BadTokens + 1 {
		wantKind(t, try(bad, "192.0.2.1"), problem.Unauthenticated)
	}
	wantKind(t, try(fresh.Token, "192.0.2.1"), problem.RateLimited)
	if err := try(good, "192.0.2.1"); err != nil {
		t.Errorf("who was known there before: %v", err)
	}
	err = try(bad, "192.0.2.1")
	wantKind(t, err, problem.RateLimited)
	ctx := auth.WithAddress(t.Context(), netip.MustParseAddr("192.0.2.1"))
	_, onSocket := b.AuthenticateToken(ctx, bad)
	wantKind(t, onSocket, problem.RateLimited)
	_, inCookie := b.Authenticate(request(t, "Cookie", auth.CookieName+"="+bad).WithContext(ctx))
	wantKind(t, inCookie, problem.RateLimited)
	if err := try(good, "192.0.2.2"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	b.time.pass(problem.Of(err).RetryAfter)
	if err := try(good, "192.0.2.1"); err != nil {
		t.Errorf("a moment later: %v", err)
	}
}
