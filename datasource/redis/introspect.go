package redis

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
)

const (
	scanPages = 20
	scanCount = 500
)

// Introspect looks at some thousand keys and shows them as tables: the keys that
// begin alike up to the first ":", and have the same type. Truncated says that
// there are more keys.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	l, err := c.acquire(ctx)
	if err != nil {
		return datasource.Schema{}, err
	}
	schema, err := l.introspect(ctx)
	c.release(l, err)
	if err != nil {
		return datasource.Schema{}, queryError(err)
	}
	return schema, nil
}

func (l *link) introspect(ctx context.Context) (datasource.Schema, error) {
	schema := datasource.Schema{Truncated: true}
	seen := map[[2]string]bool{}
	cursor := "0"
	for range scanPages {
		reply, err := l.do(ctx, datasource.MaxResultBytes, "SCAN", cursor, "COUNT", scanCount)
		if err != nil {
			return schema, err
		}
		page, _ := reply.([]any)
		if len(page) != 2 {
			return schema, errProtocol
		}
		keys, _ := page[1].([]any)
		if err := l.group(ctx, keys, seen); err != nil {
			return schema, err
		}
		if cursor = name(page[0]); cursor == "0" {
			schema.Truncated = false
			break
		}
	}
	for group := range seen {
		schema.Tables = append(schema.Tables, table(group[0], group[1]))
	}
	slices.SortFunc(schema.Tables, func(a, b datasource.Table) int {
		return strings.Compare(a.Name+"\x00"+a.Kind, b.Name+"\x00"+b.Kind)
	})
	if len(schema.Tables) > datasource.MaxTables {
		schema.Tables, schema.Truncated = schema.Tables[:datasource.MaxTables], true
	}
	return schema, nil
}

// group asks for the types of a page of keys, together.
func (l *link) group(ctx context.Context, keys []any, seen map[[2]string]bool) (err error) {
	if len(keys) == 0 {
		return nil
	}
	l.guard.arm(datasource.MaxResultBytes)
	defer l.watch(ctx, &err)()
	types := make([]*redis.StatusCmd, len(keys))
	one := l.client.Conn() // the client itself would open a second connection for it
	defer one.Close()
	_, err = one.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			types[i] = p.Type(ctx, raw(key))
		}
		return nil
	})
	if err != nil {
		return l.why(ctx, err)
	}
	for i, key := range keys {
		if kind := types[i].Val(); kind != "none" { // gone meanwhile
			seen[[2]string{prefix(raw(key)), kind}] = true
		}
	}
	return nil
}

func raw(v any) string {
	s, _ := v.(string)
	return s
}

// prefix is what keys of a kind begin with.
func prefix(key string) string {
	if before, _, ok := strings.Cut(key, ":"); ok {
		key = before + ":*"
	}
	return name(key)
}

// table shows the columns that the commands for a type answer with.
func table(name, kind string) datasource.Table {
	t := datasource.Table{Name: name, Kind: kind}
	columns := map[string][]string{
		"hash": {"field", "value"}, "zset": {"member", "score"}, "stream": {"id", "fields"},
	}[kind]
	if columns == nil {
		columns = []string{"value"}
	}
	for _, column := range columns {
		t.Columns = append(t.Columns, datasource.TableColumn{Name: column, Type: "string", PrimaryKey: column != "value" && column == columns[0]})
	}
	return t
}
