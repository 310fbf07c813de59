package jetadmintest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// The leak check of testdb shows that an App ends with its test.
func TestMain(m *testing.M) { testdb.Main(m) }

type amount struct {
	Cents int `json:"cents"`
}

// double is a node as a host writes one.
func double() workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: "double", Title: "Double"},
		func(_ context.Context, _ *workflow.Call, c amount) (any, error) { return 2 * c.Cents, nil })
}

func doubling() workflow.NewWorkflow {
	return workflow.NewWorkflow{Name: "doubling", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "twice", Type: "double", Config: map[string]any{"cents": "{{ input.cents }}"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.twice }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "twice"}, {From: "twice", To: "end"}},
	}}
}

func TestHostNodeRuns(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, jetadmin.Config{Nodes: []workflow.Node{double()}})
	ctx := app.Owner.Context(t.Context())
	run := app.Run(ctx, workflow.StartParams{WorkflowID: app.Publish(ctx, doubling()), Input: map[string]any{"cents": 21}})
	if run.Status != workflow.RunSucceeded {
		t.Errorf("the run %s: %+v", run.Status, run.Error)
	}
	if got := fmt.Sprint(run.Output); got != "42" {
		t.Errorf("output %s, want 42", got)
	}
}

func TestMembersAndClients(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, jetadmin.Config{BasePath: "/admin"})
	editor, viewer := app.Client(app.Member(rbac.Editor)), app.Client(app.Member("Viewer"))

	var saved workflow.Workflow
	in := doubling()
	in.Draft = workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}, Edges: []workflow.Edge{}}
	editor.Call(http.MethodPost, "T/workflows", in).Want(http.StatusCreated).Into(&saved)
	if saved.ID == "" || saved.Name != in.Name {
		t.Errorf("saved as %+v", saved)
	}
	viewer.Call(http.MethodGet, "T/workflows?limit=5", nil).Want(http.StatusOK)
	viewer.Call(http.MethodPost, "T/workflows", in).Want(http.StatusForbidden)
	app.ClientWithToken("").Call(http.MethodGet, "T/workflows", nil).Want(http.StatusUnauthorized)

	var tenant tenancy.Tenant
	viewer.Call(http.MethodGet, "T", nil).Want(http.StatusOK).Into(&tenant)
	if tenant.ID != app.Tenant.ID {
		t.Errorf("the tenant is %s, want %s", tenant.ID, app.Tenant.ID)
	}
}

// T153: two Apps of one test process share nothing.
func TestAppsAreApart(t *testing.T) {
	t.Parallel()
	one, two := jetadmintest.Start(t, jetadmin.Config{BasePath: "/one"}), jetadmintest.Start(t, jetadmin.Config{})
	if one.Tenant.ID == two.Tenant.ID {
		t.Error("both have one tenant")
	}
	login := one.Client(one.Owner)
	var mine struct{ Token string }
	login.Call(http.MethodPost, "/auth/login", map[string]string{"email": one.Owner.User.Email, "password": one.Owner.Password}).Want(http.StatusOK).Into(&mine)
	two.ClientWithToken(mine.Token).Call(http.MethodGet, "/auth/me", nil).Want(http.StatusUnauthorized)
}
