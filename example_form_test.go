package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

// A run that asks a person for data. Whoever draws the form gets its fields over
// HTTP as a JSON Schema; what is sent is checked by it, all faults at once.
func Example_form() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	fields := map[string]any{
		"type": "object", "required": []any{"street"},
		"properties": map[string]any{
			"street":  map[string]any{"type": "string", "minLength": 1},
			"country": map[string]any{"type": "string", "enum": []any{"DE", "FR"}, "default": "DE"},
		},
	}
	id, err := publish(ctx, app, "Move", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "address", Type: "form", Config: map[string]any{"title": "Where does {{ input.name }} live now?", "fields": fields, "deadline": "30d"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.address.values.street }}, {{ steps.address.values.country }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "address"}, {From: "address", To: "end"}},
	})
	check(err)
	run, err := app.Workflows().Start(ctx, workflow.StartParams{WorkflowID: id, Input: map[string]any{"name": "Grace"}})
	check(err)
	question, err := asked(ctx, app)
	check(err)

	// The page that shows it.
	_, key, err := app.Auth().CreateKey(ctx, auth.NewKey{Name: "page", Scopes: []auth.Permission{auth.RunAnswer}})
	check(err)
	r := httptest.NewRequest(http.MethodGet, "/api/v1/tenants/"+auth.FromContext(ctx).TenantID+"/waits/"+question.ID, nil)
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	var shown struct {
		Title string
		Form  struct{ Required []string }
	}
	check(json.Unmarshal(w.Body.Bytes(), &shown))
	fmt.Println(w.Code, shown.Title, shown.Form.Required)

	for _, values := range []map[string]any{{"street": "", "country": "IT"}, {"street": "Oberer Weg 5"}} {
		if _, err := app.Workflows().Answer(ctx, question.ID, workflow.Answer{Values: values}); err != nil {
			fmt.Println(err)
		}
	}
	ended, err := app.Workflows().Wait(ctx, run.ID)
	check(err)
	fmt.Println(ended.Status, ended.Output)
	// Output:
	// 200 Where does Grace live now? [street]
	// the answer is not valid: values.country must be one of "DE", "FR"; values.street must have at least 1 characters
	// succeeded Oberer Weg 5, DE
}
