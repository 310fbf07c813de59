package tenancy_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		defaults := tenancy.Settings{TimeZone: "UTC", InvitationDomains: []string{}, Version: 1}
		if got, err := b.Settings(owner); err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", defaults) {
			t.Errorf("defaults %#v (%v)", got, err)
		}
		in := tenancy.Settings{
			TimeZone: "Europe/Berlin", LogoURL: "https://www.example.com/logo.svg?v=2", InvitationDomains: []string{"example.org", "example.com", "example.org"}, APIKeyMaxDays: 90,
		}
		want := in
		want.InvitationDomains, want.Version = []string{"example.com", "example.org"}, 2
		if got, err := b.SetSettings(owner, in); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("set %+v (%v)", got, err)
		}
		if got, err := b.Settings(owner); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("read %+v (%v)", got, err)
		}
		if got, err := b.Get(owner); err != nil || got.LogoURL != in.LogoURL || got.Version != 2 || !got.UpdatedAt.After(w.UpdatedAt) {
			t.Errorf("%+v (%v)", got, err)
		}
		if mine, err := b.Mine(signedIn(w.owner)); err != nil || mine[0].Tenant.LogoURL != in.LogoURL {
			t.Errorf("%+v (%v)", mine, err)
		}
		in.Version = 1
		if _, err := b.SetSettings(owner, in); problem.KindOf(err) != problem.Stale || problem.Of(err).Remedy == "" {
			t.Errorf("a stale change: %v", err)
		}
		if got, err := b.Update(owner, tenancy.TenantUpdate{Name: ptr("Atelier"), Version: 2}); err != nil || got.LogoURL != in.LogoURL {
			t.Errorf("renamed to %+v (%v)", got, err)
		}
		want = defaults
		want.Version = 4
		if got, err := b.SetSettings(owner, tenancy.Settings{Version: 3}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("back to %+v (%v)", got, err)
		}
		events, err := b.audit.List(owner, audit.Filter{Action: "tenant.settings"}, page.Request{})
		if err != nil || len(events.Items) != 2 || events.Items[0].ObjectID != w.ID {
			t.Fatalf("audited %+v (%v)", events.Items, err)
		}
		for _, part := range []string{`"UTC"`, `"Europe/Berlin"`, `"keyMaxDays":0`, `"keyMaxDays":90`, `"example.org"`} {
			if detail := string(events.Items[1].Detail); !strings.Contains(detail, part) {
				t.Errorf("%s is not in %s", part, detail)
			}
		}
	})
}

// Who may read the tenant reads its settings, who may change it changes them; in
// another tenant they are that one's.
func TestSettingsAreOfOneTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w, other := b.newWorkspace(t), b.newWorkspace(t)
		if _, err := b.SetSettings(b.in(t, w.ID, w.owner), tenancy.Settings{APIKeyMaxDays: 7}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Settings(b.in(t, other.ID, other.owner)); err != nil || got.APIKeyMaxDays != 0 || got.Version != 1 {
			t.Errorf("another tenant: %+v (%v)", got, err)
		}
		for _, role := range []string{rbac.Viewer, rbac.Admin} {
			ctx := b.in(t, w.ID, b.join(t, w, role))
			if got, err := b.Settings(ctx); err != nil || got.APIKeyMaxDays != 7 {
				t.Errorf("%s: %+v (%v)", role, got, err)
			}
			if _, err := b.SetSettings(ctx, tenancy.Settings{}); problem.KindOf(err) != problem.Forbidden {
				t.Errorf("%s: %v", role, err)
			}
		}
		key := &auth.Principal{Kind: auth.KindAPIKey, UserID: w.owner, TenantID: w.ID, Roles: w.ids(rbac.Owner), Scopes: []auth.Permission{auth.QueryList}}
		if _, err := b.Settings(auth.NewContext(t.Context(), key)); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("a key without the scope: %v", err)
		}
		if _, err := b.Settings(t.Context()); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("nobody: %v", err)
		}
		if err := b.DeleteFor(t.Context(), w.ID); err != nil {
			t.Fatal(err)
		}
		for _, gone := range []string{w.ID, id.New(), "", "x"} {
			if _, err := b.SettingsIn(t.Context(), db.DB, gone); problem.KindOf(err) != problem.NotFound {
				t.Errorf("%q: %v", gone, err)
			}
		}
	})
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	w := b.newWorkspace(t)
	owner := b.in(t, w.ID, w.owner)
	faulty := tenancy.Settings{
		TimeZone: "Mars/Base", LogoURL: "http://ada:secret@example.com/" + strings.Repeat("x", 2000), APIKeyMaxDays: 3651,
		InvitationDomains: append(slices.Repeat([]string{"example.com"}, 50), "Example.com"),
	}
	_, err := b.SetSettings(owner, faulty)
	want := []string{"timeZone", "logoUrl", "logoUrl", "logoUrl", "invitationDomains", "invitationDomains.50", "apiKeyMaxDays"}
	if got := faultsOf(err); problem.Of(err).Code != "settings_invalid" || !slices.Equal(got, want) {
		t.Errorf("faults at %v: %v", got, err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a value is repeated: %v", err)
	}
	for _, zone := range []string{"Local", "../etc/passwd", "utc+1", " UTC", "\x00"} {
		if _, err := b.SetSettings(owner, tenancy.Settings{TimeZone: zone}); !slices.Equal(faultsOf(err), []string{"timeZone"}) {
			t.Errorf("the zone %q: %v", zone, err)
		}
	}
	for _, logo := range []string{
		"http://example.com/a.png", "//example.com/a.png", "/a.png", "javascript:alert(1)", "data:image/png;base64,AAAA", "https://", "https:///a.png", "https://:443/", "https:a.png",
		"https://ada@example.com/a.png", "https://example.com/\na", "https://example.com/a b", " https://example.com/", "https://example.com/\u202e\x7f", "https://exa\\mple.com/", "https://example.com/%zz", "https://example.com/\xff",
	} {
		if _, err := b.SetSettings(owner, tenancy.Settings{LogoURL: logo}); !slices.Contains(faultsOf(err), "logoUrl") {
			t.Errorf("the logo %q: %v", logo, err)
		}
	}
	for _, domain := range []string{
		"", ".", "Example.com", "example.com.", ".example.com", "*.example.com", "example..com", "-a.com", "a-.com", "bücher.de", "a@example.com", "127.0.0.1", "[::1]",
		"exam_ple.com", "example.com\n", strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 127) + "com",
	} {
		if _, err := b.SetSettings(owner, tenancy.Settings{InvitationDomains: []string{domain}}); !slices.Equal(faultsOf(err), []string{"invitationDomains.0"}) {
			t.Errorf("the domain %q: %v", domain, err)
		}
	}
	if _, err := b.SetSettings(owner, tenancy.Settings{APIKeyMaxDays: -1}); !slices.Equal(faultsOf(err), []string{"apiKeyMaxDays"}) {
		t.Error(err)
	}
	good := tenancy.Settings{
		TimeZone: "America/Argentina/Buenos_Aires", LogoURL: "https://example.com/" + strings.Repeat("ü", 1980), APIKeyMaxDays: 3650,
		InvitationDomains: []string{"a.b-c.example", "localhost", "xn--bcher-kva.de", "1and1.com", strings.Repeat("a", 63) + ".com"},
	}
	if got, err := b.SetSettings(owner, good); err != nil || got.Version != 2 {
		t.Errorf("%+v (%v)", got, err)
	}
}

func faultsOf(err error) (paths []string) {
	if err == nil {
		return nil
	}
	for _, fault := range problem.Of(err).Faults {
		paths = append(paths, fault.Path)
	}
	return paths
}

// Of those who change the same version at once, one does.
func TestSettingsAreChangedOnce(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		w := b.newWorkspace(t)
		owner := b.in(t, w.ID, w.owner)
		var done atomic.Int32
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				_, err := b.SetSettings(owner, tenancy.Settings{APIKeyMaxDays: n + 1, Version: 1})
				if err == nil {
					done.Store(int32(n + 1))
				} else if problem.KindOf(err) != problem.Stale {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, err := b.Settings(owner); err != nil || got.Version != 2 || got.APIKeyMaxDays != int(done.Load()) {
			t.Errorf("%+v, done by %d (%v)", got, done.Load(), err)
		}
	})
}
