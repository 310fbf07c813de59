package store

import (
	"context"
	"time"
)

// Assume takes on a duty that one process of all does once in a time: it reports
// false while that time since the last taking is not over.
func (db *DB) Assume(ctx context.Context, duty string, every time.Duration) (bool, error) {
	n, err := Changed(db.NewRaw(`INSERT INTO ?schema.jet_duty AS t (name, next_at) VALUES (?, `+db.Dialect.After()+`)
		ON CONFLICT (name) DO UPDATE SET next_at = EXCLUDED.next_at WHERE t.next_at <= `+db.Dialect.Now(), duty, every.Milliseconds()).Exec(ctx))
	return n == 1, err
}
