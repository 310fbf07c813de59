package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/examples/customnode"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// beWorker makes the test binary the program itself.
const beWorker = "JETADMIN_TEST_BE_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(beWorker) != "" {
		main()
		os.Exit(0)
	}
	testdb.Main(m)
}

// TestWorker has a server that executes nothing: what it starts ends because the
// worker, a process of its own, does the work.
func TestWorker(t *testing.T) {
	t.Parallel()
	dsn, options := testdb.PostgresDatabase(t), testdb.Redis(t)
	key := newKey()
	db, err := jetadmin.OpenPostgres(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	server := jetadmintest.Start(t, jetadmin.Config{
		DB: db, Keys: [][]byte{key}, Nodes: []workflow.Node{customnode.OpeningHours()}, Redis: rdb, Workers: -1,
	})
	worker := begin(t, "-postgres", dsn, "-redis", address(options), "-key", keyFile(t, key), "-data", t.TempDir(), "-health", "127.0.0.1:0")

	ctx := server.Owner.Context(t.Context())
	run := server.Run(ctx, workflow.StartParams{WorkflowID: server.Publish(ctx, callBack())})
	if run.Status != workflow.RunSucceeded || run.Output != "call" {
		t.Errorf("the run %s with %v: %+v", run.Status, run.Output, run.Error)
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/api/v1/docs": http.StatusNotFound} {
		if got := worker.status(path); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
	worker.end()
}

// callBack uses a built-in node and one of the host's.
func callBack() workflow.NewWorkflow {
	return workflow.NewWorkflow{Name: "call back", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{
			{Key: "start", Type: "start"},
			{Key: "hours", Type: "opening_hours", Config: map[string]any{"opens": "00:00", "closes": "24:00"}},
			{Key: "what", Type: "transform", Config: map[string]any{"value": "call"}},
			{Key: "end", Type: "end", Config: map[string]any{"output": "{{ steps.what }}"}},
		},
		Edges: []workflow.Edge{
			{From: "start", To: "hours"}, {From: "hours", Port: customnode.PortOpen, To: "what"}, {From: "what", To: "end"},
		},
	}}
}

// TestFaults starts the worker where it cannot work: it says why in one line and
// ends with 1, or with 2 when its flags are at fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	const closed, nowhere = "127.0.0.1:1", "postgres://somebody:hunter2@127.0.0.1:1/x"
	key := newKey()
	good := keyFile(t, key)
	for name, c := range map[string]struct {
		flags []string
		says  string
	}{
		"nothing":              {nil, "-postgres"},
		"no Redis":             {[]string{"-postgres", nowhere}, "-redis"},
		"no key":               {[]string{"-postgres", nowhere, "-redis", closed, "-data", t.TempDir()}, "key"},
		"broken key":           {[]string{"-postgres", nowhere, "-redis", closed, "-key", keyFile(t, key[:5])}, "key"},
		"unreachable database": {[]string{"-postgres", nowhere, "-redis", closed, "-key", good}, "-postgres"},
		"malformed DSN":        {[]string{"-postgres", "postgres://somebody:hunter2@:x:", "-redis", closed, "-key", good}, "-postgres"},
		"stray argument":       {[]string{"start"}, "start"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := 1
			if slices.Contains([]string{"nothing", "no Redis", "stray argument"}, name) {
				code = 2
			}
			fails(t, code, c.says, c.flags...)
		})
	}
}

// TestOtherPeoplesData starts the worker on databases that are not those of its
// server.
func TestOtherPeoplesData(t *testing.T) {
	t.Parallel()
	dsn, options := testdb.PostgresDatabase(t), testdb.Redis(t)
	ours, theirs := newKey(), newKey()
	flags := []string{"-postgres", dsn, "-redis", address(options), "-key", keyFile(t, ours)}
	fails(t, 1, "igrate", flags...)

	db, err := jetadmin.OpenPostgres(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	jetadmintest.Start(t, jetadmin.Config{DB: db, Keys: [][]byte{theirs}})
	fails(t, 1, "key", flags...)
	fails(t, 1, "-redis", "-postgres", dsn, "-redis", "127.0.0.1:1", "-key", keyFile(t, ours))
}

// fails runs the program, which has to end by itself.
func fails(t *testing.T, code int, says string, flags ...string) {
	t.Helper()
	command := program(t, flags...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != code {
		t.Errorf("the worker ended with %v", err)
	}
	if s := said.String(); strings.Count(s, "\n") != 1 || strings.Count(s, "refused") > 1 || !strings.Contains(s, says) || strings.Contains(s, "hunter2") {
		t.Errorf("the worker says, not in one line of %q:\n%s", says, s)
	}
}

// process is a worker that answers on -health.
type process struct {
	t       *testing.T
	command *exec.Cmd
	url     string
	ended   chan error
}

// begin starts the worker and waits until it answers.
func begin(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{t: t, command: program(t, flags...), ended: make(chan error, 1)}
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(t.Output(), lines.Text())
		if _, addr, found := strings.Cut(lines.Text(), "address="); found {
			p.url = "http://" + addr
			break
		}
	}
	if p.url == "" {
		t.Fatalf("the worker ended: %v", p.command.Wait())
	}
	go func() {
		_, _ = io.Copy(io.Discard, stderr)
		p.ended <- p.command.Wait()
	}()
	return p
}

func (p *process) status(path string) int {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode
}

// end stops the worker as an operator does; it has to end well.
func (p *process) end() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(farewell + patience):
		p.t.Error("the worker does not stop")
	}
}

func program(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, flags...)
	command.Env = append(os.Environ(), beWorker+"=1")
	command.WaitDelay = time.Minute
	return command
}

func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	return key
}

func keyFile(t *testing.T, key []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func address(o *redis.Options) string {
	u := url.URL{Scheme: "redis", Host: o.Addr, Path: fmt.Sprint("/", o.DB)}
	if o.Password != "" {
		u.User = url.UserPassword(o.Username, o.Password)
	}
	return u.String()
}
