package shop

import (
	"context"
	"database/sql"
	"strings"
)

// table is the content of a table.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

func (t *table) add(values ...any) { t.rows = append(t.rows, values) }

// batch is how many rows go into a statement: many, since each statement costs
// more than a row.
const batch = 200

func (t *table) insert(ctx context.Context, tx *sql.Tx) error {
	full, err := tx.PrepareContext(ctx, t.statement(batch))
	if err != nil {
		return err
	}
	defer full.Close()
	rows := t.rows
	for ; len(rows) >= batch; rows = rows[batch:] {
		if _, err := full.ExecContext(ctx, flat(rows[:batch])...); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err = tx.ExecContext(ctx, t.statement(len(rows)), flat(rows)...)
	return err
}

func (t *table) statement(rows int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(t.columns)), ",") + ")"
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ",") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}

func flat(rows [][]any) []any {
	var out []any
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}
