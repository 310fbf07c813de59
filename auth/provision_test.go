package auth_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// Whoever is made by the host is the one who signs in later.
func TestProvision(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		hooked := 0
		b, says := hosted(t, db, func(c *auth.Config) {
			c.Hooks.AfterProvision = func(context.Context, auth.User) { hooked++ }
		})
		made, err := b.Provision(t.Context(), auth.Identity{Issuer: "host", Subject: "7", Email: ada, Name: "Ada"})
		if err != nil || made.ID == "" || made.Issuer != "host" || made.Subject != "7" || made.Email != ada || made.Name != "Ada" {
			t.Fatalf("made %+v, %v", made, err)
		}
		if p, err := says(&auth.Principal{Issuer: "host", Subject: "7"}); err != nil || p.UserID != made.ID {
			t.Errorf("signed in as %+v, %v", p, err)
		}
		again, err := b.Provision(t.Context(), auth.Identity{Issuer: "host", Subject: "7", Name: "Ada L."})
		if err != nil || again.ID != made.ID || again.Name != "Ada L." || again.Email != ada {
			t.Errorf("the second time: %+v, %v", again, err)
		}
		if hooked != 1 {
			t.Errorf("the hook heard of %d accounts", hooked)
		}
	})
}

func TestProvisionRefuses(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		for name, in := range map[string]auth.Identity{
			"nobody":         {},
			"no subject":     {Issuer: "host"},
			"no issuer":      {Subject: "7"},
			"our own issuer": {Issuer: "Local", Subject: ada},
			"a NUL":          {Issuer: "host", Subject: "7\x00"},
		} {
			_, err := b.Provision(t.Context(), in)
			if problem.KindOf(err) != problem.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
