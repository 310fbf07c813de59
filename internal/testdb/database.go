package testdb

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"
)

// PostgresDatabase makes an empty database of the test's own and returns its DSN,
// for tests of programs that use the schema "public". The database is dropped
// when the test ends; without a server the test is skipped.
func PostgresDatabase(t testing.TB) (dsn string) {
	t.Helper()
	server, err := postgresServer()
	if err != nil {
		without(t, "postgres", err)
	}
	u, err := url.Parse(server.dsn)
	if err != nil || u.Scheme == "" {
		t.Fatalf("testdb: a database of the test's own needs a DSN that is a URL")
	}
	name := "jetadmin_" + strings.ToLower(rand.Text())
	if _, err := server.admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal("testdb: ", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := server.admin.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testdb: drop the database of the test: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}
