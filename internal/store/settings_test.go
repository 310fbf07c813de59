package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

func TestRequireSettings(t *testing.T) {
	t.Parallel()
	const good = "_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(ON)"
	for name, c := range map[string]struct {
		options string
		faults  string
	}{
		"as it must be":   {good, ""},
		"plain":           {"", "busy_timeout foreign_keys journal_mode"},
		"no WAL":          {strings.Replace(good, "(WAL)", "(DELETE)", 1), "journal_mode"},
		"no foreign keys": {strings.Replace(good, "(ON)", "(OFF)", 1), "foreign_keys"},
		"no patience":     {strings.Replace(good, "5000", "10", 1), "busy_timeout"},
		"deferred":        {strings.Replace(good, "immediate", "deferred", 1), "_txlock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+"?"+c.options)
			db := opened(t, pool, err, store.SQLite, "")
			exec(t, pool, "CREATE TABLE x (y)")
			for _, most := range []int{1, 0} {
				pool.SetMaxOpenConns(most)
				wantFaults(t, db.RequireSettings(t.Context()), c.faults)
			}
		})
	}
	eachPlace(t, func(t *testing.T, at place) { wantFaults(t, at.open(t).RequireSettings(t.Context()), "") })
}

// What is set by hand is set on one connection.
func TestRequireSettingsLooksAtSeveralConnections(t *testing.T) {
	t.Parallel()
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)")
	db := opened(t, pool, err, store.SQLite, "")
	exec(t, pool, "PRAGMA busy_timeout = 5000")
	exec(t, pool, "PRAGMA foreign_keys = ON")
	wantFaults(t, db.RequireSettings(t.Context()), "busy_timeout foreign_keys")
}

func wantFaults(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	p := problem.Of(err)
	if err == nil || p.Kind != problem.Invalid || !strings.Contains(p.Remedy, "OpenSQLite") {
		t.Fatalf("got %+v", p)
	}
	for name := range strings.FieldsSeq(want) {
		found := false
		for _, f := range p.Faults {
			found = found || f.Path == name
		}
		if !found {
			t.Errorf("no fault at %s: %+v", name, p.Faults)
		}
	}
	if got := len(p.Faults); got != len(strings.Fields(want)) {
		t.Errorf("the faults are %+v, want %s", p.Faults, want)
	}
}

// Others cannot read the database, whatever the rights of its folder.
func TestOpenSQLiteMakesItsFileForItsOwner(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	pool, err := store.OpenSQLite(t.Context(), filepath.Join(folder, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	exec(t, pool, "CREATE TABLE x (y)")
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file.Name(), info.Mode(), err)
		}
	}
}
