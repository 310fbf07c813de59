package jetadmin_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
)

// T16: of a tenant that was deleted nothing is left in any table, in the store of
// files or open in any process, although the process that removes it goes away in
// the middle; and of its neighbour nothing is missing.
func TestT16_NothingIsLeftOfADeletedTenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		e := newErasure(t, db)
		neighbour, had := e.rowsOf(e.neighbour), e.rowsOf(e.app.Tenant.ID)
		if len(had) < 20 || len(neighbour["jet_file"]) != 1 {
			t.Fatalf("the tenant has rows in %v only, its neighbour in %v", slices.Sorted(maps.Keys(had)), slices.Sorted(maps.Keys(neighbour)))
		}
		watcher := e.owner.dial()
		watcher.subscribe("tenant:" + e.app.Tenant.ID)
		machine := e.machine.dial()

		e.owner.call("DELETE", e.tenant, object{"name": "Another"}).want(http.StatusUnprocessableEntity)
		e.owner.call("GET", e.tenant, nil).want(http.StatusOK)
		since := time.Now()
		e.owner.call("DELETE", e.tenant, object{"name": canary + "tenant"}).want(http.StatusNoContent)
		e.owner.call("DELETE", e.tenant, object{"name": canary + "tenant"}).want(http.StatusNotFound)
		for _, path := range []string{"", "/runs", "/members", "/audit"} {
			e.owner.call("GET", e.tenant+path, nil).want(http.StatusNotFound)
		}
		e.machine.call("GET", e.tenant, nil).want(http.StatusUnauthorized)
		if me := e.owner.call("GET", "/auth/me", nil).want(http.StatusOK); bytes.Contains(me.Body, []byte(e.app.Tenant.ID)) {
			t.Errorf("his account says %s", me.Body)
		}
		e.anybody.request("POST", e.hook, object{}).want(http.StatusNotFound)
		if _, err := e.app.Tenants().Suspend(t.Context(), e.app.Tenant.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("suspend: %v", err)
		}
		e.refusesServices()
		watcher.refused("tenant:" + e.app.Tenant.ID)
		if code := machine.closed(); code != realtime.CloseUnauthenticated {
			t.Errorf("the socket of the key was closed with %d", code)
		}
		select {
		case <-e.stopped:
		case <-time.After(patience):
			t.Error("the node goes on")
		}
		if took := time.Since(since); took > 5*time.Second+socketSlack {
			t.Errorf("it took %s until everything had ended", took)
		}

		stop(t, e.app.App) // in the middle
		if _, err := db.NewRaw("UPDATE ?schema.jet_tenant /* across tenants: the test moves the time */ SET deleted_at = ? WHERE deleted_at IS NOT NULL", time.Now().UTC().Add(-time.Hour)).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := build(t, e.cfg)
		must(t, other.Start(t.Context()))
		defer stop(t, other)
		for deadline := time.Now().Add(4 * patience); ; <-time.After(50 * time.Millisecond) {
			left := e.rowsOf(e.app.Tenant.ID)
			if len(left) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("there is still something in %v", slices.Sorted(maps.Keys(left)))
			}
		}
		var events int // refused attempts too, which rowsOf leaves out
		must(t, db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ?", e.app.Tenant.ID).Scan(t.Context(), &events))
		if events != 0 {
			t.Errorf("%d events are left", events)
		}
		if kept := e.blobs.of(e.app.Tenant.ID); kept != 0 {
			t.Errorf("%d files are left", kept)
		}
		if kept := e.blobs.of(e.neighbour); kept != 1 {
			t.Errorf("the neighbour has %d files", kept)
		}
		for table, rows := range e.rowsOf(e.neighbour) {
			if !slices.Equal(rows, neighbour[table]) {
				t.Errorf("the neighbour's %s was\n%v\nand is\n%v", table, neighbour[table], rows)
			}
		}
		e.isRecorded(other)
	})
}

// erasure is a world with a node that runs without end, and a neighbour.
type erasure struct {
	*world
	cfg            jetadmin.Config
	blobs          *memoryBlobs
	stopped        chan struct{} // the node was told to end
	owner, machine *caller
	tenant         string // path
	neighbour      string // id
	hook           string // path
}

func newErasure(t *testing.T, db *store.DB) *erasure {
	t.Helper()
	e := &erasure{cfg: quiet(t), blobs: &memoryBlobs{content: map[string][]byte{}}, stopped: make(chan struct{})}
	e.cfg.Blobs = e.blobs
	e.cfg.DB, e.cfg.Schema = db.DB.DB, ""
	if db.Dialect == store.PostgreSQL {
		e.cfg.Schema = db.Schema()
	}
	e.cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "endless"}, func(ctx context.Context, _ *workflow.Call, _ struct{}) (any, error) {
		<-ctx.Done()
		close(e.stopped)
		return nil, ctx.Err()
	})}
	e.world = emptyWorld(t, db, e.cfg)
	e.fill(e.cfg)
	e.tenant = "/tenants/" + e.app.Tenant.ID
	e.owner, e.machine = e.signedIn(e.app.Owner), e.keyOf(e.app.Owner, "*")
	hook := e.owner.call("POST", e.tenant+"/webhooks", object{"workflowId": e.places["workflows/id"].existing, "name": "open", "mode": "public"})
	e.hook = hook.want(http.StatusCreated).text("path")
	endless := e.app.Publish(e.app.Owner.Context(t.Context()), workflow.NewWorkflow{Name: "endless", Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "endless", Type: "endless"}}, Edges: []workflow.Edge{{From: "start", To: "endless"}},
	}})
	_, err := e.app.Workflows().Start(e.app.Owner.Context(t.Context()), workflow.StartParams{WorkflowID: endless})
	must(t, err)
	neighbour, foreign, _ := e.foreign()
	e.neighbour = neighbour
	foreign.call("POST", "/tenants/"+neighbour+"/roles", object{"name": "kept", "permissions": []string{"query.list"}}).want(http.StatusCreated)
	me := foreign.call("GET", "/auth/me", nil).want(http.StatusOK)
	var account struct{ User struct{ ID string } }
	me.into(&account)
	who, err := e.app.Auth().Principal(t.Context(), neighbour, account.User.ID)
	must(t, err)
	_, err = e.app.Files().Create(auth.NewContext(t.Context(), who), upload.NewFile{Name: "kept", Content: strings.NewReader("a,b\n1,2\n")})
	must(t, err)
	return e
}

// refusesServices is about what needs no member.
func (e *erasure) refusesServices() {
	e.t.Helper()
	worker := auth.ServicePrincipal(e.app.Tenant.ID, "test", auth.Grant{Permission: "*"})
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) { // what it was allowed before it is for half a second
		_, err := e.app.Workflows().Start(auth.NewContext(e.t.Context(), worker), workflow.StartParams{WorkflowID: e.places["workflows/id"].existing})
		if err == nil {
			e.t.Error("a service has started a run")
		}
		_, err = e.app.Roles().Authorize(auth.NewContext(e.t.Context(), worker), auth.QueryList, "")
		if problem.KindOf(err) == problem.NotFound && err != nil {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("a service: %v", err)
		}
	}
}

// rowsOf are the rows of a tenant by table, in all tables in which it has some.
func (e *erasure) rowsOf(tenantID string) map[string][]string {
	e.t.Helper()
	found := map[string][]string{}
	for _, table := range e.tableNames() {
		own := slices.DeleteFunc(e.rows(table), func(row string) bool {
			return !strings.Contains(row, fmt.Sprintf("tenant_id=%q ", tenantID)) && !(table == "jet_tenant" && strings.Contains(row, fmt.Sprintf("id=%q ", tenantID)))
		})
		if len(own) > 0 {
			found[table] = own
		}
	}
	return found
}

// isRecorded looks for the events of no tenant.
func (e *erasure) isRecorded(app *jetadmin.App) {
	e.t.Helper()
	var actions []string
	err := app.Audit().Platform().Export(e.t.Context(), audit.Filter{ObjectType: "tenant"}, func(event audit.Event) error {
		if event.ObjectID == e.app.Tenant.ID && event.Action != audit.Denied {
			actions = append(actions, event.Action)
		}
		return nil
	})
	must(e.t, err)
	if !slices.Equal(actions, []string{"tenant.delete", "tenant.erase"}) {
		e.t.Errorf("recorded: %v", actions)
	}
}

// memoryBlobs is a host's store of files.
type memoryBlobs struct {
	mu      sync.Mutex
	content map[string][]byte // by tenant and id
}

func (b *memoryBlobs) Put(_ context.Context, tenantID, id string, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.content[tenantID+"/"+id] = text
	return nil
}

func (b *memoryBlobs) Open(_ context.Context, tenantID, id string) (upload.Blob, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, ok := b.content[tenantID+"/"+id]
	if !ok {
		return nil, problem.Missing("file")
	}
	return memoryBlob{bytes.NewReader(text)}, nil
}

func (b *memoryBlobs) Delete(_ context.Context, tenantID, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.content, tenantID+"/"+id)
	return nil
}

func (b *memoryBlobs) of(tenantID string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.content {
		if strings.HasPrefix(key, tenantID+"/") {
			n++
		}
	}
	return n
}

type memoryBlob struct{ *bytes.Reader }

func (memoryBlob) Close() error  { return nil }
func (b memoryBlob) Size() int64 { return b.Reader.Size() }
