package auth_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const (
	ada      = "ada@example.com"
	password = "correct horse battery"
)

// bundle is a service on a database of its own, with its neighbours: time,
// memberships and rights are the test's to set.
type bundle struct {
	*auth.Service
	t     testing.TB
	db    *store.DB
	time  *timeline
	world *world
}

func setup(t testing.TB, db *store.DB, change ...func(*auth.Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, db: db, time: &timeline{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, world: &world{}}
	pages := page.NewSigner([]byte("a key for the cursors of this test"))
	log, err := audit.New(audit.Config{
		Actor: func(ctx context.Context) audit.Actor {
			if p := auth.FromContext(ctx); p != nil {
				return audit.Actor{Name: p.Actor()}
			}
			return audit.Actor{Name: "anonymous"}
		},
		Authorize: func(ctx context.Context) (string, error) { return auth.FromContext(ctx).TenantID, nil },
		Clock:     b.time.Now, DB: db, Pages: pages,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := auth.Config{
		Audit: log.Record, Authorize: b.world.Authorize, Clock: b.time.Now, DB: db,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Members: b.world, Pages: pages,
	}
	for _, f := range change {
		f(&cfg)
	}
	if b.Service, err = auth.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.SetCost(64, 1)
	return b
}

// user makes a local account.
func (b *bundle) user(email string) auth.User {
	b.t.Helper()
	u, err := b.CreateUser(b.t.Context(), auth.NewUser{Email: email, Name: "Ada", Password: password})
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// login signs in and returns the token with a context of that session.
func (b *bundle) login(email string) (string, context.Context) {
	b.t.Helper()
	l, err := b.Login(b.t.Context(), auth.Credentials{Email: email, Password: password})
	if err != nil {
		b.t.Fatal(err)
	}
	return l.Token, auth.NewContext(b.t.Context(), b.known(l.Token))
}

// known is the principal of a token that must be good.
func (b *bundle) known(token string) *auth.Principal {
	b.t.Helper()
	p, err := b.AuthenticateToken(b.t.Context(), token)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// dead fails unless the token is refused.
func (b *bundle) dead(token string) {
	b.t.Helper()
	p, err := b.AuthenticateToken(b.t.Context(), token)
	wantKind(b.t, err, problem.Unauthenticated)
	if p != nil {
		b.t.Errorf("a refused token gave %+v", p)
	}
}

// tenant makes a tenant with one member, who gets every right.
func (b *bundle) tenant(owner auth.User) string {
	b.t.Helper()
	tenantID := id.New()
	_, err := b.db.ExecContext(b.t.Context(), `INSERT INTO ?schema.jet_tenant
		(id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, 'shop', ?, 1, ?, ?, 1)`,
		tenantID, owner.ID, b.time.Now(), b.time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	b.world.join(tenantID, owner.ID, "*")
	return tenantID
}

// in is a context of a signed-in member in a tenant.
func (b *bundle) in(tenantID string, u auth.User) context.Context {
	b.t.Helper()
	p, err := b.Principal(b.t.Context(), tenantID, u.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return auth.NewContext(b.t.Context(), p)
}

// actions lists what was recorded for a tenant ("" = accounts), oldest first.
func (b *bundle) actions(tenantID string) []string {
	b.t.Helper()
	var actions []string
	err := b.db.NewRaw("SELECT action FROM ?schema.jet_audit WHERE tenant_id = ? ORDER BY seq", tenantID).Scan(b.t.Context(), &actions)
	if err != nil {
		b.t.Fatal(err)
	}
	return actions
}

// timeline is a clock that moves when told.
type timeline struct {
	mu  sync.Mutex
	now time.Time
}

func (l *timeline) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *timeline) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// world is who belongs to which tenant, and what he may do there: the role of a
// member is the permission itself.
type world struct {
	mu    sync.Mutex
	roles map[[2]string][]string
}

func (w *world) join(tenantID, userID string, rights ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.roles == nil {
		w.roles = map[[2]string][]string{}
	}
	w.roles[[2]string{tenantID, userID}] = rights
}

func (w *world) leave(tenantID, userID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.roles, [2]string{tenantID, userID})
}

func (w *world) RolesOf(_ context.Context, tenantID, userID string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	roles, ok := w.roles[[2]string{tenantID, userID}]
	if !ok {
		return nil, problem.Missing("tenant")
	}
	return roles, nil
}

func (w *world) HoldMember(ctx context.Context, _ bun.IDB, tenantID, userID string) error {
	_, err := w.RolesOf(ctx, tenantID, userID)
	return err
}

func (w *world) Authorize(ctx context.Context, p auth.Permission, _ string) (*auth.Principal, error) {
	who := auth.FromContext(ctx)
	if who == nil {
		return nil, problem.New(problem.Unauthenticated, "", "sign in")
	}
	held := slices.ContainsFunc(who.Roles, func(r string) bool { return auth.Permission(r).Covers(p) })
	scoped := who.Kind != auth.KindAPIKey || slices.ContainsFunc(who.Scopes, func(s auth.Permission) bool { return s.Covers(p) })
	if who.TenantID == "" || !held || !scoped {
		return nil, problem.New(problem.Forbidden, "", "no")
	}
	return who, nil
}

func wantKind(t testing.TB, err error, want problem.Kind) {
	t.Helper()
	if got := problem.KindOf(err); got != want {
		t.Errorf("kind is %q, want %q (%v)", got, want, err)
	}
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || problem.Of(err).Code != want {
		t.Errorf("error is %v, want the code %s", err, want)
	}
}

// request is a request with headers given as name, value, name, value, …
func request(t testing.TB, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}
