package store

import (
	"context"
	"fmt"
)

// Relations are the tables of the platform on PostgreSQL, with the OIDs by which
// its catalogue knows them; none on SQLite.
func (db *DB) Relations(ctx context.Context) (map[string]uint32, error) {
	if db.Dialect != PostgreSQL {
		return nil, nil
	}
	var rows []struct {
		Name string
		OID  uint32 `bun:"oid"`
	}
	err := db.NewRaw(`SELECT c.relname AS name, c.oid FROM pg_catalog.pg_class c
		WHERE c.relnamespace = to_regnamespace(?) AND c.relkind IN ('r', 'p') AND c.relname LIKE 'jet\_%'`, db.schema).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	relations := make(map[string]uint32, len(rows))
	for _, r := range rows {
		relations[r.Name] = r.OID
	}
	return relations, nil
}
