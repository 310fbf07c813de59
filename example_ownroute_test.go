package jetadmin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A route of the host's own takes the sign-in of the App: whoever is signed in, by
// whatever means, starts a workflow with the rights that he has in the tenant.
func Example_ownRoute() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()
	flow, err := publish(ctx, app, "Refund", workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}})
	check(err)
	tenantID := auth.FromContext(ctx).TenantID

	refund := func(w http.ResponseWriter, r *http.Request) {
		who, err := app.Authenticate(r)
		if err == nil {
			who, err = app.Auth().Enter(r.Context(), who, tenantID)
		}
		if err == nil {
			_, err = app.Workflows().Start(auth.NewContext(r.Context(), who), workflow.StartParams{WorkflowID: flow})
		}
		if err != nil {
			http.Error(w, problem.Of(err).Message, http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "it is on its way")
	}

	call := func(token string) {
		r := httptest.NewRequest(http.MethodPost, "/refunds", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		refund(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	_, starts, err := app.Auth().CreateKey(ctx, auth.NewKey{Name: "shop", Scopes: []auth.Permission{auth.WorkflowExecute}})
	check(err)
	_, reads, err := app.Auth().CreateKey(ctx, auth.NewKey{Name: "report", Scopes: []auth.Permission{auth.RunRead}})
	check(err)
	call(starts)
	call(reads)
	call("jak_forged")
	// Output:
	// 200 it is on its way
	// 403 this needs the permission workflow.execute
	// 403 the credential is not valid
}
