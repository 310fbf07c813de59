package page

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

// List is a list of a table's rows R, which whoever reads it sees as T.
type List[R, T any] struct {
	By          string           // the column of the order, unique in the list and never null; "" = "id"
	Key         func(T) string   // what that column has for an item
	OldestFirst bool             // ascending instead of descending
	Query       *bun.SelectQuery // the tenant and the filters
	Scope       []string         // the name of the list, the tenant and the filters: a cursor is of no other use
	View        func(*R) (T, error)
}

// Read returns the part of the list that is asked for. A filter by a text that
// cannot be an id picks nothing. Errors: Invalid for a limit out of range and for
// a cursor of another scope.
func (l List[R, T]) Read(ctx context.Context, s *Signer, r Request) (Page[T], error) {
	w, err := s.open(r, l.Scope...)
	if err != nil {
		return Page[T]{}, err
	}
	var rows []R
	if err := l.window(w).Model(&rows).Scan(ctx); err != nil && !store.IsMissing(err) {
		return Page[T]{}, fmt.Errorf("list %s: %w", l.Scope[0], err)
	}
	items := make([]T, len(rows))
	for i := range rows {
		if items[i], err = l.View(&rows[i]); err != nil {
			return Page[T]{}, fmt.Errorf("list %s: %w", l.Scope[0], err)
		}
	}
	return cut(w, items, l.Key), nil
}

// window narrows the query to a window and one row more.
func (l List[R, T]) window(w window) *bun.SelectQuery {
	by, order, beyond := bun.Ident(l.By), "? DESC", "? < ?"
	if l.By == "" {
		by = "id"
	}
	if l.OldestFirst {
		order, beyond = "?", "? > ?"
	}
	q := l.Query.OrderExpr(order, by).Limit(int64(w.limit) + 1)
	if w.after != "" {
		q = q.Where(beyond, by, w.after)
	}
	return q
}

// Plain is the View of rows that can always be read.
func Plain[R, T any](view func(*R) T) func(*R) (T, error) {
	return func(row *R) (T, error) { return view(row), nil }
}
