package mysql

import (
	"context"
	"fmt"

	"github.com/jetadmin/jetadmin/datasource"
)

const systemSchemas = "('mysql', 'information_schema', 'performance_schema', 'sys')"

const columnsQuery = `
SELECT c.table_schema, c.table_name, IF(t.table_type LIKE '%VIEW', 'view', 'table'),
	c.column_name, c.column_type, c.is_nullable = 'YES', c.column_key = 'PRI'
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema NOT IN ` + systemSchemas + ` AND t.table_type <> 'SEQUENCE'
ORDER BY c.table_schema, c.table_name, c.ordinal_position
LIMIT ?`

const foreignKeysQuery = `
SELECT table_schema, table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE referenced_table_name IS NOT NULL AND table_schema NOT IN ` + systemSchemas + `
ORDER BY table_schema, table_name, constraint_name, ordinal_position
LIMIT ?`

// Introspect reads the tables and views of which the user may see columns.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	var schema datasource.Schema
	at := map[[2]string]int{}
	columns := 0
	err := c.each(ctx, columnsQuery, []any{datasource.MaxColumns + 1}, func(row []any) {
		name := [2]string{word(row[0]), word(row[1])}
		i, known := at[name]
		if columns++; columns > datasource.MaxColumns || !known && len(schema.Tables) == datasource.MaxTables {
			schema.Truncated = true
			return
		}
		if !known {
			i = len(schema.Tables)
			at[name] = i
			schema.Tables = append(schema.Tables, datasource.Table{Schema: name[0], Name: name[1], Kind: word(row[2])})
		}
		schema.Tables[i].Columns = append(schema.Tables[i].Columns, datasource.TableColumn{
			Name: word(row[3]), Type: word(row[4]), Nullable: yes(row[5]), PrimaryKey: yes(row[6]),
		})
	})
	if err != nil {
		return datasource.Schema{}, err
	}
	var last [3]string
	err = c.each(ctx, foreignKeysQuery, []any{datasource.MaxColumns}, func(row []any) {
		i, known := at[[2]string{word(row[0]), word(row[1])}]
		if !known {
			return
		}
		keys := &schema.Tables[i].ForeignKeys
		if name := [3]string{word(row[0]), word(row[1]), word(row[2])}; name != last {
			*keys = append(*keys, datasource.ForeignKey{Schema: word(row[4]), Table: word(row[5])})
			last = name
		}
		key := &(*keys)[len(*keys)-1]
		key.Columns, key.References = append(key.Columns, word(row[3])), append(key.References, word(row[6]))
	})
	return schema, err
}

func word(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// yes reads a condition, which the server gives as a number.
func yes(v any) bool { return fmt.Sprint(v) == "1" }
