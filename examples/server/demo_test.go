package main

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/examples/server/shop"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// TestDemo goes through what a folder sees in its life: to make a demo is the
// slow part, so it is made once.
func TestDemo(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	first := begin(t, "-data", folder)
	everyQueryRuns(t, first)
	workflowWithoutMatch(t, first)
	filesAreTheOwners(t, folder)
	useDemo(t, first)

	second := begin(t, "-data", folder)
	goesOn(t, first, second)
	useDemo(t, second)

	third := begin(t, "-data", folder)
	third.call(http.MethodPost, "/auth/password", map[string]any{"old": third.said.Password, "new": "a better one, by hand"})
	if err := third.end(); err != nil {
		t.Fatal(err)
	}
	fourth := begin(t, "-data", folder)
	if fourth.said.Token != "" || fourth.said.Password != "" {
		t.Error("the server announces a password that is no longer valid")
	}
	if fourth.said.WorkflowID != first.said.WorkflowID {
		t.Error("the server forgot its demo")
	}
}

// TestDemoOnPostgresAndRedis is the same program in production dress.
func TestDemoOnPostgresAndRedis(t *testing.T) {
	t.Parallel()
	options := testdb.Redis(t)
	address := (&url.URL{Scheme: "redis", Host: options.Addr, User: url.UserPassword(options.Username, options.Password)}).String()
	useDemo(t, begin(t, "-data", t.TempDir(), "-postgres", database(t), "-redis", address+"/"+strconv.Itoa(options.DB)))
}

// useDemo does with a server what its users are told to do.
func useDemo(t *testing.T, s *server) {
	me := s.call(http.MethodGet, "/auth/me", nil)
	if user, _ := me["user"].(map[string]any); user["email"] != demoEmail {
		t.Errorf("signed in as %v", me)
	}
	result := s.tenant(http.MethodPost, "/queries/"+s.said.QueryID+"/run", map[string]any{"params": map[string]any{}})
	if n, _ := result["rowCount"].(float64); n == 0 {
		t.Errorf("the query has no rows: %v", result)
	}
	started := s.tenant(http.MethodPost, "/workflows/"+s.said.WorkflowID+"/runs", map[string]any{"input": map[string]any{}})
	run, _ := started["id"].(string)

	seen := newLines()
	if err := watch(t.Context(), strings.TrimPrefix(s.said.URL, "http://"), s.said.Token, run, seen, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"node orders      succeeded", "node any         succeeded → found", "node nothing     skipped", "run              succeeded"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("the events have no %q:\n%s", want, seen.String())
		}
	}
	detail := s.tenant(http.MethodGet, "/runs/"+run, nil)
	output, _ := detail["output"].(map[string]any)
	if n, _ := output["count"].(float64); detail["status"] != "succeeded" || n == 0 || output["largest"] == "" {
		t.Errorf("the run ended as %v", detail)
	}
	if err := s.end(); err != nil {
		t.Errorf("the server stopped with %v", err)
	}
}

func everyQueryRuns(t *testing.T, s *server) {
	t.Helper()
	list, _ := s.tenant(http.MethodGet, "/queries", nil)["items"].([]any)
	if len(list) != len(shop.Queries("")) {
		t.Fatalf("%d queries", len(list))
	}
	for _, item := range list {
		query, _ := item.(map[string]any)
		params := map[string]any{}
		if query["name"] == "Order" {
			params["id"] = 1
		}
		result := s.tenant(http.MethodPost, "/queries/"+query["id"].(string)+"/run", map[string]any{"params": params})
		if n, _ := result["rowCount"].(float64); n == 0 {
			t.Errorf("%v has no rows", query["name"])
		}
	}
}

// workflowWithoutMatch takes the other way out of the condition.
func workflowWithoutMatch(t *testing.T, s *server) {
	t.Helper()
	run := s.tenant(http.MethodPost, "/workflows/"+s.said.WorkflowID+"/runs",
		map[string]any{"input": map[string]any{"minTotal": 1e9}, "wait": true})
	if want := map[string]any{"count": 0.0}; run["status"] != "succeeded" || !reflect.DeepEqual(run["output"], want) {
		t.Errorf("the run ended as %v", run)
	}
}

func filesAreTheOwners(t *testing.T, folder string) {
	t.Helper()
	for _, path := range []string{folder, demoFile(folder), filepath.Join(folder, "key"), filepath.Join(folder, "files")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func goesOn(t *testing.T, first, second *server) {
	t.Helper()
	was, is := first.said.demo, second.said.demo
	if was.Token == is.Token || is.Token == "" {
		t.Error("the second start has no session of its own")
	}
	was.Token, is.Token = "", ""
	if was != is {
		t.Errorf("the second start speaks of %+v, the first of %+v", is, was)
	}
}

// TestInterruptedFirstStart: what a first start left half done is no obstacle.
func TestInterruptedFirstStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	half := demo{Email: demoEmail, Password: "of an account that may be there"}
	if err := half.save(folder); err != nil {
		t.Fatal(err)
	}
	s := begin(t, "-data", folder)
	if s.said.Password != half.Password {
		t.Error("the password is another one")
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if err := half.save(folder); err != nil { // as if it had been interrupted later
		t.Fatal(err)
	}
	useDemo(t, begin(t, "-data", folder))
}

// shell runs a command of curl and returns what it prints.
func shell(t *testing.T, command string) string {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs " + tool)
		}
	}
	output, err := exec.CommandContext(t.Context(), "bash", "-eu", "-c", strings.Replace(command, "curl ", "curl -sS ", 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	return string(output)
}

func TestWithoutDemo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := begin(t, "-data", folder, "-demo=false")
	if s.said.demo != (demo{}) {
		t.Errorf("there is a demo: %+v", s.said.demo)
	}
	var printed strings.Builder
	if err := s.said.print(&printed); err != nil {
		t.Fatal(err)
	}
	// What is printed does nothing until a password is put in, then it works.
	command := printed.String()[strings.Index(printed.String(), "curl "):]
	command, _, _ = strings.Cut(command, "; echo")
	if output := shell(t, command); !strings.Contains(output, `"path":"password"`) {
		t.Errorf("an account without a password: %s", output)
	}
	if output := shell(t, strings.Replace(command, "…", "four random words here", 1)); !strings.Contains(output, `"email":"you@example.com"`) {
		t.Errorf("%s gives %s", command, output)
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	again := begin(t, "-data", folder, "-demo=false")
	if again.said.SetupToken != "" {
		t.Error("a token to make the first account, though there is one")
	}
	if err := again.end(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(demoFile(folder)); !os.IsNotExist(err) {
		t.Errorf("there is a file of a demo: %v", err)
	}
}

// database makes a database of the test's own and returns its DSN.
func database(t *testing.T) string {
	t.Helper()
	dsn, _ := testdb.PostgresSchema(t)
	name := "server_" + strings.ReplaceAll(id.New(), "-", "")
	admin, err := jetadmin.OpenPostgres(dsn)
	if err != nil {
		t.Fatal(err)
	}
	must := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	must("CREATE DATABASE " + name)
	t.Cleanup(func() {
		must("DROP DATABASE " + name + " WITH (FORCE)")
		admin.Close()
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
