//go:build unix

package chaostest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

// newService makes a service of what this test does not care about and the rest.
func newService(cfg workflow.Config) (*workflow.Service, error) {
	builtins, err := node.Builtins(node.Config{
		Client:   http.DefaultClient,
		RunQuery: func(context.Context, string, map[string]any) (any, error) { return nil, nil },
	})
	if err != nil {
		return nil, err
	}
	cfg.Audit = func(context.Context, bun.IDB, audit.Entry) error { return nil }
	cfg.Authorize = func(ctx context.Context, _ auth.Permission, _ string) (*auth.Principal, error) {
		return auth.FromContext(ctx), nil
	}
	cfg.CheckReference = func(context.Context, auth.Grant) error { return nil }
	cfg.Nodes = append(builtins, cfg.Nodes...)
	cfg.Pages = page.NewSigner(secret.NewKey())
	return workflow.New(cfg)
}

// newTenant makes a tenant and the context of somebody who may do everything in it.
func newTenant(t testing.TB, db *store.DB) context.Context {
	t.Helper()
	tenant, user, now := id.New(), id.New(), clock.Clock(nil).Now()
	err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw(`INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, created_at, updated_at, version)
			VALUES (?, 'local', ?, '', '', ?, ?, 1)`, user, user, now, now).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewRaw(`INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version)
			VALUES (?, 'T', ?, 1, ?, ?, 1)`, tenant, user, now, now).Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewContext(t.Context(), auth.ServicePrincipal(tenant, "chaos", auth.Grant{Permission: "*"}))
}

// graphs are the shapes that runs take, of ten nodes each: a chain, a fan-out with
// a join, a lattice, a branch that is skipped, one that waits, and a loop of which
// each of three items takes two.
func graphs() []workflow.Graph {
	return []workflow.Graph{
		newGraph("a>b", "b>c", "c>d", "d>e", "e>f", "f>g", "g>h", "h>i", "i>j"),
		newGraph("a>b", "a>c", "a>d", "a>e", "a>f", "a>g", "a>h", "a>i", "b>j", "c>j", "d>j", "e>j", "f>j", "g>j", "h>j", "i>j"),
		newGraph("a>b", "a>c", "b>d", "c>d", "b>e", "c>e", "d>f", "e>g", "f>h", "g>h", "h>i", "h>j"),
		newGraph("a>fork", "fork.yes>b", "fork.no>c", "b>d", "c>d", "d>e", "d>f", "e>g", "f>g", "g>h", "h>i"),
		newGraph("a>nap", "nap>b", "b>c", "a>d", "c>e", "d>e", "e>f", "f>g", "g>h", "h>i"),
		loop(newGraph("a>each", "each>b", "a>e", "e>b")),
	}
}

// loop gives the node each of a graph a body of c and d, which see the node a that
// comes before the loop.
func loop(g workflow.Graph) workflow.Graph {
	body := func(key string, saw map[string]any) workflow.GraphNode {
		return workflow.GraphNode{Key: key, Type: "entry", Parent: "each", Config: map[string]any{"saw": saw}}
	}
	g.Nodes = append(g.Nodes, body("c", map[string]any{"a": "{{ steps.a }}"}), body("d", map[string]any{"a": "{{ steps.a }}", "c": "{{ steps.c }}"}))
	g.Edges = append(g.Edges, workflow.Edge{From: "c", To: "d"})
	return g
}

// newGraph makes a graph of edges "from>to" or "from.port>to" between start and
// end. What is not fork or nap makes entries in the ledger, where it also notes
// the outputs of the nodes before it. c is the one that a fork leaves out.
func newGraph(edges ...string) workflow.Graph {
	g := workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "end", Type: "end"}}}
	in, out := map[string]bool{}, map[string]bool{}
	saw := map[string]map[string]any{}
	node := func(key string) {
		if in[key] || out[key] {
			return
		}
		n := workflow.GraphNode{Key: key, Type: "entry"}
		switch key {
		case "fork":
			n.Type = "condition"
			n.Config = map[string]any{"branches": []any{map[string]any{"port": "yes", "when": "true"}, map[string]any{"port": "no", "when": "true"}}}
		case "nap":
			n.Type, n.Config = "delay", map[string]any{"duration": "300ms"}
		case "each":
			n.Type, n.Config = "forEach", map[string]any{"items": []any{1, 2, 3}, "concurrency": 2}
		default:
			saw[key] = map[string]any{}
			n.Config = map[string]any{"saw": saw[key]}
		}
		g.Nodes = append(g.Nodes, n)
	}
	for _, text := range edges {
		e := parseEdge(text)
		node(e.From)
		out[e.From] = true
		node(e.To)
		in[e.To] = true
		g.Edges = append(g.Edges, e)
	}
	for _, e := range g.Edges {
		if saw[e.To] != nil && saw[e.From] != nil && !(out["fork"] && e.From == "c") {
			saw[e.To][e.From] = "{{ steps." + e.From + " }}"
		}
	}
	for _, n := range g.Nodes[2:] {
		if !in[n.Key] {
			g.Edges = append(g.Edges, workflow.Edge{From: "start", To: n.Key})
		}
		if !out[n.Key] {
			g.Edges = append(g.Edges, workflow.Edge{From: n.Key, To: "end"})
		}
	}
	return g
}

func parseEdge(text string) workflow.Edge {
	from, to, _ := strings.Cut(text, ">")
	from, port, _ := strings.Cut(from, ".")
	return workflow.Edge{From: from, Port: port, To: to}
}
