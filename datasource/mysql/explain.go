package mysql

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

// Explain asks for the plan of a query in the same READ ONLY transaction as Query. The
// server must read the text as a query by itself: behind EXPLAIN, the word ANALYZE
// would run it. To plan a query, a server may run parts of it that are constant.
func (c *conn) Explain(ctx context.Context, s datasource.Statement) (told datasource.Explanation, err error) {
	bound, args, err := c.bind(s)
	if err != nil {
		return told, err
	}
	session, err := c.acquire(ctx)
	if err != nil {
		return told, err
	}
	session.spoilt = leavesTraces(bound.Text)
	answer, err := session.explain(bound.Text, args)
	if err != nil {
		session.end()
		return told, session.error(err)
	}
	rows := newRows(session, answer, s.MaxBytes)
	defer rows.Close()
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return told, nil
		}
		if err != nil {
			return told, err
		}
		told.Lines = append(told.Lines, line(rows.columns, row))
	}
}

func (s *session) explain(text string, args []any) (answer, error) {
	if err := s.begin("READ ONLY"); err != nil {
		return answer{}, err
	}
	if err := s.checkQuery(text, len(args)); err != nil {
		return answer{}, err
	}
	return s.query("EXPLAIN "+text, args)
}

// line writes a row of the plan without what it leaves open.
func line(columns []datasource.Column, row []any) string {
	var parts []string
	for i, v := range row {
		if v != nil && v != "" {
			parts = append(parts, fmt.Sprint(columns[i].Name, "=", v))
		}
	}
	return strings.Join(parts, " ")
}
