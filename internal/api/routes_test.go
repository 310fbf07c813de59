package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// Every resource is made, read, changed and removed over HTTP, on both
// databases; every reply on the way is held against the document.
func TestResources(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setupOn(t, db, basePath)
		ada := w.as("ada")
		tenant := ada.tenant("Acme")

		ada.call("GET", "/tenants", nil).want(200)
		if name := ada.call("PATCH", tenant, `{"name":"Acme Ltd","version":1}`).want(200).text("name"); name != "Acme Ltd" {
			t.Fatalf("renamed to %q", name)
		}
		me := ada.call("GET", "/auth/me", nil).want(200)
		if !strings.Contains(string(me.Body), `"query.execute"`) {
			t.Fatalf("an owner's permissions are missing: %s", me.Body)
		}
		ada.call("PATCH", "/auth/me", `{"name":"x"}`).want(409) // the account lives in the host
		ada.call("GET", "/auth/sessions", nil).want(200)

		ada.call("GET", tenant+"/permissions", nil).want(200)
		role := ada.call("POST", tenant+"/roles", `{"name":"Reader","permissions":["query.read"]}`).want(201)
		ada.call("GET", tenant+"/roles/"+role.text("id"), nil).want(200)
		ada.call("GET", tenant+"/roles?limit=2", nil).want(200)
		ada.call("PATCH", tenant+"/roles/"+role.text("id"), `{"permissions":["query.*"],"version":1}`).want(200)

		bob := w.addMember(ada, tenant, w.as("bob"), role.text("id"))
		ada.call("GET", tenant+"/members", nil).want(200)
		ada.call("GET", tenant+"/members/"+bob, nil).want(200)
		ada.call("PATCH", tenant+"/members/"+bob, map[string]any{"roleIds": []string{role.text("id")}, "version": 1}).want(200)
		w.as("bob").call("GET", tenant+"/members", nil).want(403)
		w.as("bob").call("GET", tenant+"/permissions", nil).want(403)
		w.as("bob").call("GET", tenant+"/datasource-types", nil).want(403)
		ada.call("DELETE", tenant+"/members/"+bob, nil).want(204)
		w.as("bob").call("GET", tenant+"/members", nil).want(404)
		ada.call("DELETE", tenant+"/roles/"+role.text("id"), nil).want(204)
		joinByInvitation(t, w, ada, tenant)

		key := ada.call("POST", tenant+"/apikeys", `{"name":"export","scopes":["query.*","datasource.list"]}`).want(201)
		ada.call("GET", tenant+"/apikeys", nil).want(200)
		w.bearer(key.text("key")).call("GET", tenant+"/queries", nil).want(200)
		w.bearer(key.text("key")).call("GET", tenant+"/members", nil).want(403)
		w.bearer(key.text("key")).call("GET", "/auth/me", nil).want(200)
		ada.call("DELETE", tenant+"/apikeys/"+key.text("id"), nil).want(204)
		w.bearer(key.text("key")).call("GET", tenant+"/queries", nil).want(401)

		useData(t, ada, tenant)

		ada.call("GET", tenant+"/audit?limit=3", nil).want(200)
		if valid := ada.call("GET", tenant+"/audit/verify", nil).want(200).field("valid"); valid != true {
			t.Fatal("the record does not verify")
		}
	})
}

// joinByInvitation lets in somebody with an account, and somebody without.
func joinByInvitation(t *testing.T, w *world, ada *caller, tenant string) {
	t.Helper()
	role := ada.call("POST", tenant+"/roles", `{"name":"Guest","permissions":["query.read"]}`).want(201).text("id")
	invite := func(email string) *answer {
		return ada.call("POST", tenant+"/invitations", map[string]any{"email": email, "roleIds": []string{role}, "days": 3}).want(201)
	}
	taken := invite("eve@example.com")
	at := tenant + "/invitations/" + taken.text("id")
	if got := taken.Header.Get("Location"); got != basePath+apiPrefix+at {
		t.Errorf("Location is %q", got)
	}
	list := ada.call("GET", tenant+"/invitations", nil).want(200)
	if strings.Contains(string(list.Body), taken.text("token")) || !strings.Contains(string(list.Body), "eve@example.com") {
		t.Errorf("listed: %s", list.Body)
	}
	ada.call("DELETE", at, nil).want(204)
	ada.call("DELETE", at, nil).want(404)
	ada.call("POST", tenant+"/invitations", map[string]any{"email": "x", "roleIds": []string{role}}).want(422)
	ada.call("POST", tenant+"/invitations", map[string]any{"email": "x@example.com", "roleIds": []string{role}, "days": 31}).want(422)
	w.as("bob").call("GET", tenant+"/invitations", nil).want(404)

	accept := func(c *caller, body map[string]any) *answer { return c.call("POST", "/invitations/accept", body) }
	bobs := map[string]any{"token": invite("Bob@example.com").text("token")}
	accept(w.as("eve"), bobs).want(404)
	accept(w.bearer("jas_nothing"), bobs).want(401)
	accept(w.anonymous().with("Origin", "https://evil.example.com"), bobs).want(403)
	if got := accept(w.as("bob"), bobs).want(200).text("tenantId"); "/tenants/"+got != tenant {
		t.Errorf("bob is in %s", got)
	}
	accept(w.as("bob"), bobs).want(404)

	grace := map[string]any{"token": invite("grace@example.com").text("token"), "email": "grace@example.com", "name": "Grace", "password": "short"}
	accept(w.anonymous(), grace).want(422)
	grace["password"] = "four random words here"
	accept(w.anonymous(), grace).want(200)
	token := w.anonymous().call("POST", "/auth/login", map[string]any{"email": "grace@example.com", "password": grace["password"]}).want(200).text("token")
	w.bearer(token).call("GET", tenant+"/members", nil).want(403) // the role gives queries only
}

func useData(t *testing.T, ada *caller, tenant string) {
	t.Helper()
	ada.call("GET", tenant+"/datasource-types", nil).want(200)
	body := `{"name":"Shop","type":"fixed","settings":{"host":"db.example.com"},"secrets":{"password":"hunter2"}}`
	ada.call("POST", tenant+"/datasources/test", body).want(200)
	source := ada.call("POST", tenant+"/datasources", body).want(201)
	if strings.Contains(string(source.Body), "hunter2") {
		t.Fatalf("the secret comes back: %s", source.Body)
	}
	at := tenant + "/datasources/" + source.text("id")
	if got := source.Header.Get("Location"); got != basePath+apiPrefix+at {
		t.Fatalf("Location is %q", got)
	}
	ada.call("GET", tenant+"/datasources", nil).want(200)
	ada.call("GET", at, nil).want(200)
	ada.call("PATCH", at, `{"description":"the shop","version":1}`).want(200)
	ada.call("POST", at+"/test", nil).want(200)
	ada.call("GET", at+"/schema", nil).want(200)
	ada.call("GET", at+"/schema?refresh=true", nil).want(200)

	suggested := ada.call("POST", tenant+"/queries/suggestions", `{"type":"fixed","document":"Shop"}`).want(200)
	if suggested.text("title") != "Shop" || !strings.Contains(string(suggested.Body), `"name":"All"`) {
		t.Fatalf("the suggestions are %s", suggested.Body)
	}
	ada.call("POST", tenant+"/queries/suggestions", `{"type":"nothing","document":"Shop"}`).want(422)
	ada.call("POST", tenant+"/queries/suggestions", map[string]any{"type": "fixed", "document": strings.Repeat("x", 13<<20)}).want(413)

	query := ada.call("POST", tenant+"/queries", map[string]any{"name": "All", "datasourceId": source.text("id"), "operation": map[string]any{}}).want(201)
	ada.call("GET", tenant+"/queries?datasourceId="+source.text("id"), nil).want(200)
	ada.call("GET", tenant+"/queries/"+query.text("id"), nil).want(200)
	ada.call("PATCH", tenant+"/queries/"+query.text("id"), `{"rowLimit":1,"version":1}`).want(200)
	ada.call("POST", tenant+"/queries/test", map[string]any{"datasourceId": source.text("id"), "operation": map[string]any{}}).want(200)
	result := ada.call("POST", tenant+"/queries/"+query.text("id")+"/run", nil).want(200)
	if result.field("truncated") != true || result.field("rowCount") != 1.0 {
		t.Fatalf("the result is %s", result.Body)
	}
	ada.call("POST", tenant+"/queries/explain", map[string]any{"datasourceId": source.text("id"), "operation": map[string]any{}}).want(409)
	ada.call("DELETE", at, nil).want(409)
	if uses := ada.call("GET", at+"/usage", nil).want(200).field("items").([]any); len(uses) != 1 || uses[0].(map[string]any)["name"] != "All" {
		t.Fatalf("it is used by %v", uses)
	}

	history := ada.call("GET", tenant+"/queries/"+query.text("id")+"/executions?running=false", nil).want(200).field("items").([]any)
	last := history[0].(map[string]any)
	if len(history) != 1 || last["id"] != result.text("executionId") || last["status"] != "succeeded" {
		t.Fatalf("the history is %v", history)
	}
	if all := ada.call("GET", tenant+"/executions", nil).want(200).field("items").([]any); len(all) != 2 {
		t.Fatalf("all executions are %v", all)
	}
	ada.call("DELETE", tenant+"/executions/"+result.text("executionId"), nil).want(409)

	versions := tenant + "/queries/" + query.text("id") + "/versions"
	if list := ada.call("GET", versions, nil).want(200).field("items").([]any); len(list) != 2 {
		t.Fatalf("the versions are %v", list)
	}
	ada.call("GET", versions+"/1", nil).want(200)
	ada.call("GET", versions+"/01", nil).want(404)
	if diff := ada.call("GET", versions+"/2/diff?from=1", nil).want(200); !strings.Contains(string(diff.Body), `"field":"rowLimit"`) {
		t.Fatalf("the difference is %s", diff.Body)
	}
	ada.with("If-Match", `"1"`).call("POST", versions+"/1/restore", nil).want(412)
	if back := ada.call("POST", versions+"/1/restore", `{"version":2}`).want(200); back.field("version") != 3.0 || back.field("rowLimit") != 1000.0 {
		t.Fatalf("restored to %s", back.Body)
	}

	useWorkflow(t, ada, tenant, query.text("id"))

	ada.call("DELETE", tenant+"/queries/"+query.text("id"), nil).want(204)
	ada.call("DELETE", at, nil).want(204)
}

func useWorkflow(t *testing.T, ada *caller, tenant, queryID string) {
	t.Helper()
	ada.call("GET", tenant+"/node-types", nil).want(200)
	flow := ada.call("POST", tenant+"/workflows", map[string]any{"name": "Report", "draft": graph(queryID)}).want(201)
	at := tenant + "/workflows/" + flow.text("id")
	ada.call("GET", tenant+"/workflows", nil).want(200)
	ada.call("GET", at, nil).want(200)
	ada.call("PATCH", at, `{"description":"daily","version":1}`).want(200)
	if ada.call("POST", at+"/validate", nil).want(200).field("valid") != true {
		t.Fatal("the stored draft is not valid")
	}
	faulty := ada.call("POST", at+"/validate", `{"draft":{"nodes":[],"edges":[]}}`).want(200)
	if faulty.field("valid") != false || len(faulty.field("errors").([]any)) == 0 {
		t.Fatalf("an empty draft: %s", faulty.Body)
	}
	ada.call("POST", at+"/runs", nil).want(409) // not published
	version := ada.call("POST", at+"/publish", `{"version":2}`).want(201)
	if !strings.HasSuffix(version.Header.Get("Location"), "/versions/1") {
		t.Fatalf("Location is %q", version.Header.Get("Location"))
	}
	ada.call("GET", at+"/versions", nil).want(200)
	ada.call("GET", at+"/versions/1", nil).want(200)
	ada.call("GET", at+"/versions/01", nil).want(404)
	ada.call("GET", at+"/versions/x", nil).want(404)

	run := ada.call("POST", at+"/runs", `{"input":{"big":9007199254740993},"wait":true}`).want(202)
	if run.text("status") != "succeeded" {
		t.Fatalf("the run: %s", run.Body)
	}
	if !strings.Contains(string(run.Body), "9007199254740993") {
		t.Fatalf("a large integer lost digits: %s", run.Body)
	}
	ada.call("GET", tenant+"/runs?status=succeeded&workflowId="+flow.text("id"), nil).want(200)
	ada.call("GET", tenant+"/runs?status=sleeping", nil).want(422)
	ada.call("GET", tenant+"/runs/"+run.text("id"), nil).want(200)
	ada.call("GET", tenant+"/runs/"+run.text("id")+"/nodes/query", nil).want(200)
	ada.call("POST", tenant+"/runs/"+run.text("id")+"/cancel", nil).want(409)
	useTriggers(t, ada, tenant, flow.text("id"))
	ada.call("DELETE", at, nil).want(204)
}

// graph reads a query and ends with the run's input.
func graph(queryID string) map[string]any {
	return map[string]any{
		"nodes": []map[string]any{
			{"key": "start", "type": "start"},
			{"key": "query", "type": "query", "config": map[string]any{"queryId": queryID}},
			{"key": "end", "type": "end", "config": map[string]any{"output": "{{ input }}"}},
		},
		"edges": []map[string]any{{"from": "start", "to": "query"}, {"from": "query", "to": "end"}},
	}
}

// T4, T22: no operation that takes a body takes more than it declares, in any
// spelling, and none is done when it is sent more.
func TestNoOperationTakesMoreThanItDeclares(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ada := w.as("ada")
	tenant := ada.tenant("Acme")
	before, methods := ada.call("GET", tenant+"/audit", nil).want(200), map[string]int{}
	for _, op := range w.api.Operations() {
		if op.Raw || op.Method == "GET" || op.Method == "DELETE" && op.Example == nil { // a file or a delivery may be anything, and is only input
			continue
		}
		methods[op.Method]++
		path := strings.Replace(op.Path, "/tenants/{tenantId}", tenant, 1)
		path = pathParam.ReplaceAllString(path, "0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f")
		for _, extra := range []string{"tenantId", "tenant_id", "createdBy", "is_admin", "passwordHash", "Version", "NAME", "__proto__"} {
			answer := ada.call(op.Method, path, map[string]any{extra: "canary"}).want(422)
			if !strings.Contains(string(answer.Body), `"path":"`+extra+`"`) || strings.Contains(string(answer.Body), "canary") {
				t.Errorf("%s, %s: %s", op.ID, extra, answer.Body)
			}
		}
		for at, body := range spoiled(op.Example) {
			answer := ada.call(op.Method, path, body)
			if open := slices.Contains(anyFields, at); open == (answer.Status == 422 && strings.Contains(string(answer.Body), `isAdmin"`)) {
				t.Errorf("%s takes more in %s: %v, want %v: %s", op.ID, at, !open, open, answer.Body)
			}
		}
	}
	for _, method := range []string{"POST", "PATCH", "PUT", "DELETE"} {
		if methods[method] == 0 {
			t.Errorf("no operation with a body is a %s", method)
		}
	}
	if after := ada.call("GET", tenant+"/audit", nil).want(200); string(after.Body) != string(before.Body) {
		t.Fatalf("something was done: %s", after.Body)
	}
}

// anyFields are the objects in bodies whose fields are the users' own, or judged by
// what they are for: a connector, a query, a workflow.
var anyFields = []string{"data", "input", "operation", "params", "settings", "values"}

// spoiled are copies of an example, each with one field more in one of the objects that
// are in it, by where these are.
func spoiled(example any) map[string]any {
	text, err := json.Marshal(example)
	if err != nil {
		return nil
	}
	var places []string
	each := func(visit func(at string, of map[string]any)) any {
		var body any
		if err := json.Unmarshal(text, &body); err != nil {
			return nil
		}
		var walk func(at string, v any)
		walk = func(at string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, inner := range v {
					walk(strings.TrimPrefix(at+"."+name, "."), inner)
				}
				if at != "" {
					visit(at, v)
				}
			case []any:
				for i, inner := range v {
					walk(fmt.Sprintf("%s[%d]", at, i), inner)
				}
			}
		}
		walk("", body)
		return body
	}
	each(func(at string, _ map[string]any) { places = append(places, at) })
	bodies := map[string]any{}
	for _, place := range places {
		bodies[place] = each(func(at string, of map[string]any) {
			if at == place {
				of["isAdmin"] = true
			}
		})
	}
	return bodies
}
