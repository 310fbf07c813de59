package jetadmin_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/jetadmintest"
)

// What docs/triggers.md tells other systems to do is done, word by word.
func TestTheCommandsOfTheDocsDeliver(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	commands := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(triggersDoc(t), -1)
	if len(commands) != 1 {
		t.Fatalf("the document has %d scripts", len(commands))
	}
	cfg := quiet(t)
	cfg.BasePath = "/admin"
	app := jetadmintest.Start(t, cfg)
	owner, T := app.Client(app.Owner), "/tenants/"+app.Tenant.ID
	var flow, hook struct{ ID, Path, Secret string }
	owner.Call("POST", T+"/workflows", object{"name": "Order", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).
		Want(http.StatusCreated).Into(&flow)
	owner.Call("POST", T+"/workflows/"+flow.ID+"/publish", nil).Want(http.StatusCreated)
	owner.Call("POST", T+"/webhooks", object{"workflowId": flow.ID, "name": "Shop"}).Want(http.StatusCreated).Into(&hook)

	var answers [2]struct {
		RunID     string
		Duplicate bool
	}
	for i := range answers {
		script := exec.CommandContext(t.Context(), "sh", "-euc", commands[0][1])
		script.Env = append(os.Environ(), "URL="+strings.TrimSuffix(app.URL, "/admin")+hook.Path, "SECRET="+hook.Secret, "NO_PROXY=*")
		out, err := script.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		must(t, json.Unmarshal(out, &answers[i]))
	}
	if answers[0].RunID == "" || answers[0].Duplicate || answers[1].RunID != answers[0].RunID || !answers[1].Duplicate {
		t.Fatalf("the answers are %+v", answers)
	}
	var run struct {
		Input struct{ Body struct{ Order string } }
	}
	owner.Call("GET", T+"/runs/"+answers[0].RunID, nil).Want(http.StatusOK).Into(&run)
	if run.Input.Body.Order != "A-1" {
		t.Fatalf("the run got %+v", run.Input)
	}
}

// The requests that docs/triggers.md shows are understood.
func TestTheRequestsOfTheTriggersDoc(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	owner := app.Client(app.Owner)
	var flow struct{ ID string }
	owner.Call("POST", "/tenants/"+app.Tenant.ID+"/workflows", object{"name": "Report", "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}}).
		Want(http.StatusCreated).Into(&flow)
	requests := regexp.MustCompile("(?s)```http\n(POST) /api/v1(/\\S+)\n(.*?)```").FindAllStringSubmatch(triggersDoc(t), -1)
	if len(requests) != 2 {
		t.Fatalf("it shows %d requests", len(requests))
	}
	for _, r := range requests {
		body := json.RawMessage(strings.Replace(r[3], "…", flow.ID, 1))
		owner.Call(r[1], strings.Replace(r[2], "{tenantId}", app.Tenant.ID, 1), body).Want(http.StatusCreated)
	}
}

// The tests that docs/triggers.md names are there.
func TestTriggersDocNamesRealTests(t *testing.T) {
	t.Parallel()
	tests := allTests(t)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(triggersDoc(t), -1)
	if len(named) < 5 {
		t.Fatalf("it names only %d tests", len(named))
	}
	for _, n := range named {
		if !slices.Contains(tests, n[1]) {
			t.Errorf("it names %s, and there is no such test", n[1])
		}
	}
}

func triggersDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/triggers.md")
	must(t, err)
	return string(text)
}
