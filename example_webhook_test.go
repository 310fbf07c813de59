package jetadmin_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/workflow"
)

// deliver is what another system does: it signs the time and the body with the
// secret it was given.
func deliver(app http.Handler, path, secret, id, body string) *httptest.ResponseRecorder {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(now + "." + body))

	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Jetadmin-Signature", "t="+now+",v1="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("Jetadmin-Delivery", id) // the same when it tries again
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

// A workflow that another system starts, and whose output it gets. A delivery
// that comes twice starts one run; one that is not signed starts none.
func Example_webhook() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	order, err := publish(ctx, app, "Order", workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "end", Type: "end", Config: map[string]any{"output": "thank you for {{ input.body.order }}"}},
		},
		Edges: []workflow.Edge{{From: "start", To: "end"}},
	})
	check(err)
	hook, secret, err := app.Workflows().CreateWebhook(ctx, workflow.NewWebhook{
		WorkflowID: order, Name: "Shop", Wait: workflow.Duration(10 * time.Second),
	})
	check(err) // the secret is shown this once

	for _, try := range []struct{ secret, id, order string }{
		{secret, "1", "A-1"},
		{secret, "1", "A-1"}, // the shop did not hear the answer
		{secret, "2", "A-2"},
		{"guessed", "3", "A-3"},
	} {
		answer := deliver(app, hook.Path, try.secret, try.id, `{"order":"`+try.order+`"}`)
		var told struct{ Output, Detail string }
		check(json.Unmarshal(answer.Body.Bytes(), &told))
		fmt.Println(try.order, answer.Code, told.Output+told.Detail)
	}
	runs, err := app.Workflows().Runs(ctx, workflow.RunFilter{WorkflowID: order}, jetadmin.PageRequest{})
	check(err)
	fmt.Println("runs:", len(runs.Items))
	// Output:
	// A-1 200 thank you for A-1
	// A-1 200 thank you for A-1
	// A-2 200 thank you for A-2
	// A-3 401 the delivery does not prove where it comes from
	// runs: 2
}
