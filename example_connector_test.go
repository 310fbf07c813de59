package jetadmin_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// stock makes the host's own stock a type of datasource: it is its connector and,
// because there is nothing to open, its connection too.
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

func (s stock) Open(context.Context, datasource.Settings) (datasource.Conn, error) { return s, nil }
func (stock) Ping(context.Context) error                                           { return nil }
func (stock) Close() error                                                         { return nil }

func (s stock) Query(_ context.Context, st datasource.Statement) (datasource.Rows, error) {
	asText := func(_ string, value any) (string, error) { return fmt.Sprint(value), nil }
	name, err := st.Operation.(lookup).article.Expand(func(param string) any { return st.Params[param] }, nil, asText)
	if err != nil {
		return nil, err
	}
	left, known := s[name]
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
