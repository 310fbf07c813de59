package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// thing has a column of each kind that rows are made of.
type thing struct {
	bun.BaseModel `bun:"table:?schema.thing,alias:t"`

	ID      string `bun:",pk"`
	Name    string
	Note    *string
	Count   int
	Done    bool
	At      time.Time
	EndedAt *time.Time
}

func things(t *testing.T, db *store.DB) []*thing {
	t.Helper()
	exec(t, db, `CREATE TABLE ?schema.thing (id varchar PRIMARY KEY, name text NOT NULL, note text, count integer NOT NULL,
		done boolean NOT NULL, at timestamptz NOT NULL, ended_at timestamptz)`)
	note, at := "a \"quoted\" \\ text, <b>ünïcode</b> \u2028 and 'more' ?", time.Date(2026, 3, 29, 2, 30, 0, 123456000, time.UTC)
	return []*thing{
		{ID: "a", Name: "one", Note: &note, Count: -3, Done: true, At: at, EndedAt: &at},
		{ID: "b", Name: "", Count: 1 << 30, At: at.In(time.FixedZone("", 3600)).Truncate(time.Second)},
	}
}

// What is written as records is what bun would have written: it reads the same,
// and SQLite, which compares texts, finds it the same.
func TestRecordsAreWrittenAsBunWritesThem(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, at place) {
		db := at.open(t)
		rows := things(t, db)
		if _, err := store.Exec(t.Context(), db.DB, store.InsertSQL[thing](db.DB), store.Records(db.DB, rows)); err != nil {
			t.Fatal(err)
		}
		var read []*thing
		for _, want := range rows {
			var got thing
			// bun writes the times of this condition.
			err := db.NewSelect().Model(&got).Where("id = ?", want.ID).Where("at = ?", want.At).
				Where("ended_at IS NULL AND ? OR ended_at = ?", want.EndedAt == nil, want.EndedAt).Scan(t.Context())
			if err != nil {
				t.Fatalf("row %s: %v", want.ID, err)
			}
			read = append(read, &got)
		}
		for i := range rows {
			if !read[i].At.Equal(rows[i].At) {
				t.Errorf("at is %v, want %v", read[i].At, rows[i].At)
			}
			read[i].At, read[i].EndedAt = rows[i].At, rows[i].EndedAt
		}
		if !reflect.DeepEqual(read, rows) {
			t.Errorf("read %+v %+v, want %+v %+v", read[0], read[1], rows[0], rows[1])
		}
		var found []string
		err := store.Select(t.Context(), db.DB, &found, "INSERT INTO ?schema.thing SELECT * FROM ?schema.thing AS t WHERE t.id = ? ON CONFLICT DO NOTHING RETURNING id", "a")
		if err != nil || len(found) != 0 {
			t.Errorf("a conflict gives %v, %v", found, err)
		}
	})
}

// Statements with arguments are prepared, once each; bun's, whose texts are all
// different, are not.
func TestPoolPreparesWhatStaysTheSame(t *testing.T) {
	t.Parallel()
	at := postgresPlace(t)
	db := at.open(t)
	db.SetMaxOpenConns(1)
	rows := things(t, db)
	for range 5 {
		if _, err := store.Exec(t.Context(), db.DB, store.InsertSQL[thing](db.DB)+" ON CONFLICT DO NOTHING", store.Records(db.DB, rows)); err != nil {
			t.Fatal(err)
		}
		if _, err := db.NewUpdate().Model(rows[0]).WherePK().Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var texts []string
	if err := db.NewRaw("SELECT statement FROM pg_prepared_statements").Scan(t.Context(), &texts); err != nil {
		t.Fatal(err)
	}
	if len(texts) != 1 {
		t.Errorf("%d statements are prepared, want the one that inserts: %q", len(texts), texts)
	}
}

// Behind a pooler that cannot keep them nothing may be prepared.
func TestPoolPreparesNothingWhenTheDSNSaysSo(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dsn, schema := testdb.PostgresSchema(t)
			pool, err := store.OpenPostgres(dsn + "&default_query_exec_mode=" + mode)
			db := opened(t, pool, err, store.PostgreSQL, schema)
			db.SetMaxOpenConns(1)
			rows := things(t, db)
			if _, err := store.Exec(t.Context(), db.DB, store.InsertSQL[thing](db.DB), store.Records(db.DB, rows)); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := db.NewRaw("SELECT count(*) FROM pg_prepared_statements").Scan(t.Context(), &n); err != nil || n != 0 {
				t.Errorf("%d statements are prepared, %v", n, err)
			}
		})
	}
}
