package node_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

var update = flag.Bool("update", false, "write docs/nodes.md instead of comparing it")

const nodesDoc = "../../docs/nodes.md"

// TestNodesDoc keeps docs/nodes.md the same as the specs of the built-in nodes.
func TestNodesDoc(t *testing.T) {
	t.Parallel()
	want := nodesPage(t)
	if *update {
		if err := os.WriteFile(nodesDoc, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(nodesDoc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/nodes.md is out of date: run go generate ./workflow/node")
	}
}

// TestExamplesOfNodesAreValid hands the example of each type to the validator
// that judges what users save.
func TestExamplesOfNodesAreValid(t *testing.T) {
	t.Parallel()
	s, err := workflow.New(workflow.Config{
		Audit: func(context.Context, bun.IDB, audit.Entry) error { return nil },
		Authorize: func(ctx context.Context, _ auth.Permission, _ string) (*auth.Principal, error) {
			return auth.FromContext(ctx), nil
		},
		CheckReference: func(context.Context, auth.Grant) error { return nil },
		DB:             testdb.SQLite(t),
		Nodes:          builtins(t),
		Pages:          page.NewSigner(secret.NewKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.NewContext(t.Context(), auth.ServicePrincipal("t", "test"))
	for _, n := range builtins(t) {
		typ := n.Spec().Type
		err := s.Validate(ctx, example(t, typ))
		if typ == "subWorkflow" && problem.Is(err, problem.Invalid) && len(problem.Of(err).Faults) == 1 && problem.Of(err).Faults[0].Path == "nodes.invoice.config" {
			continue // there is no workflow of that id, and that is all that is wrong with it
		}
		if err != nil {
			t.Errorf("testdata/%s.json: %v", typ, err)
		}
	}
}

// example is the graph in testdata that shows a type of node.
func example(t *testing.T, typ string) workflow.Graph {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", typ+".json"))
	if err != nil {
		t.Fatalf("each type of node has a graph that shows it, for docs/nodes.md: %v", err)
	}
	var g workflow.Graph
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("testdata/%s.json: %v", typ, err)
	}
	return g
}

const nodesHead = `<!-- Made from the specs in workflow/node. Do not edit: change the spec, or the
     example in workflow/node/testdata, then run: go generate ./workflow/node -->

# Node types

What a node of a [workflow](workflows.md) can be. A host adds types of its own
with ` + "`workflow.NodeFunc`" + `; ` + "`GET T/node-types`" + ` lists all that a server has, with the
JSON Schema of each configuration.

For all types: a text in ` + "`config`" + ` may hold ` + "`{{ expressions }}`" + `, except where the
table says *expression*, which is written without braces, and where it says
*literal*, which is taken as it is. A field that the table does not name is a fault. With the policy
` + "`onError: branch`" + ` each type has the port ` + "`error`" + ` besides its own. An output has at
most %s of JSON.

`

func nodesPage(t *testing.T) []byte {
	t.Helper()
	nodes := builtins(t)
	slices.SortFunc(nodes, func(a, b workflow.Node) int { return cmp.Compare(rank(a), rank(b)) })
	var b bytes.Buffer
	fmt.Fprintf(&b, nodesHead, size(workflow.MaxOutput))
	b.WriteString("| type | what it does |\n|---|---|\n")
	for _, n := range nodes {
		s := n.Spec()
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", s.Type, strings.ToLower(s.Type), cell(s.Description))
	}
	for _, n := range nodes {
		section(t, &b, n)
	}
	return b.Bytes()
}

// rank puts the types in the order of a run: start, the others by name, end.
func rank(n workflow.Node) string {
	switch typ := n.Spec().Type; typ {
	case workflow.TypeStart:
		return "0"
	case workflow.TypeEnd:
		return "~"
	default:
		return typ
	}
}

func section(t *testing.T, b *bytes.Buffer, n workflow.Node) {
	t.Helper()
	s := n.Spec()
	fmt.Fprintf(b, "\n## %s\n\n%s: %s\n", s.Type, s.Title, s.Description)
	if rows := fields(s.Config, "", s); len(rows) > 0 {
		b.WriteString("\n| config | type | |\n|---|---|---|\n")
		for _, r := range rows {
			b.WriteString(r)
		}
	}
	fmt.Fprintf(b, "\n**Ports:** %s\n", ports(n))
	if s.Output != "" {
		fmt.Fprintf(b, "\n**Output:** %s\n", s.Output)
	}
	if len(s.Limits) > 0 {
		b.WriteString("\n**Limits:**\n")
		for _, l := range s.Limits {
			fmt.Fprintf(b, "- %s\n", l)
		}
	}
	fmt.Fprintf(b, "\n**Example**, a part of a graph:\n\n```json\n%s```\n", excerpt(t, s.Type))
}

func ports(n workflow.Node) string {
	list := n.Spec().Ports
	if len(list) == 0 {
		list = []string{workflow.PortSuccess}
	}
	said := "`" + strings.Join(list, "`, `") + "`"
	if _, ok := n.(workflow.Porter); ok {
		said += ", and those that its configuration names"
	}
	return said
}

// fields are the rows of a configuration's table, those of inner objects too.
func fields(schema *jsonschema.Schema, prefix string, spec workflow.NodeSpec) []string {
	if schema == nil {
		return nil
	}
	names := schema.PropertyOrder
	if len(names) == 0 {
		for name := range schema.Properties {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	var rows []string
	for _, name := range names {
		p, path := schema.Properties[name], prefix+name
		kind := kindOf(p)
		switch {
		case slices.Contains(spec.Expressions, strings.ReplaceAll(path, "[]", "")):
			kind = "expression"
		case slices.Contains(spec.Literals, path):
			kind = "literal " + kind
		}
		if slices.Contains(schema.Required, name) {
			kind += ", required"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", path, kind, cell(p.Description)))
		if p.Items != nil {
			rows = append(rows, fields(p.Items, path+"[].", spec)...)
		}
		rows = append(rows, fields(p, path+".", spec)...)
	}
	return rows
}

func kindOf(p *jsonschema.Schema) string {
	if len(p.Enum) > 0 {
		values := make([]string, len(p.Enum))
		for i, v := range p.Enum {
			values[i] = fmt.Sprintf("`%v`", v)
		}
		return strings.Join(values, ", ")
	}
	types := slices.DeleteFunc(append(slices.Clone(p.Types), p.Type), func(typ string) bool { return typ == "" || typ == "null" })
	if len(types) != 1 {
		return "anything"
	}
	switch typ := types[0]; typ {
	case "string":
		return "text"
	case "boolean":
		return "true or false"
	case "array":
		if p.Items == nil {
			return "list"
		}
		return "list of " + kindOf(p.Items)
	case "object":
		if a := p.AdditionalProperties; a != nil && (a.Type != "" || len(a.Types) > 0) {
			return "object of " + kindOf(a)
		}
		return "object"
	default:
		return typ
	}
}

// excerpt is what an example shows of a type: its nodes, what is inside of them,
// and the edges that leave them.
func excerpt(t *testing.T, typ string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", typ+".json"))
	if err != nil {
		t.Fatalf("each type of node has a graph that shows it, for docs/nodes.md: %v", err)
	}
	var g struct{ Nodes, Edges []json.RawMessage }
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("testdata/%s.json: %v", typ, err)
	}
	var keys []string
	var shown struct {
		Nodes []json.RawMessage `json:"nodes"`
		Edges []json.RawMessage `json:"edges,omitempty"`
	}
	for _, raw := range g.Nodes {
		var n struct{ Key, Type, Parent string }
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatal(err)
		}
		if n.Type == typ || slices.Contains(keys, n.Parent) {
			keys = append(keys, n.Key)
			shown.Nodes = append(shown.Nodes, raw)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("testdata/%s.json has no node of the type", typ)
	}
	for _, raw := range g.Edges {
		var e struct{ From string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(keys, e.From) {
			shown.Edges = append(shown.Edges, raw)
		}
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	lines(&b, "nodes", shown.Nodes, len(shown.Edges) > 0)
	lines(&b, "edges", shown.Edges, false)
	b.WriteString("}\n")
	return b.String()
}

// lines writes a list with its elements as they stand in the example.
func lines(b *bytes.Buffer, name string, list []json.RawMessage, more bool) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "  %q: [\n", name)
	for i, raw := range list {
		b.WriteString("    " + string(raw))
		if i < len(list)-1 {
			b.WriteString(",")
		}
		b.WriteString("\n")
	}
	b.WriteString("  ]")
	if more {
		b.WriteString(",")
	}
	b.WriteString("\n")
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

func size(bytes int) string {
	if bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%d KB", bytes>>10)
}
