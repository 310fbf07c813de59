package jetadmin_test

import (
	"bufio"
	"context"
	"database/sql"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// warehouse is an App with a datasource on the test's PostgreSQL server, and a
// look at what runs there.
type warehouse struct {
	t      *testing.T
	app    *jetadmintest.App
	owner  *caller
	tenant string // path
	source string // id
	direct *sql.DB
}

func newWarehouse(t *testing.T) *warehouse {
	t.Helper()
	dsn, _ := testdb.PostgresSchema(t)
	cfg := quiet(t)
	cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	app := jetadmintest.Start(t, cfg)
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(t, err)
	w := &warehouse{t: t, app: app, owner: reach(t, app).bearer(login.Token), tenant: "/tenants/" + app.Tenant.ID}
	source, err := app.Datasources().Create(app.Owner.Context(t.Context()), postgresSource(t, dsn))
	must(t, err)
	w.source = source.ID
	w.direct, err = sql.Open("pgx", dsn)
	must(t, err)
	t.Cleanup(func() { _ = w.direct.Close() })
	return w
}

func (w *warehouse) query(name, text string) string {
	w.t.Helper()
	return w.owner.call("POST", w.tenant+"/queries", object{"name": name, "datasourceId": w.source, "operation": object{"text": text}}).want(http.StatusCreated).text("id")
}

// running counts the statements with a mark on the server.
func (w *warehouse) running(mark string) (n int) {
	w.t.Helper()
	must(w.t, w.direct.QueryRowContext(w.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()", "%"+mark+"%").Scan(&n))
	return n
}

func (w *warehouse) await(what string, within time.Duration, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(within); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// post begins a request; whoever has the reply closes it.
func (w *warehouse) post(ctx context.Context, path, accept string) (*http.Response, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.owner.url+"/api/v1"+w.tenant+path, nil)
	must(w.t, err)
	r.Header = w.owner.header.Clone()
	r.Header.Set("Accept", accept)
	return w.owner.http.Do(r)
}

// Case T92, from the client to the server process of the database: whoever leaves,
// or is stopped, leaves no statement behind, and the datasource stays usable.
func TestT92_DatasourceStatementsEndWithTheirCaller(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	slow := w.query("slow", "SELECT pg_sleep(60) AS t92_slow")
	stream := w.query("stream", "SELECT n AS t92_stream, repeat('x', 1000) FROM generate_series(1, 900000) AS n")

	for range 3 { // a client that goes while it waits
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if reply, err := w.post(ctx, "/queries/"+slow+"/run", "application/json"); err == nil {
				_ = reply.Body.Close()
			}
		}()
		w.await("it runs", patience, func() bool { return w.running("t92_slow") == 1 })
		cancel()
		<-gone
		w.await("it is gone with its client", 2*time.Second, func() bool { return w.running("t92_slow") == 0 })
	}
	for range 3 { // one that goes in the middle of a stream
		ctx, cancel := context.WithCancel(t.Context())
		var reply *http.Response
		w.await("there is a place for it", patience, func() bool { // of two, which those before leave in their own time
			var err error
			reply, err = w.post(ctx, "/queries/"+stream+"/run", "text/csv")
			must(t, err)
			if reply.StatusCode == http.StatusTooManyRequests {
				_ = reply.Body.Close()
			}
			return reply.StatusCode == http.StatusOK
		})
		lines := bufio.NewReader(reply.Body)
		for range 10 {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		_ = reply.Body.Close()
		w.await("the stream is gone with its client", 2*time.Second, func() bool { return w.running("t92_stream") == 0 })
	}

	// One that is stopped by somebody.
	stopped := make(chan int, 1)
	go func() {
		reply, err := w.post(t.Context(), "/queries/"+slow+"/run", "application/json")
		if err != nil {
			stopped <- 0
			return
		}
		_ = reply.Body.Close()
		stopped <- reply.StatusCode
	}()
	var running struct{ Items []struct{ ID string } }
	w.await("it is listed", patience, func() bool {
		w.owner.call("GET", w.tenant+"/queries/"+slow+"/executions?running=true", nil).want(http.StatusOK).into(&running)
		return len(running.Items) == 1
	})
	w.owner.call("DELETE", w.tenant+"/executions/"+running.Items[0].ID, nil).want(http.StatusNoContent)
	w.await("it is gone when it was stopped", 2*time.Second, func() bool { return w.running("t92_slow") == 0 })
	if status := <-stopped; status != http.StatusConflict {
		t.Errorf("its caller got %d", status)
	}

	usable := w.query("usable", "SELECT 1 AS one")
	w.owner.call("POST", w.tenant+"/queries/"+usable+"/run", nil).want(http.StatusOK)
}

// Case T12 over HTTP: the cache of one tenant is not another's, with the same text,
// name and values, and a claim that differs gets an answer of its own.
func TestT12_QueryResultsStayInTheirTenant(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	first := jetadmintest.Start(t, cfg)
	user, err := first.Auth().CreateUser(t.Context(), auth.NewUser{Email: "b@example.com", Name: "B", Password: "four random words here"})
	must(t, err)
	other := jetadmintest.Member{User: user, Password: "four random words here"}
	tenants := map[string]string{}
	for name, m := range map[string]jetadmintest.Member{"A": first.Owner, "B": other} {
		login, err := first.Auth().Login(t.Context(), auth.Credentials{Email: m.User.Email, Password: m.Password})
		must(t, err)
		c := reach(t, first).bearer(login.Token)
		id := first.Tenant.ID
		if name == "B" {
			id = c.call("POST", "/tenants", object{"name": "B"}).want(http.StatusCreated).text("id")
		}
		makeShop(t, cfg.DataDir, id)
		T := "/tenants/" + id
		source := c.call("POST", T+"/datasources", object{"name": "shop", "type": "sqlite", "settings": object{"file": "shop.db"}}).want(http.StatusCreated).text("id")
		query := c.call("POST", T+"/queries", object{
			"name": "cached", "datasourceId": source, "operation": object{"text": "SELECT {{ tenant.id }} AS tenant, count(*) AS n FROM orders"}, "cacheTtlMs": 3_600_000,
		}).want(http.StatusCreated).text("id")
		for range 2 {
			got := string(c.call("POST", T+"/queries/"+query+"/run", nil).want(http.StatusOK).Body)
			if !strings.Contains(got, id) {
				t.Errorf("%s gets %s", name, got)
			}
			tenants[name] = got
		}
		if !strings.Contains(tenants[name], `"cachedAt"`) {
			t.Errorf("%s: nothing was kept: %s", name, tenants[name])
		}
	}
}

// Case T116 over HTTP, from a database to the file that a spreadsheet opens.
func TestT116_ExportedQueriesHaveNoFormulas(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	query := w.query("formulas", `SELECT * FROM (VALUES ('=1+1', -5, -1.50::numeric), ('+cmd|x', NULL, 9007199254740993::numeric), ('plain', 7, NULL)) AS t ("=name", n, exact)`)
	reply, err := w.post(t.Context(), "/queries/"+query+"/run", "text/csv")
	must(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	must(t, err)
	if want := "'=name,n,exact\r\n'=1+1,-5,-1.50\r\n'+cmd|x,,9007199254740993\r\nplain,7,\r\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
	if reply.Trailer.Get("X-Row-Count") != "3" {
		t.Errorf("the trailers are %v", reply.Trailer)
	}
}
