package jetadmin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
	"github.com/jetadmin/jetadmin/workflow"
)

// beProcess makes the test binary a process of the platform, which does what the
// variable says until its input ends.
const beProcess = "JETADMIN_TEST_BE_PROCESS"

// role is what a process of the platform does, and with what.
type role struct {
	Postgres, Redis, Password string
	Database                  int
	Key                       []byte
	DataDir                   string
	Workers                   int // negative = it serves and executes nothing
}

func (r role) config() (cfg jetadmin.Config, err error) {
	cfg.DB, err = jetadmin.OpenPostgres(r.Postgres)
	cfg.Redis = redis.NewClient(&redis.Options{Addr: r.Redis, Password: r.Password, DB: r.Database})
	cfg.DataDir, cfg.Keys, cfg.Workers, cfg.Nodes = r.DataDir, [][]byte{r.Key}, r.Workers, []workflow.Node{step()}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg, err
}

// step is a node that takes a while and says which process has run it.
func step() workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: "step"}, func(ctx context.Context, _ *workflow.Call, _ struct{}) (any, error) {
		select {
		case <-time.After(20 * time.Millisecond):
			return os.Getpid(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// runProcess is the process itself. It prints its address once it works.
func runProcess(description string) (err error) {
	var r role
	if err := json.Unmarshal([]byte(description), &r); err != nil {
		return err
	}
	cfg, err := r.config()
	if err != nil {
		return err
	}
	app, err := jetadmin.New(cfg)
	if err != nil {
		return err
	}
	if err := app.Start(context.Background()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Stop(context.Background())) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: app}
	if r.Workers > 0 {
		server.Handler = http.NotFoundHandler()
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	fmt.Printf("http://%s\n", listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// process is one that the test has begun.
type process struct {
	t       *testing.T
	command *exec.Cmd
	input   io.Closer
	url     string
}

func begin(t *testing.T, r role) *process {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	description, err := json.Marshal(r)
	must(t, err)
	p := &process{t: t, command: exec.CommandContext(t.Context(), self)}
	p.command.Env = append(os.Environ(), beProcess+"="+string(description))
	p.command.Stderr = t.Output()
	p.input, err = p.command.StdinPipe()
	must(t, err)
	output, err := p.command.StdoutPipe()
	must(t, err)
	must(t, p.command.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the process ended: %v", p.command.Wait())
	}
	p.url = strings.TrimSpace(line)
	return p
}

// end has the process stop by itself.
func (p *process) end() {
	p.t.Helper()
	must(p.t, p.input.Close())
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the process ended with %v", err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	must(p.t, p.command.Process.Kill())
	_ = p.command.Wait() // says that it was killed
}

func (p *process) caller(token string) *caller {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return (&caller{t: p.t, url: p.url, header: http.Header{}, http: client}).bearer(token)
}

// TestWatchersSurviveTheirServer has two servers and a worker, each a process of
// its own: what is started over one server, executed by the worker and watched over
// the other is seen to the end, without a hole and without a double, although the
// watcher's server is killed on the way.
func TestWatchersSurviveTheirServer(t *testing.T) {
	t.Parallel()
	token, first, second, worker := beginThree(t)

	owner := first.caller(token)
	T := "/tenants/" + owner.call("POST", "/tenants", object{"name": "Acme"}).want(http.StatusCreated).text("id")
	const steps = 40
	flow := owner.call("POST", T+"/workflows", object{"name": "Steps", "draft": chain(steps)}).want(http.StatusCreated).text("id")
	owner.call("POST", T+"/workflows/"+flow+"/publish", nil).want(http.StatusCreated)
	run := owner.call("POST", T+"/workflows/"+flow+"/runs", nil).want(http.StatusAccepted).text("id")

	undisturbed := make(chan []liveclient.Message, 1)
	go func() { undisturbed <- watchUntil(t, first, token, "run:"+run, 0, ended) }()
	half := func(m liveclient.Message) bool { return about(t, m).Key == fmt.Sprint("step", steps/2) }
	seen := watchUntil(t, second, token, "run:"+run, 0, half)
	second.kill()
	seen = append(seen, watchUntil(t, first, token, "run:"+run, seen[len(seen)-1].Seq, ended)...)

	want := <-undisturbed
	for i, m := range seen {
		if i > 0 && m.Seq != seen[i-1].Seq+1 {
			t.Errorf("after event %d comes %d", seen[i-1].Seq, m.Seq)
		}
	}
	same := func(a, b liveclient.Message) bool {
		return a.Seq == b.Seq && a.Type == b.Type && string(a.Data) == string(b.Data)
	}
	if !slices.EqualFunc(seen, want, same) {
		t.Errorf("%d events over two servers, %d over one", len(seen), len(want))
	}
	if last := about(t, seen[len(seen)-1]); last.Status != "succeeded" || len(seen) < steps {
		t.Errorf("the last of %d events is %+v", len(seen), last)
	}
	var detail struct{ Output int }
	owner.call("GET", T+"/runs/"+run, nil).want(http.StatusOK).into(&detail)
	if detail.Output != worker.command.Process.Pid {
		t.Errorf("the steps ran in process %d, the worker is %d", detail.Output, worker.command.Process.Pid)
	}
	worker.end()
	first.end()
}

// beginThree begins two servers and a worker on one PostgreSQL and Redis; token is that
// of an account.
func beginThree(t *testing.T) (token string, first, second, worker *process) {
	t.Helper()
	options := testdb.Redis(t)
	r := role{
		Postgres: testdb.PostgresDatabase(t), Redis: options.Addr, Password: options.Password, Database: options.DB,
		Key: secret.NewKey(), DataDir: t.TempDir(), Workers: -1,
	}
	token = signUp(t, r)
	first, second = begin(t, r), begin(t, r)
	r.Workers = 4
	worker = begin(t, r)
	return token, first, second, worker
}

// signUp makes the tables and an account, as an operator does before the first
// server starts.
func signUp(t *testing.T, r role) (token string) {
	t.Helper()
	cfg, err := r.config()
	must(t, err)
	defer cfg.DB.Close()
	defer cfg.Redis.Close()
	app := build(t, cfg)
	must(t, app.Migrate(t.Context()))
	who := auth.NewUser{Email: "ada@example.com", Name: "Ada", Password: "four random words here"}
	_, err = app.Auth().CreateUser(t.Context(), who)
	must(t, err)
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: who.Email, Password: who.Password})
	must(t, err)
	return login.Token
}

// chain is a graph of steps, the last of which makes the output.
func chain(steps int) object {
	nodes, edges := []object{{"key": "start", "type": "start"}}, []object{}
	last := "start"
	for i := range steps {
		key := fmt.Sprint("step", i+1)
		nodes, edges = append(nodes, object{"key": key, "type": "step"}), append(edges, object{"from": last, "to": key})
		last = key
	}
	nodes = append(nodes, object{"key": "end", "type": "end", "config": object{"output": "{{ steps." + last + " }}"}})
	return object{"nodes": nodes, "edges": append(edges, object{"from": last, "to": "end"})}
}

// watchUntil returns the events of a topic after one, up to the first that enough
// says yes to. A gap is a fault, but for the one at the very beginning, of who asks
// before the start of the run was told.
func watchUntil(t *testing.T, p *process, token, topic string, since int64, enough func(liveclient.Message) bool) (events []liveclient.Message) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := liveclient.Dial(ctx, p.url+"/api/v1/ws", liveclient.Options{Once: true, Token: token})
	if err != nil {
		t.Errorf("watch %s: %v", topic, err)
		return nil
	}
	defer client.Close()
	err = client.Subscribe(topic, since)
	for m, failed := range client.All(ctx) {
		if err = errors.Join(err, failed, m.Err); err != nil || m.Kind == liveclient.Gap && (since > 0 || len(events) > 0) {
			t.Errorf("watch %s: %+v %v", topic, m, err)
			break
		}
		if m.Kind == liveclient.Event {
			if events = append(events, m); enough(m) {
				break
			}
		}
	}
	return events
}

type progress struct{ Key, Status string }

func about(t *testing.T, m liveclient.Message) (p progress) {
	if err := json.Unmarshal(m.Data, &p); err != nil {
		t.Error(err)
	}
	return p
}

func ended(m liveclient.Message) bool {
	return m.Type == workflow.EventRun && strings.Contains(string(m.Data), `"succeeded"`)
}
