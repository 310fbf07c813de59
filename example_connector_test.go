package jetadmin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// stock makes the host's own stock a type of datasource.
type stock map[string]int64

func (stock) Spec() datasource.Spec {
	return datasource.Spec{
		Type: "stock", Title: "Stock", Description: "What is in the warehouse.",
		Operation: json.RawMessage(`{"type": "object", "properties": {"article": {"type": "string"}}, "required": ["article"]}`),
	}
}

// lookup is a parsed operation: {"article": "{{ name }}"}.
type lookup struct{ article template.Text }

func (l lookup) Placeholders() []string { return l.article.Placeholders() }
func (stock) Parse(operation json.RawMessage) (datasource.Operation, error) {
	var in struct {
		Article string `json:"article"`
	}
	if err := template.Strict(operation, &in); err != nil {
		return nil, err
	}
	article, err := template.ParseText(in.Article, "article")
	return lookup{article}, err
}

func (s stock) Open(context.Context, datasource.Settings) (datasource.Conn, error) {
	return &openStock{stock: s}, nil
}

// openStock is a connection: the stock until it is closed.
type openStock struct {
	stock  stock
	closed atomic.Bool
}

func (c *openStock) Close() error { c.closed.Store(true); return nil }
func (c *openStock) Ping(context.Context) error {
	if c.closed.Load() {
		return problem.New(problem.Upstream, "closed", "the stock is closed")
	}
	return nil
}

func (c *openStock) Query(ctx context.Context, st datasource.Statement) (datasource.Rows, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	asText := func(_ string, value any) (string, error) { return fmt.Sprint(value), nil }
	name, err := st.Operation.(lookup).article.Expand(func(param string) any { return st.Params[param] }, nil, asText)
	if err != nil {
		return nil, err
	}
	left, known := c.stock[name]
	if !known {
		return nil, &datasource.StatementError{Message: "there is no such article", Position: -1}
	}
	columns := []datasource.Column{{Name: "article", Type: datasource.ColumnString}, {Name: "left", Type: datasource.ColumnInteger}}
	return datasource.BufferedRows(columns, [][]any{{name, left}}), nil
}

// A function of the host as a type of datasource, with a query on it.
func Example_connector() {
	ctx, app, end := open(jetadmin.Config{Connectors: []datasource.Connector{stock{"ink": 2, "paper": 7}}})
	defer end()

	ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{Name: "Warehouse", Type: "stock"})
	check(err)
	query, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{
		Name: "Left", DatasourceID: ds.ID, Operation: json.RawMessage(`{"article": "{{ article }}"}`),
		Params: []datasource.Param{{Name: "article", Type: datasource.ParamString, Required: true}},
	})
	check(err)
	for _, article := range []string{"ink", "gold"} {
		result, err := app.Datasources().RunQuery(ctx, query.ID, map[string]any{"article": article})
		if err != nil {
			fmt.Println(problem.KindOf(err), problem.Of(err).Message)
			continue
		}
		fmt.Println(result.Rows[0]...)
	}
	// Output:
	// ink 2
	// upstream there is no such article
}

// TestStockIsAConnector is all that such a type needs to be tested like the others.
func TestStockIsAConnector(t *testing.T) {
	connectortest.Run(t, stock{"ink": 2}, datasource.Settings{}, connectortest.Fixtures{
		Refused: json.RawMessage(`{"article": "gold"}`),
	})
}
