package store_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// Whatever a statement says of a connection that the server has ended, it says
// nothing about the statement.
func TestAnEndedConnectionIsAnOutage(t *testing.T) {
	t.Parallel()
	db := testdb.Postgres(t)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var pid int
	if err := tx.NewRaw("SELECT pg_backend_pid()").Scan(t.Context(), &pid); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewRaw("SELECT pg_terminate_backend(?, 5000)", pid).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := tx.NewRaw("SELECT 1").Exec(t.Context()); err == nil || !store.IsOutage(err) {
			t.Errorf("statement %d: %v", i+1, err)
		}
	}
	if err := tx.Commit(); err == nil || !store.IsOutage(err) {
		t.Errorf("commit: %v", err)
	}
}
