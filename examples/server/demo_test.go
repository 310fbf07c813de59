package main

import (
	"net/http"
	"net/url"
	"os"
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

func TestDemo(t *testing.T) {
	t.Parallel()
	useDemo(t, begin(t, "-data", t.TempDir()))
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
	if err := watch(t.Context(), strings.TrimPrefix(s.said.URL, "http://"), s.said.Token, run, seen); err != nil {
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

func TestEveryQueryRuns(t *testing.T) {
	t.Parallel()
	s := begin(t, "-data", t.TempDir())
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

// TestWorkflowWithoutMatch takes the other way out of the condition.
func TestWorkflowWithoutMatch(t *testing.T) {
	t.Parallel()
	s := begin(t, "-data", t.TempDir())
	run := s.tenant(http.MethodPost, "/workflows/"+s.said.WorkflowID+"/runs",
		map[string]any{"input": map[string]any{"minTotal": 1e9}, "wait": true})
	if want := map[string]any{"count": 0.0}; run["status"] != "succeeded" || !reflect.DeepEqual(run["output"], want) {
		t.Errorf("the run ended as %v", run)
	}
}

func TestSecondStartGoesOn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := begin(t, "-data", folder)
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	second := begin(t, "-data", folder)
	was, is := first.said.demo, second.said.demo
	if was.Token == is.Token || is.Token == "" {
		t.Error("the second start has no session of its own")
	}
	was.Token, is.Token = "", ""
	if was != is {
		t.Errorf("the second start speaks of %+v, the first of %+v", is, was)
	}
	useDemo(t, second)
}

// TestInterruptedFirstStart: what a first start left half done is no obstacle.
func TestInterruptedFirstStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := begin(t, "-data", folder)
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	if err := (demo{Email: first.said.Email, Password: first.said.Password}).save(folder); err != nil {
		t.Fatal(err)
	}
	useDemo(t, begin(t, "-data", folder))
}

func TestChangedPassword(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := begin(t, "-data", folder)
	s.call(http.MethodPost, "/auth/password", map[string]any{"old": s.said.Password, "new": "a better one, by hand"})
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	again := begin(t, "-data", folder)
	if again.said.Token != "" || again.said.Password != "" {
		t.Error("the server announces a password that is no longer valid")
	}
	if again.said.WorkflowID != s.said.WorkflowID {
		t.Error("the server forgot its demo")
	}
}

func TestWithoutDemo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := begin(t, "-data", folder, "-demo=false")
	if s.said.demo != (demo{}) {
		t.Errorf("there is a demo: %+v", s.said.demo)
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.stderr.String(), "token=") {
		t.Errorf("the log has no one-time token:\n%s", s.stderr.String())
	}
	if _, err := os.Stat(demoFile(folder)); !os.IsNotExist(err) {
		t.Errorf("there is a file of a demo: %v", err)
	}
}

func TestDemoFilesAreTheOwners(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	begin(t, "-data", folder)
	for _, path := range []string{folder, demoFile(folder), filepath.Join(folder, "key"), filepath.Join(folder, "files")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
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
