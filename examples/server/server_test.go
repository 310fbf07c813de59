package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/testdb"
)

// beServer makes the test binary the program itself, for tests that need a
// process.
const beServer = "JETADMIN_TEST_BE_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(beServer) != "" {
		main()
		os.Exit(0)
	}
	testdb.Main(m)
}

// server is the program, run inside of the test.
type server struct {
	t      *testing.T
	said   announcement
	client *http.Client
	stop   context.CancelFunc
	ended  chan error
	stderr *lines
}

// begin starts the server with a free port and waits for its line of JSON.
func begin(t *testing.T, flags ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{
		t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		stop: cancel, ended: make(chan error, 1), stderr: new(lines),
	}
	stdout := newLines()
	go func() {
		s.ended <- run(ctx, append([]string{"-addr", "127.0.0.1:0", "-json"}, flags...), stdout, s.stderr)
	}()
	t.Cleanup(func() { s.end() })
	select {
	case line := <-stdout.first:
		if err := json.Unmarshal([]byte(line), &s.said); err != nil {
			t.Fatalf("%q is not one line of JSON: %v", line, err)
		}
	case err := <-s.ended:
		s.ended <- err
		t.Fatalf("the server ended: %v\n%s", err, s.stderr.String())
	case <-time.After(time.Minute):
		t.Fatal("the server does not announce itself")
	}
	return s
}

// end stops the server and returns what it ended with.
func (s *server) end() error {
	s.stop()
	err := <-s.ended
	s.ended <- err // for the next who asks
	return err
}

// call sends a request below /api/v1 as the demo user and decodes the reply.
func (s *server) call(method, path string, body any) map[string]any {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.said.URL+"/api/v1"+path, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.said.Token)
	reply, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if reply.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s: %s", method, path, reply.Status, text)
	}
	out := map[string]any{}
	if reply.StatusCode == http.StatusNoContent {
		return out
	}
	if err := json.Unmarshal(text, &out); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return out
}

// tenant is call below the demo tenant.
func (s *server) tenant(method, path string, body any) map[string]any {
	s.t.Helper()
	return s.call(method, "/tenants/"+s.said.TenantID+path, body)
}

// lines is an output that hands out its first line.
type lines struct {
	mu    sync.Mutex
	text  strings.Builder
	first chan string
}

func newLines() *lines { return &lines{first: make(chan string, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Contains(l.text.String(), "\n")
	l.text.Write(b)
	if line, _, whole := strings.Cut(l.text.String(), "\n"); whole && !before && l.first != nil {
		l.first <- line
	}
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
