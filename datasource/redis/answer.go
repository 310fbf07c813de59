package redis

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
)

// answer makes rows of what the server sent, by the shape that the command has.
func (o *operation) answer(reply any, args []any) (datasource.Rows, error) {
	w := &writer{values: o.values}
	switch o.command.shape {
	case shapePairs:
		w.pairs(reply, o.command.name == "HGETALL" || o.has(args, "WITHVALUES"))
	case shapeScores:
		w.scores(reply, o.has(args, "WITHSCORES") || o.command.writes)
	case shapeEntries:
		w.entries(reply)
	case shapeStreams:
		w.streams(reply)
	case shapeScan:
		w.scan(reply, o.command.name)
	default:
		w.list(reply)
	}
	if w.err != nil {
		return nil, w.err
	}
	return datasource.BufferedRows(w.columns(), w.rows), nil
}

// has reports whether an option is among the arguments, behind the words of the
// command and its keys, which may be called like one.
func (o *operation) has(args []any, option string) bool {
	args = args[min(len(args), len(strings.Fields(o.command.name))):]
	keys := 1
	switch o.command.name {
	case "ZDIFF", "ZINTER", "ZUNION":
		if len(args) > 0 {
			n, _ := strconv.Atoi(fmt.Sprint(args[0]))
			keys += max(n, 0)
		}
	}
	return slices.ContainsFunc(args[min(len(args), keys):], func(arg any) bool { return strings.EqualFold(fmt.Sprint(arg), option) })
}

// writer makes rows.
type writer struct {
	values string
	names  []string
	rows   [][]any
	err    error
}

func (w *writer) list(reply any) {
	switch reply := reply.(type) {
	case []any:
		w.names = []string{"value"}
		for _, v := range reply {
			w.add(w.value(v))
		}
	case map[any]any:
		w.pairs(reply, true)
	default:
		w.names = []string{"value"}
		w.add(w.value(reply))
	}
}

func (w *writer) pairs(reply any, paired bool) {
	if !paired {
		w.list(reply)
		return
	}
	w.names = []string{"field", "value"}
	w.each(reply, func(field, value any) { w.add(w.name(field), w.value(value)) })
}

func (w *writer) scores(reply any, scored bool) {
	if !scored {
		w.list(reply)
		return
	}
	w.names = []string{"member", "score"}
	w.each(reply, func(member, score any) { w.add(w.value(member), number(score)) })
}

// each calls fn for the pairs of a map, in the order of their names, of a flat
// list, or of a list of pairs.
func (w *writer) each(reply any, fn func(a, b any)) {
	switch reply := reply.(type) {
	case map[any]any:
		for _, k := range sorted(reply) {
			fn(k, reply[k])
		}
	case []any:
		for i := 0; i < len(reply); i++ {
			if pair, ok := reply[i].([]any); ok && len(pair) == 2 {
				fn(pair[0], pair[1])
			} else if i+1 < len(reply) {
				fn(reply[i], reply[i+1])
				i++
			}
		}
	}
}

// entries are those of a stream: [[id, [field, value, …]], …].
func (w *writer) entries(reply any) {
	w.names = []string{"id", "fields"}
	list, _ := reply.([]any)
	for _, v := range list {
		id, fields := w.entry(v)
		w.add(id, fields)
	}
}

func (w *writer) streams(reply any) {
	w.names = []string{"stream", "id", "fields"}
	w.each(reply, func(stream, entries any) {
		list, _ := entries.([]any)
		for _, v := range list {
			id, fields := w.entry(v)
			w.add(w.name(stream), id, fields)
		}
	})
}

// scan is a page: the cursor of the next one is in each of its rows.
func (w *writer) scan(reply any, command string) {
	page, _ := reply.([]any)
	if len(page) != 2 {
		w.list(reply)
		return
	}
	cursor := name(page[0])
	inner := &writer{values: w.values}
	switch command {
	case "HSCAN":
		inner.pairs(page[1], true)
	case "ZSCAN":
		inner.scores(page[1], true)
	default:
		inner.list(page[1])
	}
	w.names, w.err = append([]string{"cursor"}, inner.names...), inner.err
	for _, row := range inner.rows {
		w.rows = append(w.rows, append([]any{cursor}, row...))
	}
	if len(inner.rows) == 0 && cursor != "0" {
		w.rows = [][]any{append([]any{cursor}, make([]any, len(inner.names))...)}
	}
}

func (w *writer) add(row ...any) { w.rows = append(w.rows, row) }

// value is one of the data.
func (w *writer) value(v any) any {
	switch v := v.(type) {
	case string:
		return w.text(v)
	case *big.Int:
		return datasource.Decimal(v.String())
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = w.value(v[i])
		}
		return list
	case map[any]any:
		return w.document(v)
	case redis.Error:
		w.fail(oneLine(v.Error()))
		return nil
	}
	return v // nil, int64, float64, bool
}

func (w *writer) text(s string) any {
	switch {
	case w.values == valuesBytes:
		return []byte(s)
	case w.valid(s) && w.values == valuesJSON:
		return datasource.JSON(s)
	}
	return s
}

func (w *writer) valid(s string) bool {
	ok := utf8.ValidString(s)
	if !ok {
		w.fail(`the answer holds bytes that are no text: set "values" of the operation to "bytes"`)
	}
	return ok
}

// name is what something is called in the data, such as a field.
func (w *writer) name(v any) any {
	s := fmt.Sprint(v)
	if w.values == valuesBytes {
		return []byte(s)
	}
	w.valid(s)
	return s
}

func (w *writer) fail(message string) {
	if w.err == nil {
		w.err = refused(message, "", nil)
	}
}

func name(v any) string { return strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD") }

// number reads a score, which older servers send as text.
func number(v any) any {
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return v
}

func sorted(m map[any]any) []any {
	keys := make([]any, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return keys
}

// columns types each column by the values that it has.
func (w *writer) columns() []datasource.Column {
	columns := make([]datasource.Column, len(w.names))
	for i, name := range w.names {
		columns[i] = datasource.Column{Name: name, Type: datasource.ColumnUnknown}
		for _, row := range w.rows {
			t := typeOf(row[i])
			if t == "" || t == columns[i].Type {
				continue
			}
			if columns[i].Type != datasource.ColumnUnknown {
				columns[i].Type = datasource.ColumnUnknown
				break
			}
			columns[i].Type = t
		}
	}
	return columns
}

func typeOf(v any) datasource.ColumnType {
	switch v.(type) {
	case nil:
		return ""
	case string:
		return datasource.ColumnString
	case int64:
		return datasource.ColumnInteger
	case float64:
		return datasource.ColumnNumber
	case bool:
		return datasource.ColumnBoolean
	case []byte:
		return datasource.ColumnBytes
	case datasource.JSON:
		return datasource.ColumnJSON
	case datasource.Decimal:
		return datasource.ColumnDecimal
	case []any:
		return datasource.ColumnArray
	}
	return datasource.ColumnUnknown
}
