package datasource_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/postgres"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func withPostgres(c *datasource.Config) {
	c.Connectors = append(c.Connectors, postgres.Connector(postgres.Config{}))
	c.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// postgresSource makes a datasource of the test's server, and a pool of the driver
// to the same.
func (w *world) postgresSource(t testing.TB) (datasource.Datasource, *sql.DB) {
	t.Helper()
	dsn, _ := testdb.PostgresSchema(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{
		Name: "pg", Type: "postgres", Secrets: map[string]string{"password": password},
		Settings: map[string]any{"host": u.Hostname(), "port": port, "database": strings.Trim(u.Path, "/"), "user": u.User.Username(), "sslmode": "disable"},
	})
	if err != nil {
		t.Fatal(err)
	}
	direct, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.Close() })
	return ds, direct
}

// A million rows as CSV, and in the same run the reading of them by the driver
// alone.
func BenchmarkStreamCSV(b *testing.B) {
	const text = "SELECT n AS id, 'customer ' || n AS name, n / 7.0 AS score, NULL AS missing FROM generate_series(1, 1000000) AS n"
	b.Run("postgres", func(b *testing.B) {
		w := setup(b, testdb.SQLite(b), withPostgres)
		ds, direct := w.postgresSource(b)
		benchStream(b, w, w.query(b, ds, text), direct, text)
	})
	b.Run("sqlite", func(b *testing.B) {
		w := setup(b, testdb.SQLite(b))
		text := "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000) SELECT n AS id, 'customer ' || n AS name, n / 7.0 AS score, NULL AS missing FROM c"
		benchStream(b, w, w.query(b, w.shopSource(b), text), w.direct, text)
	})
}

// bytesWritten is where the rows go.
type bytesWritten struct{ n int64 }

func (w *bytesWritten) Write(b []byte) (int, error) {
	w.n += int64(len(b))
	return len(b), nil
}

func benchStream(b *testing.B, w *world, q datasource.Query, direct *sql.DB, text string) {
	ctx := w.viewer(b)
	var spent, driver time.Duration
	var rss uint64
	rows := int64(0)
	for b.Loop() {
		runtime.GC()
		idle := resident(b)
		peak := watchResident(b)
		began := time.Now()
		got, err := w.StreamQuery(ctx, q.ID, nil, datasource.NewCSV(&bytesWritten{}))
		spent += time.Since(began)
		rss = max(rss, peak()-min(idle, peak()))
		if err != nil || got.RowCount != datasource.MaxStreamRows || got.Truncated {
			b.Fatalf("got %+v, %v", got, err)
		}
		rows += got.RowCount
		began = time.Now()
		if err := readAll(ctx, direct, text); err != nil {
			b.Fatal(err)
		}
		driver += time.Since(began)
	}
	b.ReportMetric(float64(rows)/spent.Seconds(), "rows/s")
	b.ReportMetric(float64(rows)/driver.Seconds(), "driver-rows/s")
	b.ReportMetric(float64(rss)/(1<<20), "RSS-MB-above-idle")
}

func readAll(ctx context.Context, db *sql.DB, text string) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	var values [4]any
	for rows.Next() {
		if err := rows.Scan(&values[0], &values[1], &values[2], &values[3]); err != nil {
			return err
		}
	}
	return rows.Err()
}

// watchResident looks at the memory of the process until the result is called,
// which gives the most that it had.
func watchResident(b *testing.B) (peak func() uint64) {
	var most atomic.Uint64
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), resident(b)))
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	ended := false
	return func() uint64 {
		if !ended {
			ended = true
			close(end)
			<-done
		}
		return most.Load()
	}
}

// resident is the memory of the process that is in RAM, in bytes.
func resident(b *testing.B) uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.Error(err)
	}
	return pages * uint64(os.Getpagesize())
}

// A hundred thousand rows to a writer that keeps nothing, turn by turn without and
// with row rules: what a rule costs is the difference.
func BenchmarkRowRules(b *testing.B) {
	const rows = 100_000
	text := fmt.Sprintf("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n AS id, 'customer ' || n AS name, n / 7.0 AS score, 'DE' AS region FROM c", rows)
	for name, rule := range map[string]datasource.RowRule{
		"true":           {Filter: "true"},
		"comparison":     {Filter: "row.score >= 0"},
		"claim":          {Filter: "row.region in user.claims.regions"},
		"claim and mask": {Filter: "row.region in user.claims.regions", Mask: mask("name", datasource.MaskPartial)},
	} {
		b.Run(name, func(b *testing.B) {
			w := setup(b, testdb.SQLite(b))
			w.SetStreamsPerMinute(1_000_000)
			in := newQuery(w.shopSource(b), text)
			plain, rule := w.withRules(b, in), rule
			rule.Everyone, in.Name = true, "ruled"
			queries := []datasource.Query{plain, w.withRules(b, in, rule)}
			ctx := w.having(b, "u", map[string]any{"regions": []string{"FR", "NL", "DE"}})
			var spent [2]time.Duration
			for b.Loop() {
				for i, q := range queries {
					began := time.Now()
					got, err := w.StreamQuery(ctx, q.ID, nil, &count{})
					spent[i] += time.Since(began)
					if err != nil || got.RowCount != rows {
						b.Fatalf("got %+v, %v", got, err)
					}
				}
			}
			each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) / rows }
			b.ReportMetric(each(spent[0]), "plain-ns/row")
			b.ReportMetric(each(spent[1]), "ruled-ns/row")
			b.ReportMetric(each(spent[1]-spent[0]), "rule-ns/row")
		})
	}
}
