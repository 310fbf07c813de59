package postgres

import (
	"context"
	"errors"
	"io"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

// Explain asks for the plan in the same READ ONLY transaction as Query. The option
// is named so that no word at the beginning of the statement can be one: ANALYZE
// would run it.
func (c *conn) Explain(ctx context.Context, s datasource.Statement) (datasource.Explanation, error) {
	statement, ok := s.Operation.(*template.SQL)
	if !ok {
		return datasource.Explanation{}, errors.New("the operation belongs to another connector")
	}
	s.Operation = statement.Behind("EXPLAIN (ANALYZE false) ")
	rows, err := c.Query(ctx, s)
	if err != nil {
		return datasource.Explanation{}, err
	}
	defer rows.Close()
	var told datasource.Explanation
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return told, nil
		}
		if err != nil {
			return datasource.Explanation{}, err
		}
		line, _ := row[0].(string)
		told.Lines = append(told.Lines, line)
	}
}
