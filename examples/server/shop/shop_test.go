package shop_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/jetadmin/jetadmin/datasource/sqlite"
	"github.com/jetadmin/jetadmin/examples/server/shop"
)

// shared is a database for all tests that only read: under the race detector it
// takes seconds to make one.
var shared struct {
	once sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "shop")
	if err != nil {
		panic(err)
	}
	shared.path = filepath.Join(folder, "a shop?.db") // a name that a URL would misread
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

func create(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() { shared.err = shop.Create(context.Background(), shared.path) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.path
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	link := filepath.Join(t.TempDir(), "shop.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+link+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func number(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestCreateReplacesWhole makes the database again, where another file and the
// rest of an interrupted Create are in the way. It is the same to the last byte.
func TestCreateReplacesWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shop.db")
	for _, leftover := range []string{path, path + ".new"} {
		if err := os.WriteFile(leftover, []byte("from before"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := shop.Create(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if fingerprint(t, path) != fingerprint(t, create(t)) {
		t.Error("two files differ")
	}
}

func fingerprint(t *testing.T, path string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

func TestContent(t *testing.T) {
	t.Parallel()
	db := open(t, create(t))
	for query, want := range map[string]int{
		"SELECT count(*) FROM customers":                  shop.Customers,
		"SELECT count(*) FROM products":                   shop.Products,
		"SELECT count(*) FROM orders":                     shop.Orders,
		"SELECT count(*) FROM order_totals":               shop.Orders,
		"SELECT count(DISTINCT country) FROM customers":   11,
		"SELECT count(DISTINCT status) FROM orders":       6,
		"SELECT count(*) FROM pragma_foreign_key_check()": 0,
		"SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.ordered_at < c.created_at AND c.id > 1": 0,
		"SELECT count(*) FROM orders WHERE (shipped_at IS NULL) = (status IN ('shipped', 'delivered', 'returned'))":             0,
		"SELECT count(*) FROM orders WHERE shipped_at < ordered_at":                                                             0,
		"SELECT count(*) FROM order_totals WHERE cast(round(total * 100) AS INTEGER) <> cents OR total NOT GLOB '*.[0-9][0-9]'": 0,
		"SELECT count(*) FROM orders a JOIN orders b ON b.id = a.id + 1 WHERE b.ordered_at < a.ordered_at":                      0,
	} {
		if got := number(t, db, query); got != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
	if n := number(t, db, "SELECT count(*) FROM order_lines"); n < 24_000 || n > 26_000 {
		t.Errorf("%d order lines, want about 25,000", n)
	}
	for _, column := range []string{
		"customers.city", "customers.phone", "customers.birthday", "products.weight_kg", "products.discontinued_on",
		"orders.shipped_at", "orders.coupon", "orders.note",
	} {
		name, field := column[:len(column)-len(filepath.Ext(column))], filepath.Ext(column)[1:]
		nulls := number(t, db, "SELECT count(*) - count("+field+") FROM "+name)
		if all := number(t, db, "SELECT count(*) FROM "+name); nulls == 0 || nulls == all {
			t.Errorf("%s is null in %d of %d rows, want some", column, nulls, all)
		}
	}
}

func TestNamesAreOfManyScripts(t *testing.T) {
	t.Parallel()
	rows, err := open(t, create(t)).QueryContext(t.Context(), "SELECT name FROM customers UNION ALL SELECT name FROM products")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	scripts := map[string]*unicode.RangeTable{
		"Latin": unicode.Latin, "Greek": unicode.Greek, "Cyrillic": unicode.Cyrillic, "Arabic": unicode.Arabic, "Hebrew": unicode.Hebrew,
		"Devanagari": unicode.Devanagari, "Han": unicode.Han, "Hiragana": unicode.Hiragana, "Hangul": unicode.Hangul,
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		for script, letters := range scripts {
			for _, c := range name {
				if unicode.Is(letters, c) {
					delete(scripts, script)
				}
			}
		}
	}
	if err := rows.Err(); err != nil || len(scripts) > 0 {
		t.Errorf("no names in %v, %v", scripts, err)
	}
}

func TestInterruptedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := shop.Create(ctx, filepath.Join(folder, "shop.db")); err == nil {
		t.Fatal("an interrupted Create reports success")
	}
	if err := shop.Create(t.Context(), filepath.Join(folder, "missing", "shop.db")); err == nil {
		t.Fatal("Create without a folder reports success")
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func BenchmarkCreate(b *testing.B) {
	path := filepath.Join(b.TempDir(), "shop.db")
	for b.Loop() {
		if err := shop.Create(b.Context(), path); err != nil {
			b.Fatal(err)
		}
	}
}

// TestQueriesDeclareTheirParameters: the connector finds in each text exactly
// the parameters that the query declares.
func TestQueriesDeclareTheirParameters(t *testing.T) {
	t.Parallel()
	connector := sqlite.Connector(sqlite.Config{})
	for _, q := range shop.Queries("datasource") {
		operation, err := connector.Parse(q.Operation)
		if err != nil {
			t.Errorf("%s: %v", q.Name, err)
			continue
		}
		var declared []string
		for _, p := range q.Params {
			declared = append(declared, p.Name)
		}
		if used := operation.Placeholders(); !slices.Equal(slices.Sorted(slices.Values(used)), slices.Sorted(slices.Values(declared))) {
			t.Errorf("%s declares %v and uses %v", q.Name, declared, used)
		}
	}
}
