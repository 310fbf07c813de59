package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/datasource"
)

const columnsQuery = `
SELECT n.nspname, c.relname, CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END,
	a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
	EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
	AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
	AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY 1, 2, a.attnum`

const foreignKeysQuery = `
SELECT n.nspname, c.relname, tn.nspname, t.relname,
	ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, pos) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.pos),
	ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, pos) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.pos)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = k.confrelid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f'
ORDER BY 1, 2, k.conname`

// Introspect reads the tables and views that the user may select from.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	var schema datasource.Schema
	at := map[[2]string]int{}
	columns := 0
	var table datasource.Table
	var column datasource.TableColumn
	err := c.each(ctx, columnsQuery,
		[]any{&table.Schema, &table.Name, &table.Kind, &column.Name, &column.Type, &column.Nullable, &column.PrimaryKey},
		func() {
			name := [2]string{table.Schema, table.Name}
			i, known := at[name]
			if columns++; columns > datasource.MaxColumns || !known && len(schema.Tables) == datasource.MaxTables {
				schema.Truncated = true
				return
			}
			if !known {
				i = len(schema.Tables)
				at[name] = i
				schema.Tables = append(schema.Tables, table)
			}
			schema.Tables[i].Columns = append(schema.Tables[i].Columns, column)
		})
	if err != nil {
		return datasource.Schema{}, err
	}
	var key datasource.ForeignKey
	err = c.each(ctx, foreignKeysQuery,
		[]any{&table.Schema, &table.Name, &key.Schema, &key.Table, &key.Columns, &key.References},
		func() {
			if i, known := at[[2]string{table.Schema, table.Name}]; known {
				schema.Tables[i].ForeignKeys = append(schema.Tables[i].ForeignKeys, key)
			}
			key = datasource.ForeignKey{}
		})
	return schema, err
}

// each reads the rows of a constant statement.
func (c *conn) each(ctx context.Context, query string, into []any, row func()) error {
	rows, err := c.pool.Query(ctx, query)
	if err != nil {
		return connectError(err)
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		row()
		return nil
	})
	return connectError(err)
}
