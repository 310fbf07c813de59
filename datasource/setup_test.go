package datasource_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	_ "modernc.org/sqlite"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/sqlite"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// world is a service with two tenants, each with a shop file, and what the
// service told others.
type world struct {
	*datasource.Service
	db     *store.DB
	a, b   string // tenants
	fake   *fake
	log    *log
	direct *sql.DB // tenant a's file

	mu      sync.Mutex
	entries []audit.Entry
	refuse  error // what Audit returns
}

func setup(t testing.TB, db *store.DB, adjust ...func(*datasource.Config)) *world {
	t.Helper()
	w := &world{db: db, a: id.New(), b: id.New(), fake: newFake(), log: &log{}}
	root := t.TempDir()
	user := id.New()
	exec(t, db, "INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, disabled, created_at, updated_at, version) VALUES (?, 'test', ?, '', '', false, ?, ?, 1)", user, user, time.Now(), time.Now())
	for _, tenant := range []string{w.a, w.b} {
		exec(t, db, "INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, 'test', ?, 1, ?, ?, 1)", tenant, user, time.Now(), time.Now())
		shop(t, filepath.Join(root, tenant, "shop.db"))
	}
	var err error
	if w.direct, err = sql.Open("sqlite", filepath.Join(root, w.a, "shop.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.direct.Close() })
	keys, err := secret.NewKeyring(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	cfg := datasource.Config{
		Audit:      w.record,
		Authorize:  authorize,
		Connectors: []datasource.Connector{sqlite.Connector(sqlite.Config{Root: root}), w.fake},
		DB:         db,
		Keys:       keys,
		Logger:     slog.New(slog.NewTextHandler(w.log, nil)),
		Pages:      page.NewSigner([]byte("test")),
	}
	for _, change := range adjust {
		change(&cfg)
	}
	if w.Service, err = datasource.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func exec(t testing.TB, db *store.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.NewRaw(statement, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func shop(t testing.TB, file string) {
	t.Helper()
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, country TEXT, born DATE, score REAL);
		INSERT INTO customers VALUES (1, 'Zoë', 'NL', '1990-02-28', 1.5), (2, 'Björn', 'SE', NULL, NULL), (3, '山田', 'JP', '2001-12-31', -2)`)
	if err != nil {
		t.Fatal(err)
	}
}

// authorize decides by the grants of the principal.
func authorize(ctx context.Context, permission auth.Permission, _ string) (*auth.Principal, error) {
	who := auth.FromContext(ctx)
	switch {
	case who == nil:
		return nil, problem.New(problem.Unauthenticated, "", "sign in first")
	case !slices.ContainsFunc(who.Grants, func(g auth.Grant) bool { return g.Permission.Covers(permission) }):
		return nil, problem.New(problem.Forbidden, "", "not allowed")
	}
	return who, nil
}

func (w *world) record(_ context.Context, db bun.IDB, e audit.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	w.entries = append(w.entries, e)
	return nil
}

// as is a context in which a tenant's principal has exactly these permissions.
func as(t testing.TB, tenant string, permissions ...auth.Permission) context.Context {
	var grants []auth.Grant
	for _, p := range permissions {
		grants = append(grants, auth.Grant{Permission: p})
	}
	return auth.NewContext(t.Context(), auth.ServicePrincipal(tenant, "test", grants...))
}

func (w *world) owner(t testing.TB) context.Context  { return as(t, w.a, "*") }
func (w *world) viewer(t testing.TB) context.Context { return as(t, w.a, auth.QueryExecute) }

// shopSource makes the datasource on the shop file.
func (w *world) shopSource(t testing.TB) datasource.Datasource {
	t.Helper()
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "shop", Type: "sqlite", Settings: map[string]any{"file": "shop.db"}})
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// query saves a query on a datasource.
func (w *world) query(t testing.TB, ds datasource.Datasource, text string, params ...datasource.Param) datasource.Query {
	t.Helper()
	q, err := w.CreateQuery(w.owner(t), newQuery(ds, text, params...))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func newQuery(ds datasource.Datasource, text string, params ...datasource.Param) datasource.NewQuery {
	return datasource.NewQuery{Name: "query " + id.New(), DatasourceID: ds.ID, Operation: sqlText(text), Params: params}
}

func sqlText(text string) json.RawMessage {
	b, _ := json.Marshal(map[string]string{"text": text})
	return b
}

func requireKind(t testing.TB, err error, kind problem.Kind) {
	t.Helper()
	if problem.KindOf(err) != kind {
		t.Fatalf("got %v, want the kind %q", err, kind)
	}
}

// paths lists where the faults of an Invalid error are, in order.
func paths(t testing.TB, err error) []string {
	t.Helper()
	requireKind(t, err, problem.Invalid)
	var list []string
	for _, f := range problem.Of(err).Faults {
		list = append(list, f.Path)
	}
	slices.Sort(list)
	return list
}

type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
