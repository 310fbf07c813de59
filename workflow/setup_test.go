package workflow_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a running service on a real database, with a tenant and its owner.
type bundle struct {
	*workflow.Service
	db     *store.DB
	tenant string
	ctx    context.Context // of the owner
	events *recorder
	audits *[]audit.Entry
}

// setup makes a service whose engine runs until the end of the test. The
// options change its configuration.
func setup(t testing.TB, db *store.DB, options ...func(*workflow.Config)) *bundle {
	t.Helper()
	b := newBundle(t, db, options...)
	b.startEngine(t)
	return b
}

func (b *bundle) startEngine(t testing.TB) {
	t.Helper()
	if err := b.StartEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.StopEngine(ctx); err != nil {
			t.Error(err)
		}
	})
}

func newBundle(t testing.TB, db *store.DB, options ...func(*workflow.Config)) *bundle {
	t.Helper()
	b := &bundle{db: db, events: &recorder{}, audits: new([]audit.Entry)}
	builtins, err := node.Builtins(node.Config{Client: http.DefaultClient, RunQuery: fixedRows})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	cfg := workflow.Config{
		Audit: func(_ context.Context, _ bun.IDB, e audit.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			*b.audits = append(*b.audits, e)
			return nil
		},
		Authorize:      authorize,
		CheckReference: func(context.Context, auth.Grant) error { return nil },
		DB:             db,
		Logger:         slog.New(slog.NewTextHandler(t.Output(), nil)),
		Nodes:          builtins,
		Pages:          page.NewSigner(secret.NewKey()),
		Publish:        b.events.publish,
		Slots:          8,
	}
	for _, option := range options {
		option(&cfg)
	}
	if b.Service, err = workflow.New(cfg); err != nil {
		t.Fatal(err)
	}
	b.tenant = newTenant(t, db)
	b.ctx = as(b.tenant, "*")
	return b
}

// as is the context of a caller who holds the permissions.
func as(tenant string, permissions ...auth.Permission) context.Context {
	var grants []auth.Grant
	for _, p := range permissions {
		grants = append(grants, auth.Grant{Permission: p})
	}
	return auth.NewContext(context.Background(), auth.ServicePrincipal(tenant, "test", grants...))
}

// authorize decides by the grants of the principal alone.
func authorize(ctx context.Context, p auth.Permission, objectID string) (*auth.Principal, error) {
	who := auth.FromContext(ctx)
	if who == nil {
		return nil, problem.New(problem.Unauthenticated, "", "sign in first")
	}
	for _, g := range who.Grants {
		if g.Permission.Covers(p) && (g.ObjectID == "" || g.ObjectID == objectID) {
			return who, nil
		}
	}
	return nil, problem.New(problem.Forbidden, "", "not allowed")
}

func newTenant(t testing.TB, db *store.DB) string {
	t.Helper()
	tenant, user, now := id.New(), id.New(), clock.Clock(nil).Now()
	err := db.InTx(context.Background(), func(ctx context.Context, tx bun.IDB) error {
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
	return tenant
}

func fixedRows(context.Context, string, map[string]any) (any, error) {
	return map[string]any{"rows": []any{[]any{1, "a"}, []any{2, "b"}}, "rowCount": 2}, nil
}

// publish stores and publishes a graph and returns the id of the workflow.
func (b *bundle) publish(t testing.TB, g workflow.Graph) string {
	t.Helper()
	w, err := b.Create(b.ctx, workflow.NewWorkflow{Name: id.New(), Draft: g})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(b.ctx, w.ID, 0); err != nil {
		t.Fatal(err)
	}
	return w.ID
}

// run starts a workflow and waits for its end.
func (b *bundle) run(t testing.TB, workflowID string, input map[string]any) workflow.RunDetail {
	t.Helper()
	r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: workflowID, Input: input})
	if err != nil {
		t.Fatal(err)
	}
	return b.wait(t, r.ID)
}

func (b *bundle) wait(t testing.TB, runID string) workflow.RunDetail {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Minute)
	defer cancel()
	d, err := b.Wait(ctx, runID)
	if err != nil {
		t.Fatalf("run %s is %s: %v", runID, d.Status, err)
	}
	return d
}

// statuses is the status of each node of a run, by key.
func statuses(d workflow.RunDetail) map[string]workflow.NodeStatus {
	m := make(map[string]workflow.NodeStatus)
	for _, n := range d.Nodes {
		m[n.Key] = n.Status
	}
	return m
}

// recorder keeps published events in their order.
type recorder struct {
	mu     sync.Mutex
	events []recorded
}

type recorded struct {
	topic, kind string
	data        any
}

func (r *recorder) publish(_ context.Context, topic, kind string, data any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, recorded{topic, kind, data})
}

func (r *recorder) of(topic string) []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []recorded
	for _, e := range r.events {
		if e.topic == topic {
			list = append(list, e)
		}
	}
	return list
}

// eventually waits until a condition holds, for what has no signal of its own. The
// deadline ends a test that hangs; how fast a machine is must not matter.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("the condition never held")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func itoa(n int) string { return strconv.Itoa(n) }

// Short forms of what graphs are made of.

func step(key, typ string, config map[string]any) workflow.GraphNode {
	return workflow.GraphNode{Key: key, Type: typ, Config: config}
}

func edge(from, to string) workflow.Edge { return workflow.Edge{From: from, To: to} }

func edgeOn(from, port, to string) workflow.Edge {
	return workflow.Edge{From: from, Port: port, To: to}
}

// chain is start, the nodes, end; each leads to the next.
func chain(nodes ...workflow.GraphNode) workflow.Graph {
	all := append([]workflow.GraphNode{step("start", "start", nil)}, nodes...)
	last := all[len(all)-1].Key
	all = append(all, step("end", "end", map[string]any{"output": "{{ steps." + last + " }}"}))
	g := workflow.Graph{Nodes: all}
	for i := 1; i < len(all); i++ {
		g.Edges = append(g.Edges, edge(all[i-1].Key, all[i].Key))
	}
	return g
}
