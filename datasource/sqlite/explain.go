package sqlite

import (
	"context"
	"io"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

// Explain asks for the query plan on a connection that can only read: a statement
// that writes is refused like in Query.
func (c *conn) Explain(ctx context.Context, s datasource.Statement) (datasource.Explanation, error) {
	s.Operation = s.Operation.(*template.SQL).Behind("EXPLAIN QUERY PLAN ")
	rows, err := c.Query(ctx, s)
	if err != nil {
		return datasource.Explanation{}, err
	}
	defer rows.Close()
	var told datasource.Explanation
	depth := map[any]int{} // by the id of a step
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return told, nil
		}
		if err != nil {
			return datasource.Explanation{}, err
		}
		id, parent := row[0], row[1]
		detail, _ := row[3].(string)
		told.Lines = append(told.Lines, strings.Repeat("  ", depth[parent])+detail)
		depth[id] = depth[parent] + 1
	}
}
