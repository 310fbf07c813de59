package graphql

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxPing = 1 << 20
	maxType = 200 // bytes of a type with its arguments
	maxName = 100
)

// schemaQuery asks for types through as many lists and non-nulls as there can be
// in practice.
const schemaQuery = `query {
	__schema {
		queryType { name }
		mutationType { name }
		types {
			kind
			name
			fields(includeDeprecated: true) { name type { ...ref } args { name type { ...ref } } }
			inputFields { name type { ...ref } }
		}
	}
}
fragment ref on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } }`

type typeRef struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	OfType *typeRef `json:"ofType"`
}

type namedType struct {
	Name string      `json:"name"`
	Type typeRef     `json:"type"`
	Args []namedType `json:"args"`
}

type objectType struct {
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Fields      []namedType `json:"fields"`
	InputFields []namedType `json:"inputFields"`
}

// Introspect lists the types of the API: first what queries and mutations begin
// with, then objects, interfaces and input objects by name.
func (c *conn) Introspect(ctx context.Context) (datasource.Schema, error) {
	body, err := json.Marshal(request{Query: schemaQuery})
	if err != nil {
		return datasource.Schema{}, err
	}
	data, err := c.post(ctx, body, schemaQuery, datasource.MaxResultBytes)
	if err != nil {
		return datasource.Schema{}, err
	}
	var in struct {
		Schema struct {
			Query    struct{ Name string } `json:"queryType"`
			Mutation struct{ Name string } `json:"mutationType"`
			Types    []objectType          `json:"types"`
		} `json:"__schema"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return datasource.Schema{}, problem.New(problem.Upstream, "answer_not_graphql", "the API describes its types in a way that cannot be read").
			Fix("queries may work all the same").Because(err)
	}
	kinds := map[string]string{in.Schema.Query.Name: "query", in.Schema.Mutation.Name: "mutation"}
	return schemaOf(in.Schema.Types, kinds), nil
}

// schemaOf keeps to the limits of a schema.
func schemaOf(types []objectType, roots map[string]string) (schema datasource.Schema) {
	rank := func(t objectType) int { return slices.Index([]string{"query", "mutation", ""}, roots[t.Name]) }
	slices.SortFunc(types, func(a, b objectType) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name))
	})
	columns := 0
	for _, t := range types {
		table, ok := t.table(roots)
		if !ok {
			continue
		}
		if len(schema.Tables) == datasource.MaxTables || columns+len(table.Columns) > datasource.MaxColumns {
			schema.Truncated = true
			break
		}
		columns += len(table.Columns)
		schema.Tables = append(schema.Tables, table)
	}
	return schema
}

// table leaves out types without fields, and those of introspection itself.
func (t objectType) table(roots map[string]string) (table datasource.Table, ok bool) {
	kind := map[string]string{"OBJECT": "type", "INTERFACE": "interface", "INPUT_OBJECT": "input"}[t.Kind]
	if kind == "" || !named(t.Name) || strings.HasPrefix(t.Name, "__") {
		return table, false
	}
	if root := roots[t.Name]; root != "" {
		kind = root
	}
	table = datasource.Table{Name: t.Name, Kind: kind}
	for _, f := range slices.Concat(t.Fields, t.InputFields) {
		if !named(f.Name) {
			continue
		}
		table.Columns = append(table.Columns, datasource.TableColumn{Name: f.Name, Type: f.signature(), Nullable: f.Type.Kind != "NON_NULL"})
	}
	return table, len(table.Columns) > 0
}

// signature is the type of a field as GraphQL writes it, behind its arguments:
// "(first: Int): [Order!]!".
func (f namedType) signature() string {
	text := f.Type.text()
	if len(f.Args) == 0 {
		return text
	}
	args := make([]string, 0, len(f.Args))
	length := 0
	for _, arg := range f.Args {
		args = append(args, arg.Name+": "+arg.Type.text())
		if length += len(args[len(args)-1]); length > maxType || !named(arg.Name) {
			args[len(args)-1] = "…"
			break
		}
	}
	return "(" + strings.Join(args, ", ") + "): " + text
}

func (t typeRef) text() string {
	switch {
	case t.OfType == nil && named(t.Name):
		return t.Name
	case t.OfType == nil:
		return "…"
	case t.Kind == "NON_NULL":
		return t.OfType.text() + "!"
	}
	return "[" + t.OfType.text() + "]"
}

// named reports whether a name is one of GraphQL, of a length that can be shown.
func named(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}
