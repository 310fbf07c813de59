package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// onEach runs a test on a shop that has a file, and on one that has PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, db *sql.DB)) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(testing.TB) string { return "" },
		"postgres": testdb.PostgresDatabase,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := openDB(t.Context(), dsn(t), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			test(t, db)
		})
	}
}

// An order starts a run that the manager sees through the control plane, signed
// in with the cookie of the shop alone.
func TestOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db *sql.DB) {
		s := open(t, db, t.TempDir())
		customer, manager := s.as(s.logins[0]), s.as(s.logins[2])

		placed := customer.orders("kettle", "1", http.StatusCreated)
		run := manager.waitFor(placed.Run)
		if output, _ := run["output"].(map[string]any); run["status"] != "succeeded" || output["reorder"] != "kettle" {
			t.Errorf("the run ended as %v", run)
		}
		if run["trigger"] != "go" || run["startedBy"] != "service:shop" {
			t.Errorf("the run was started by %v, %v", run["trigger"], run["startedBy"])
		}
		if left := s.count("SELECT stock FROM shop_item WHERE name = 'kettle'"); left != 2 {
			t.Errorf("%d kettles are left, want 2", left)
		}
	})
}

// An order that fails after its run was started has no run.
func TestOrderRolledBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db *sql.DB) {
		s := open(t, db, t.TempDir())
		customer, manager := s.as(s.logins[0]), s.as(s.logins[2])
		customer.orders("kettle", "9", http.StatusConflict) // more than the credit
		customer.orders("moon", "1", http.StatusConflict)
		if n := s.count("SELECT count(*) FROM shop_order"); n != 0 {
			t.Errorf("there are %d orders", n)
		}
		good := customer.orders("tea", "1", http.StatusCreated)
		manager.waitFor(good.Run)
		if runs, _ := manager.get("/runs", http.StatusOK)["items"].([]any); len(runs) != 1 {
			t.Errorf("there are %d runs, want the one of the good order", len(runs))
		}
	})
}

// The jobs of the shop decide who comes in, and as what.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := open(t, file(t), t.TempDir())
	nobody, customer, clerk, manager := s.browser(), s.as(s.logins[0]), s.as(s.logins[1]), s.as(s.logins[2])
	nobody.get("/workflows", http.StatusUnauthorized)
	customer.get("/workflows", http.StatusForbidden)
	clerk.get("/workflows", http.StatusOK)
	clerk.get("/audit", http.StatusForbidden)
	manager.get("/audit", http.StatusOK)
	nobody.orders("tea", "1", http.StatusUnauthorized)
	customer.orders("tea", "a lot", http.StatusBadRequest)

	wrong := url.Values{"email": {s.logins[2].Email}, "password": {s.logins[0].Password}}
	if status, _ := nobody.post("/sign-in", wrong); status != http.StatusUnauthorized {
		t.Errorf("a wrong password answers %d", status)
	}
}

// A second start goes on with what is there.
func TestSecondStart(t *testing.T) {
	t.Parallel()
	db, folder := file(t), t.TempDir()
	first := open(t, db, folder)
	if err := first.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := open(t, db, folder)
	if second.tenantID != first.tenantID || second.workflowID != first.workflowID || second.logins != nil {
		t.Errorf("the second start made tenant %s, workflow %s, %d accounts anew", second.tenantID, second.workflowID, len(second.logins))
	}
	placed := second.as(first.logins[0]).orders("tea", "1", http.StatusCreated)
	second.as(first.logins[2]).waitFor(placed.Run)
}

// What the program prints is what its users paste.
func TestGreeting(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	said, end := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}, end, t.Output())
		end.Close()
	}()
	var text strings.Builder
	for !strings.Contains(text.String(), "/runs\n") {
		part := make([]byte, 4096)
		n, err := said.Read(part)
		if err != nil {
			t.Fatalf("the program ended: %v\n%s", <-ended, text.String())
		}
		text.Write(part[:n])
	}
	if commands := strings.Count(text.String(), "\ncurl "); commands != 5 {
		t.Errorf("there are %d commands in:\n%s", commands, text.String())
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func file(t *testing.T) *sql.DB {
	t.Helper()
	db, err := openDB(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// opened is a shop that listens.
type opened struct {
	*shop
	t      *testing.T
	logins []login
	url    string
}

func open(t *testing.T, db *sql.DB, folder string) *opened {
	t.Helper()
	s, logins, err := openShop(t.Context(), db, jetadmin.Config{DataDir: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.app.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(s.routes())
	t.Cleanup(server.Close)
	return &opened{shop: s, t: t, logins: logins, url: server.URL}
}

func (o *opened) count(query string) (n int) {
	o.t.Helper()
	if err := o.db.QueryRow(query).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

// browser keeps the cookies of one person.
type browser struct {
	*opened
	http.Client
}

func (o *opened) browser() *browser {
	o.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return &browser{opened: o, Client: http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
}

func (o *opened) as(l login) *browser {
	o.t.Helper()
	b := o.browser()
	if status, text := b.post("/sign-in", url.Values{"email": {l.Email}, "password": {l.Password}}); status != http.StatusNoContent {
		o.t.Fatalf("sign in: %d %s", status, text)
	}
	return b
}

func (b *browser) post(path string, form url.Values) (int, []byte) {
	b.t.Helper()
	reply, err := b.PostForm(b.url+path, form)
	return b.read(reply, err)
}

func (b *browser) read(reply *http.Response, err error) (int, []byte) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply.StatusCode, text
}

func (b *browser) orders(item, quantity string, want int) (placed order) {
	b.t.Helper()
	status, text := b.post("/orders", url.Values{"item": {item}, "quantity": {quantity}})
	if status != want {
		b.t.Fatalf("ordering %s %s: %d %s", quantity, item, status, text)
	}
	if want == http.StatusCreated {
		if err := json.Unmarshal(text, &placed); err != nil {
			b.t.Fatal(err)
		}
	}
	return placed
}

// get asks the control plane below the shop's tenant.
func (b *browser) get(path string, want int) (body map[string]any) {
	b.t.Helper()
	reply, err := b.Get(b.url + "/admin/api/v1/tenants/" + b.tenantID + path)
	status, text := b.read(reply, err)
	if status != want {
		b.t.Fatalf("GET %s: %d %s", path, status, text)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&body); err != nil {
		b.t.Fatal(err)
	}
	return body
}

// waitFor returns a run at its end.
func (b *browser) waitFor(run string) map[string]any {
	b.t.Helper()
	deadline, tick := time.After(2*patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		body := b.get("/runs/"+run, http.StatusOK)
		if body["finishedAt"] != nil {
			return body
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("the run does not end: %v", body)
		}
	}
}
