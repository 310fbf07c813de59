package jetadmin_test

import (
	"database/sql"
	"encoding/json"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// A saved query from Go, and in the same run the same call of the driver: the
// difference is what the library costs. The lookup is what a process asks its own
// database for each time, whether the query that it knows is still the one that is
// stored; it is the yardstick of that database. The figures are medians.
func BenchmarkRunQuery(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *store.DB{"sqlite": testdb.SQLite, "postgres": testdb.Postgres} {
		b.Run("sqlite datasource, metadata on "+name, func(b *testing.B) {
			cfg, db := benchOn(b, open)
			app := jetadmintest.Start(b, cfg)
			makeShop(b, cfg.DataDir, app.Tenant.ID)
			direct, err := sql.Open("sqlite", filepath.Join(cfg.DataDir, "files", app.Tenant.ID, "shop.db"))
			must(b, err)
			defer direct.Close()
			queryID := benchQuery(b, app, datasource.NewDatasource{Name: "Shop", Type: "sqlite", Settings: map[string]any{"file": "shop.db"}},
				"SELECT id, country FROM orders WHERE id = {{ id }}")
			benchOverhead(b, app, db, queryID, direct, "SELECT id, country FROM orders WHERE id = ?")
		})
		b.Run("postgres datasource, metadata on "+name, func(b *testing.B) {
			cfg, db := benchOn(b, open)
			cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			dsn := testdb.PostgresDatabase(b)
			app := jetadmintest.Start(b, cfg)
			direct, err := sql.Open("pgx", dsn)
			must(b, err)
			defer direct.Close()
			queryID := benchQuery(b, app, postgresSource(b, dsn), "SELECT {{ id }}::int AS id, 'DE' AS country")
			benchOverhead(b, app, db, queryID, direct, "SELECT $1::int AS id, 'DE' AS country")
		})
	}
}

func benchOn(b *testing.B, open func(testing.TB) *store.DB) (jetadmin.Config, *store.DB) {
	b.Helper()
	cfg, db := quiet(b), open(b)
	if cfg.DB = db.DB.DB; db.Dialect == store.PostgreSQL {
		cfg.Schema = db.Schema()
	}
	return cfg, db
}

// postgresSource is a datasource of a server that tests have started.
func postgresSource(t testing.TB, dsn string) datasource.NewDatasource {
	t.Helper()
	u, err := url.Parse(dsn)
	must(t, err)
	port, err := strconv.Atoi(u.Port())
	must(t, err)
	password, _ := u.User.Password()
	return datasource.NewDatasource{
		Name: "PostgreSQL", Type: "postgres", Secrets: map[string]string{"password": password},
		Settings: map[string]any{"host": u.Hostname(), "port": port, "database": strings.Trim(u.Path, "/"), "user": u.User.Username(), "sslmode": "disable"},
	}
}

func benchQuery(b *testing.B, app *jetadmintest.App, source datasource.NewDatasource, text string) (queryID string) {
	b.Helper()
	ctx := app.Owner.Context(b.Context())
	ds, err := app.Datasources().Create(ctx, source)
	must(b, err)
	operation, err := json.Marshal(object{"text": text})
	must(b, err)
	q, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "One", DatasourceID: ds.ID, Operation: operation, Params: []datasource.Param{{Name: "id", Type: datasource.ParamInteger}},
	})
	must(b, err)
	return q.ID
}

func benchOverhead(b *testing.B, app *jetadmintest.App, db *store.DB, queryID string, direct *sql.DB, text string) {
	ctx := app.Owner.Context(b.Context())
	saved := func(i int) error {
		_, err := app.Datasources().RunQuery(ctx, queryID, map[string]any{"id": 1 + i%3})
		return err
	}
	driver := func(i int) error {
		var id int
		var country string
		return direct.QueryRowContext(ctx, text, 1+i%3).Scan(&id, &country)
	}
	lookup := func(int) error {
		var versions []int
		return store.Select(ctx, db.DB, &versions, "SELECT version FROM ?schema.jet_query WHERE tenant_id = ? AND id = ?", app.Tenant.ID, queryID)
	}
	calls := []func(int) error{saved, driver, lookup}
	for i := range 50 {
		for _, call := range calls {
			must(b, call(i))
		}
	}
	var times [3][]time.Duration
	for n := 0; b.Loop(); n++ { // turn by turn, so that what else the machine does hits all
		for i, call := range calls {
			began := time.Now()
			err := call(n)
			times[i] = append(times[i], time.Since(began))
			must(b, err)
		}
	}
	middle := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2].Nanoseconds()) / 1000
	}
	b.ReportMetric(middle(0), "saved-µs")
	b.ReportMetric(middle(1), "driver-µs")
	b.ReportMetric(middle(0)-middle(1), "overhead-µs")
	b.ReportMetric(middle(2), "lookup-µs")
}
