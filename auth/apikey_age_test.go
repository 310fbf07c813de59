package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// T53: where a tenant bounds the age of its keys, none is made or changed that lasts
// longer. Keys of before stay good.
func TestT53_KeysExpireInTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		days := 0
		b := setup(t, db, func(c *auth.Config) {
			c.MaxKeyDays = func(context.Context, bun.IDB, string) (int, error) { return days, nil }
		})
		u := b.user(ada)
		tenantID := b.tenant(u)
		ctx := b.in(tenantID, u)
		old, secret, err := b.CreateKey(ctx, reader)
		if err != nil {
			t.Fatal(err)
		}
		days = 90
		in := func(d time.Duration) *time.Time {
			at := b.time.Now().Add(d)
			return &at
		}
		const day = 24 * time.Hour
		create := func(at *time.Time) (auth.APIKey, error) {
			k := reader
			k.ExpiresAt = at
			key, _, err := b.CreateKey(ctx, k)
			return key, err
		}
		for _, at := range []*time.Time{nil, in(90*day + time.Millisecond), in(1000 * day)} {
			_, err := create(at)
			wantFaults(t, err, "expiresAt")
			if text := problem.Of(err).Faults[0].Message; !strings.Contains(text, "90 days") {
				t.Errorf("the limit is not told: %s", text)
			}
		}
		_, _, err = b.CreateKey(ctx, auth.NewKey{})
		wantFaults(t, err, "name", "scopes", "expiresAt")
		key, err := create(in(90 * day))
		if err != nil {
			t.Fatal(err)
		}

		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{NeverExpires: true})
		wantFaults(t, err, "expiresAt")
		_, err = b.UpdateKey(ctx, key.ID, auth.KeyUpdate{ExpiresAt: in(91 * day)})
		wantFaults(t, err, "expiresAt")
		if _, err := b.UpdateKey(ctx, key.ID, auth.KeyUpdate{ExpiresAt: in(10 * day)}); err != nil {
			t.Error(err)
		}
		if _, _, err := b.RotateKey(ctx, key.ID, 0, 0); err != nil {
			t.Error(err)
		}

		b.known(secret)
		name := "renamed"
		_, err = b.UpdateKey(ctx, old.ID, auth.KeyUpdate{Name: &name})
		wantFaults(t, err, "expiresAt")
		_, _, err = b.RotateKey(ctx, old.ID, 0, 0)
		if wantFaults(t, err, "expiresAt"); problem.Of(err).Remedy == "" {
			t.Errorf("no remedy: %v", err)
		}
		b.known(secret)
		if _, err := b.UpdateKey(ctx, old.ID, auth.KeyUpdate{Name: &name, ExpiresAt: in(day)}); err != nil {
			t.Error(err)
		}
		if _, _, err := b.RotateKey(ctx, old.ID, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

// T53: a limit that is set while a key is made holds for it.
func TestT53_TheLimitOfTheMomentHolds(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		asked := 0
		b := setup(t, db, func(c *auth.Config) {
			c.MaxKeyDays = func(context.Context, bun.IDB, string) (int, error) { asked++; return (asked - 1) % 2, nil }
		})
		u := b.user(ada)
		_, _, err := b.CreateKey(b.in(b.tenant(u), u), reader)
		wantFaults(t, err, "expiresAt")
	})
}
