package sqlite

import (
	"context"
	"database/sql"

	"github.com/jetadmin/jetadmin/datasource"
)

const columnsQuery = `
SELECT t.name, t.type, c.name, c.type, c."notnull" = 0 AND c.pk = 0, c.pk > 0
FROM pragma_table_list t, pragma_table_xinfo(t.name) c
WHERE t.schema = 'main' AND t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND c.hidden <> 1
ORDER BY t.name, c.cid`

const foreignKeysQuery = `
SELECT t.name, f.id, f."table", f."from", coalesce(f."to", '')
FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
WHERE t.schema = 'main' AND t.type = 'table'
ORDER BY t.name, f.id, f.seq`

// Introspect reads the tables, views, columns and keys of the file.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	var schema datasource.Schema
	at := map[string]int{}
	columns := 0
	err := c.each(ctx, columnsQuery, func(r *sql.Rows) error {
		var table, kind string
		var column datasource.TableColumn
		if err := r.Scan(&table, &kind, &column.Name, &column.Type, &column.Nullable, &column.PrimaryKey); err != nil {
			return err
		}
		i, known := at[table]
		if columns++; columns > datasource.MaxColumns || !known && len(schema.Tables) == datasource.MaxTables {
			schema.Truncated = true
			return nil
		}
		if !known {
			i = len(schema.Tables)
			at[table] = i
			schema.Tables = append(schema.Tables, datasource.Table{Name: table, Kind: kind})
		}
		schema.Tables[i].Columns = append(schema.Tables[i].Columns, column)
		return nil
	})
	if err != nil {
		return datasource.Schema{}, err
	}
	last := -1
	err = c.each(ctx, foreignKeysQuery, func(r *sql.Rows) error {
		var table, target, from, to string
		var id int
		if err := r.Scan(&table, &id, &target, &from, &to); err != nil {
			return err
		}
		i, known := at[table]
		if !known {
			return nil
		}
		keys := &schema.Tables[i].ForeignKeys
		if len(*keys) == 0 || id != last {
			*keys = append(*keys, datasource.ForeignKey{Table: target})
		}
		last = id
		key := &(*keys)[len(*keys)-1]
		key.Columns = append(key.Columns, from)
		if to != "" { // without it the key refers to the primary key
			key.References = append(key.References, to)
		}
		return nil
	})
	return schema, err
}

func (c *conn) each(ctx context.Context, query string, row func(*sql.Rows) error) error {
	r, err := c.reader.QueryContext(ctx, query)
	if err != nil {
		return queryError(err)
	}
	defer r.Close()
	for r.Next() {
		if err := row(r); err != nil {
			return queryError(err)
		}
	}
	return queryError(r.Err())
}
