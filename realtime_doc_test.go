package jetadmin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/workflow"
)

// realtimeGuide is the text of docs/realtime.md.
func realtimeGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/realtime.md")
	must(t, err)
	return string(text)
}

// blocks are the blocks of a kind in the guide.
func blocks(t *testing.T, kind string, want int) (found []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(realtimeGuide(t), -1) {
		found = append(found, m[1])
	}
	if len(found) != want {
		t.Fatalf("the guide has %d blocks of %s, want %d", len(found), kind, want)
	}
	return found
}

// guided is an App with a workflow to change and the owner's token.
type guided struct {
	*jetadmintest.App
	t     *testing.T
	flow  string
	token string
}

func guide(t *testing.T, change ...func(*jetadmin.Config)) *guided {
	t.Helper()
	cfg := quiet(t)
	for _, c := range change {
		c(&cfg)
	}
	g := &guided{App: jetadmintest.Start(t, cfg), t: t}
	flow, err := g.Workflows().Create(g.Owner.Context(t.Context()), workflow.NewWorkflow{
		Name: "x", Draft: workflow.Graph{Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}}},
	})
	must(t, err)
	login, err := g.Auth().Login(t.Context(), auth.Credentials{Email: g.Owner.User.Email, Password: g.Owner.Password})
	must(t, err)
	g.flow, g.token = flow.ID, login.Token
	return g
}

func (g *guided) change(to string) {
	g.t.Helper()
	at := "/tenants/" + g.Tenant.ID + "/workflows/" + g.flow
	g.Client(g.Owner).Call("PATCH", at, object{"description": to}).Want(http.StatusOK)
}

// TestTheFramesOfTheRealtimeGuide has the conversation of the guide with a server.
func TestTheFramesOfTheRealtimeGuide(t *testing.T) {
	t.Parallel()
	g := guide(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(g.URL, "http")+"/api/v1/ws", nil)
	must(t, err)
	defer ws.CloseNow()
	const shown = 1764000000000123 // the first number of the guide
	offset := 0.0
	fill := strings.NewReplacer("$TOKEN", g.token, "$TENANT", g.Tenant.ID)
	received := 0
	for line := range strings.Lines(fill.Replace(blocks(t, "text", 1)[0])) {
		line = strings.TrimSpace(line)
		mark, rest, _ := strings.Cut(line, " ")
		switch mark {
		case "→":
			r := fromJSON(t, rest).(object)
			move(r, offset)
			text, err := json.Marshal(r)
			must(t, err)
			must(t, ws.Write(ctx, websocket.MessageText, text))
		case "·":
			g.change("again")
		case "←":
			received++
			_, text, err := ws.Read(ctx)
			must(t, err)
			got, want := fromJSON(t, string(text)).(object), fromJSON(t, rest).(object)
			if seq, _ := got["seq"].(float64); want["seq"] == float64(shown) && offset == 0 {
				offset = seq - shown
			}
			move(want, offset)
			if fault := differs(got, want); fault != "" {
				t.Errorf("%s\nis not as shown, %s\n%s", text, fault, line)
			}
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	if received < 10 {
		t.Errorf("the guide shows only %d frames", received)
	}
}

// move adds to the numbers of a frame that are of a topic's life.
func move(frame object, by float64) {
	for _, name := range []string{"seq", "since", "from", "to"} {
		if n, ok := frame[name].(float64); ok && n > 1e12 {
			frame[name] = n + by
		}
	}
}

// differs is how an object is another than shown: "…" stands for any text.
func differs(got, want object) string {
	if len(got) != len(want) {
		return "it has other fields"
	}
	for name, w := range want {
		if text, ok := got[name].(string); ok && text != "" && w == "…" {
			continue
		}
		if inner, ok := w.(object); ok {
			g, _ := got[name].(object)
			if fault := differs(g, inner); fault != "" {
				return name + ": " + fault
			}
		} else if got[name] != w {
			return name
		}
	}
	return ""
}

// TestTheCodesOfTheRealtimeGuide compares its table with that of package realtime,
// and with what the snippet does.
func TestTheCodesOfTheRealtimeGuide(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("realtime/doc.go")
	must(t, err)
	var ours, named, stops, later []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\d{4}) `).FindAllStringSubmatch(string(source), -1) {
		ours = append(ours, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{4}) \|.*\| (stop|connect again)(.*)\|$`).FindAllStringSubmatch(realtimeGuide(t), -1) {
		named = append(named, m[1])
		if m[2] == "stop" {
			stops = append(stops, m[1])
		} else if strings.Contains(m[3], "second") {
			later = append(later, m[1])
		}
	}
	if len(ours) < 11 || !slices.Equal(ours, named) {
		t.Errorf("the codes are %v, the guide names %v", ours, named)
	}
	snippet := blocks(t, "js", 2)[0]
	for _, list := range []string{"stops = [" + strings.Join(stops, ", ") + "]", "later = [" + strings.Join(later, ", ") + "]"} {
		if !strings.Contains(snippet, list) {
			t.Errorf("the snippet has no %s", list)
		}
	}
}

// TestTheSnippetOfTheRealtimeGuide pastes the snippet, and breaks its connection.
func TestTheSnippetOfTheRealtimeGuide(t *testing.T) {
	t.Parallel()
	node := testdb.Program(t, "node")
	program, socket := []string{"--experimental-websocket", "--no-warnings"}, ""
	if exec.CommandContext(t.Context(), node, "--experimental-websocket", "-e", "new WebSocket(\"ws://127.0.0.1:1\").onerror = () => {}").Run() != nil {
		program, socket = nil, "globalThis.WebSocket = require(\"ws\");\n" // this node has none
		if output, err := exec.CommandContext(t.Context(), node, "-e", socket).CombinedOutput(); err != nil {
			t.Skipf("this node has no WebSocket, and NODE_PATH none for it: %s", output)
		}
	}
	g := guide(t)
	var mu sync.Mutex
	var conns []net.Conn
	front := httptest.NewUnstartedServer(g)
	front.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateHijacked {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
		}
	}
	front.Start()
	t.Cleanup(front.Close)
	page := socket + fmt.Sprintf("globalThis.location = {origin: %q}; globalThis.token = %q; const tenantId = %q;\n", front.URL, g.token, g.Tenant.ID)
	command := exec.CommandContext(t.Context(), node, append(program, "-e", page+strings.Join(blocks(t, "js", 2), "\n"))...)
	command.Stderr = t.Output()
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	said := make(chan string, 100)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			said <- lines.Text()
		}
	}()
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait() // says that it was killed
	}()
	// heard changes the workflow until the page hears of it.
	last := ""
	heard := func() {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case line := <-said:
				if !strings.Contains(line, "workflow.updated "+g.flow) || line <= last {
					t.Fatalf("after %q the page says %q", last, line)
				}
				last = line
				return
			case <-time.After(100 * time.Millisecond):
				g.change(time.Now().String())
			case <-deadline:
				t.Fatal("the page hears nothing")
			}
		}
	}
	heard()
	mu.Lock()
	for _, c := range conns {
		_ = c.Close()
	}
	torn := len(conns)
	mu.Unlock()
	for made := torn; made == torn; {
		heard()
		mu.Lock()
		made = len(conns)
		mu.Unlock()
	}
	heard()
}

// TestTheProxyOfTheRealtimeGuide runs nginx with the lines of the guide, in front
// of a host's middleware that wraps the writer, at the root and below a base path.
func TestTheProxyOfTheRealtimeGuide(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/admin"} {
		t.Run("base path "+base, func(t *testing.T) {
			t.Parallel()
			program := testdb.Program(t, "nginx")
			g := guide(t, func(c *jetadmin.Config) { c.BasePath = base })
			host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				g.ServeHTTP(&plainWriter{ResponseWriter: w}, r)
			}))
			t.Cleanup(host.Close)
			lines := strings.NewReplacer("http://127.0.0.1:8080", host.URL, "^/(", "^"+base+"/(").Replace(blocks(t, "nginx", 1)[0])
			front := "http://" + nginx(t, program, lines)

			at := reach(t, g.App)
			at.url = front + base
			s := at.bearer(g.token).with("Origin", front).dialByHeader() // as a page behind the proxy
			s.subscribe("tenant:" + g.Tenant.ID)
			g.change("again")
			if m := s.next(); m.Type != "workflow.updated" {
				t.Errorf("got %+v", m)
			}
			g.watchAsAPage(front, base)
		})
	}
}

// watchAsAPage has the client of Socket.IO watch a run that waits, and ends it.
func (g *guided) watchAsAPage(url, base string) {
	g.t.Helper()
	run := g.waitingRun()
	said := testdb.Node(g.t, "socket.io-client", "realtime/testdata/socketio/watch.js", url, base+"/socket.io/", g.token, run)
	says := func(words string) {
		g.t.Helper()
		for deadline := time.After(time.Minute); ; {
			select {
			case line, ok := <-said:
				if strings.HasPrefix(line, words) {
					return
				}
				if !ok {
					g.t.Fatalf("the page ended before %s", words)
				}
				g.t.Log(line)
			case <-deadline:
				g.t.Fatalf("the page does not say %s", words)
			}
		}
	}
	says(`["joined",{"ok":true,"topic":"run:` + run + `"`)
	_, err := g.Workflows().Cancel(g.Owner.Context(g.t.Context()), run)
	must(g.t, err)
	says(`["workflow_status_update",{"instanceID":"` + run + `","status":"CANCELLED"`)
}

// waitingRun starts a run that waits for an answer.
func (g *guided) waitingRun() string {
	g.t.Helper()
	ctx := g.Owner.Context(g.t.Context())
	flow := g.Publish(ctx, workflow.NewWorkflow{Name: "asks", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "ask", Type: "approval", Config: object{"title": "Go on?", "allowStarter": true}}},
		Edges: []workflow.Edge{{From: "start", To: "ask"}},
	}})
	run, err := g.Workflows().Start(ctx, workflow.StartParams{WorkflowID: flow})
	must(g.t, err)
	return run.ID
}

// nginx runs the program with the lines in a server, and returns its address.
func nginx(t *testing.T, program, lines string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address = listener.Addr().String()
	must(t, listener.Close())
	folder := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
server { listen %[2]s; %[3]s } }`, folder, address, lines)
	path := filepath.Join(folder, "nginx.conf")
	must(t, os.WriteFile(path, []byte(config), 0o600))
	command := exec.CommandContext(t.Context(), program, "-p", folder, "-c", path)
	command.Stderr = t.Output()
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // says that it was killed
	})
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			must(t, c.Close())
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}
