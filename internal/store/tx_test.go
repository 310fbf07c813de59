package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

var errOnPurpose = errors.New("on purpose")

func TestInTxKeepsAllOrNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for i, want := range []error{errOnPurpose, nil} {
			err := db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
				if _, err := tx.NewRaw(insertKey, 1, "x").Exec(ctx); err != nil {
					return err
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Errorf("InTx gives %v, want %v", err, want)
			}
			if n := keys(t, db); n != i {
				t.Errorf("after %v there are %d rows", want, n)
			}
		}
	})
}

func TestInTxPanicRollsBack(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
				_, _ = tx.NewRaw(insertKey, 1, "x").Exec(ctx)
				panic(errOnPurpose)
			})
		}()
		if n := keys(t, db); n != 0 {
			t.Errorf("%d rows were kept", n)
		}
		if err := db.InTx(t.Context(), func(context.Context, bun.IDB) error { return nil }); err != nil {
			t.Errorf("the next transaction: %v", err)
		}
	})
}

// refusal is an error as the two drivers give it.
type refusal struct {
	state string
	code  int
}

func (refusal) Error() string      { return "refused" }
func (r refusal) SQLState() string { return r.state }
func (r refusal) Code() int        { return r.code }

func TestInTxRunsAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		err      error
		failures int
		runs     int
		ends     error
	}{
		{name: "serialization", err: refusal{state: "40001"}, failures: 2, runs: 3},
		{name: "deadlock", err: fmt.Errorf("update: %w", refusal{state: "40P01"}), failures: 1, runs: 2},
		{name: "busy", err: refusal{code: 5}, failures: 4, runs: 5},
		{name: "busy snapshot", err: refusal{code: 517}, failures: 1, runs: 2},
		{name: "again and again", err: refusal{code: 5}, failures: 99, runs: 5, ends: refusal{code: 5}},
		{name: "anything else", err: refusal{state: "23505", code: 2067}, failures: 99, runs: 1, ends: refusal{state: "23505", code: 2067}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := testdb.SQLite(t)
			runs := 0
			err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
				runs++
				if _, err := tx.NewRaw(insertKey, 1, "x").Exec(ctx); err != nil {
					return err // a row of the run before, which must be gone
				}
				if runs <= test.failures {
					return test.err
				}
				return nil
			})
			if runs != test.runs || !errors.Is(err, test.ends) {
				t.Errorf("%d runs end with %v, want %d with %v", runs, err, test.runs, test.ends)
			}
		})
	}
}

// Two transactions that lock two rows in opposite order both succeed.
func TestInTxSurvivesDeadlock(t *testing.T) {
	t.Parallel()
	db := testdb.Postgres(t)
	exec(t, db, insertKey, 1, "x")
	exec(t, db, insertKey, 2, "x")
	var meet sync.WaitGroup
	meet.Add(2)
	var group errgroup.Group
	for _, order := range [][2]int{{1, 2}, {2, 1}} {
		var first sync.Once
		group.Go(func() error {
			return db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
				if _, err := tx.NewRaw("UPDATE ?schema.jet_keyring SET sealed = sealed || 'y' WHERE id = ?", order[0]).Exec(ctx); err != nil {
					return err
				}
				first.Do(func() { meet.Done(); meet.Wait() })
				_, err := tx.NewRaw("UPDATE ?schema.jet_keyring SET sealed = sealed || 'y' WHERE id = ?", order[1]).Exec(ctx)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_keyring WHERE sealed = 'xyy'").Scan(t.Context(), &n); err != nil || n != 2 {
		t.Errorf("%d rows have both changes, want 2, %v", n, err)
	}
}

// Writers of SQLite wait for each other in a queue, and for no longer than their
// context.
func TestInTxManyWriters(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, insertKey, 1, "")
		var group errgroup.Group
		for range 50 {
			group.Go(func() error {
				return db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
					var sealed string
					if err := tx.NewRaw("SELECT sealed FROM ?schema.jet_keyring WHERE id = 1 "+db.Dialect.ForUpdate()).Scan(ctx, &sealed); err != nil {
						return err
					}
					_, err := tx.NewRaw("UPDATE ?schema.jet_keyring SET sealed = ? WHERE id = 1", sealed+"x").Exec(ctx)
					return err
				})
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.NewRaw("SELECT length(sealed) FROM ?schema.jet_keyring").Scan(t.Context(), &n); err != nil || n != 50 {
			t.Errorf("%d of 50 changes were kept, %v", n, err)
		}
	})
}

func TestInTxEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t)
	err := db.InTx(t.Context(), func(context.Context, bun.IDB) error {
		waiting, cancel := context.WithCancel(t.Context())
		cancel()
		return db.InTx(waiting, func(context.Context, bun.IDB) error { return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a transaction behind another gives %v", err)
	}
}

type keyRow struct {
	bun.BaseModel `bun:"table:?schema.jet_keyring,alias:k"`

	ID     int `bun:",pk"`
	Sealed string
}

// What is written through Joined is the host's to keep or to drop, whichever
// way of bun it takes.
func TestJoinedBelongsToTheHost(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for _, keep := range []bool{false, true} {
			tx, err := db.DB.DB.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			joined := db.Joined(tx)
			writeEveryWay(t, joined)
			if keep {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := keys(t, db); (got > 0) != keep {
				t.Errorf("committed = %v: %d rows", keep, got)
			}
		}
	})
}

func writeEveryWay(t *testing.T, db bun.IDB) {
	t.Helper()
	ctx := t.Context()
	exec(t, db, insertKey, 1, "exec")
	row := keyRow{ID: 2, Sealed: "model"}
	if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewUpdate().Model(&row).Set("sealed = ?", "changed").WherePK().Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewRaw(insertKey, 3, "raw").Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewDelete().Model((*keyRow)(nil)).Where("id = ?", 1).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	// A table made and dropped outside of the transaction would wait for it.
	if _, err := db.NewCreateTable().Model((*keyRow)(nil)).ModelTableExpr("?schema.jet_other").Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewDropTable().Model((*keyRow)(nil)).ModelTableExpr("?schema.jet_other").Exec(ctx); err != nil {
		t.Fatal(err)
	}
	var sealed []string
	if err := db.NewSelect().Model((*keyRow)(nil)).Column("sealed").Order("id").Scan(ctx, &sealed); err != nil {
		t.Fatal(err)
	}
	var first string
	if err := db.QueryRowContext(ctx, "SELECT sealed FROM ?schema.jet_keyring WHERE id = ?", 2).Scan(&first); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(sealed) != "[changed raw]" || first != "changed" {
		t.Errorf("the transaction sees %v and %q", sealed, first)
	}
}

func TestJoinedCannotBegin(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t)
	tx, err := db.DB.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	joined := db.Joined(tx)
	if _, err := joined.BeginTx(t.Context(), nil); err == nil {
		t.Error("BeginTx begins another transaction")
	}
	if err := joined.RunInTx(t.Context(), nil, func(context.Context, bun.Tx) error { return nil }); err == nil {
		t.Error("RunInTx begins another transaction")
	}
}

func TestErrorsAreTheSameOnBoth(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		exec(t, db, insertKey, 1, "x")
		_, unique := db.ExecContext(ctx, insertKey, 1, "y")
		_, reference := db.ExecContext(ctx, "INSERT INTO ?schema.jet_session (id, user_id, token_hash, user_agent, address, created_at, last_seen_at, expires_at) "+
			"VALUES (?, ?, ?, '', '', ?3, ?3, ?3)", id.New(), id.New(), []byte("h"), "2030-01-01 00:00:00+00:00")
		var name string
		missing := db.NewRaw("SELECT name FROM ?schema.jet_user WHERE id = ?", id.New()).Scan(ctx, &name)
		malformed := db.NewRaw("SELECT name FROM ?schema.jet_user WHERE id = ?", "../x").Scan(ctx, &name)
		_, syntax := db.ExecContext(ctx, "SELEC")
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		_, stopped := db.ExecContext(cancelled, "SELECT 1")
		for name, test := range map[string]struct {
			err                        error
			unique, reference, missing bool
		}{
			"a taken key":       {err: unique, unique: true},
			"a wrong reference": {err: reference, reference: true},
			"no row":            {err: missing, missing: true},
			"no id":             {err: malformed, missing: true},
			"wrapped":           {err: fmt.Errorf("read: %w", missing), missing: true},
			"bad syntax":        {err: syntax},
			"cancelled":         {err: stopped},
		} {
			if test.err == nil {
				t.Errorf("%s is no error", name)
			}
			if got := store.IsUnique(test.err); got != test.unique {
				t.Errorf("%s: IsUnique = %v: %v", name, got, test.err)
			}
			if got := store.IsForeignKey(test.err); got != test.reference {
				t.Errorf("%s: IsForeignKey = %v: %v", name, got, test.err)
			}
			if got := store.IsMissing(test.err); got != test.missing {
				t.Errorf("%s: IsMissing = %v: %v", name, got, test.err)
			}
		}
	})
}

func TestChanged(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, insertKey, 1, "x")
		exec(t, db, insertKey, 2, "x")
		if n, err := store.Changed(db.NewDelete().Model((*keyRow)(nil)).Where("id > 0").Exec(t.Context())); n != 2 || err != nil {
			t.Errorf("Changed = %d, %v, want 2", n, err)
		}
		if _, err := store.Changed(sql.Result(nil), errOnPurpose); !errors.Is(err, errOnPurpose) {
			t.Errorf("the error was lost: %v", err)
		}
	})
}
