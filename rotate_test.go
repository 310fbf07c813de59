package jetadmin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// safe is a connector whose answer is its password.
type safe struct{}

func (safe) Spec() datasource.Spec {
	return datasource.Spec{
		Type: "safe", Title: "Safe", Operation: json.RawMessage(`{}`),
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
		},
	}
}

type nothingToFill struct{}

func (nothingToFill) Placeholders() []string { return nil }

func (safe) Parse(json.RawMessage) (datasource.Operation, error) { return nothingToFill{}, nil }

func (safe) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	return safeConn(s.Secret("password").Reveal()), nil
}

type safeConn string

func (safeConn) Ping(context.Context) error { return nil }
func (safeConn) Close() error               { return nil }

func (c safeConn) Query(context.Context, datasource.Statement) (datasource.Rows, error) {
	return datasource.BufferedRows([]datasource.Column{{Name: "password", Type: datasource.ColumnString}}, [][]any{{string(c)}}), nil
}

// vault is a tenant with secrets.
type vault struct {
	tenant, workflow string
	queries, sources []string
	hooks            []string
}

const manySecrets = 230 // more than two batches

func fillVault(t *testing.T, app *jetadmintest.App) *vault {
	t.Helper()
	v := &vault{tenant: app.Tenant.ID}
	ctx := app.Owner.Context(t.Context())
	for i := range manySecrets {
		ds, err := app.Datasources().Create(ctx, datasource.NewDatasource{
			Name: fmt.Sprint("safe ", i), Type: "safe", Settings: map[string]any{"host": "x"}, Secrets: map[string]string{"password": fmt.Sprint("canary ", i)},
		})
		must(t, err)
		q, err := app.Datasources().CreateQuery(ctx, datasource.NewQuery{Name: ds.Name, DatasourceID: ds.ID, Operation: json.RawMessage(`{}`)})
		must(t, err)
		v.sources, v.queries = append(v.sources, ds.ID), append(v.queries, q.ID)
	}
	v.workflow = app.Publish(ctx, workflow.NewWorkflow{Name: "hooked", Draft: line(1, workflow.GraphNode{Type: "nothing"})})
	for i := range 5 {
		hook, _, err := app.Workflows().CreateWebhook(ctx, workflow.NewWebhook{WorkflowID: v.workflow, Name: fmt.Sprint("hook ", i)})
		must(t, err)
		if _, _, err := app.Workflows().RotateWebhookSecret(ctx, hook.ID, workflow.DefaultSecretOverlap, 0); err != nil {
			t.Fatal(err)
		}
		v.hooks = append(v.hooks, hook.ID)
	}
	return v
}

// open runs a query of each datasource, whose password must be the one that was
// entered.
func (v *vault) open(t *testing.T, app *jetadmin.App, ctx context.Context) {
	t.Helper()
	for i, query := range v.queries {
		got, err := app.Datasources().RunQuery(ctx, query, nil)
		if err != nil || got.Rows[0][0] != fmt.Sprint("canary ", i) {
			t.Errorf("%d: %v, %v", i, got.Rows, err)
			return
		}
	}
}

// Keys are changed while everything goes on, and afterwards the old one can go.
func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		cfg := quiet(t)
		cfg.DB, cfg.Schema = db.DB.DB, ""
		if db.Dialect == store.PostgreSQL {
			cfg.Schema = db.Schema()
		}
		cfg.Connectors = []datasource.Connector{safe{}}
		cfg.Nodes = []workflow.Node{workflow.NodeFunc(workflow.NodeSpec{Type: "nothing"}, nothing)}
		oldKey, newKey := secret.NewKey(), secret.NewKey()
		cfg.Keys = [][]byte{oldKey}
		first := jetadmintest.Start(t, cfg)
		v := fillVault(t, first)
		stop(t, first.App)

		cfg.Keys = [][]byte{newKey, oldKey}
		app := start(t, cfg)
		owner := auth.NewContext(t.Context(), auth.ServicePrincipal(v.tenant, "load", auth.Grant{Permission: "*"}))
		var load sync.WaitGroup
		var over atomic.Bool
		for part := range 2 {
			load.Go(func() {
				for i := part; !over.Load(); i = (i + 7) % manySecrets {
					got, err := app.Datasources().RunQuery(owner, v.queries[i], nil)
					if err != nil || got.Rows[0][0] != fmt.Sprint("canary ", i) {
						t.Errorf("%d during the rotation: %v, %v", i, got.Rows, err)
						return
					}
					if _, err := app.Datasources().Update(owner, v.sources[i], datasource.DatasourceUpdate{Description: new(fmt.Sprint(i))}); err != nil && !problem.Is(err, problem.Stale) {
						t.Errorf("%d cannot be changed: %v", i, err)
						return
					}
				}
			})
		}
		// Stopped in the middle, it goes on where it was.
		interrupted, interrupt := context.WithCancel(t.Context())
		load.Go(func() {
			for !over.Load() {
				if n := sealedWith(t, db, cfg.Keys[0]); n > 0 {
					interrupt()
					return
				}
			}
		})
		part, err := app.RotateKeys(interrupted)
		if err != nil && interrupted.Err() == nil {
			t.Fatal(err)
		}
		rest, err := app.RotateKeys(t.Context())
		over.Store(true)
		load.Wait()
		interrupt()
		if err != nil || rest.Unreadable != 0 || part.Resealed+rest.Resealed == 0 {
			t.Fatalf("got %+v and %+v, %v", part, rest, err)
		}
		if n := sealedWith(t, db, oldKey); n != 0 {
			t.Errorf("%d rows are still sealed with the old key", n)
		}
		if again, err := app.RotateKeys(t.Context()); err != nil || again != (jetadmin.KeyRotation{}) {
			t.Errorf("there was more to do: %+v, %v", again, err)
		}
		stop(t, app)

		cfg.Keys = [][]byte{newKey}
		after := start(t, cfg)
		owner = auth.NewContext(t.Context(), auth.ServicePrincipal(v.tenant, "load", auth.Grant{Permission: "*"}))
		v.open(t, after, owner)
		for _, hook := range v.hooks {
			if _, _, err := after.Workflows().RotateWebhookSecret(owner, hook, workflow.DefaultSecretOverlap, 0); err != nil {
				t.Errorf("the secret of a webhook: %v", err)
			}
		}
		requireRecorded(t, db, v.tenant)
		stop(t, after)

		cfg.Keys = [][]byte{oldKey}
		if err := build(t, cfg).Start(t.Context()); !problem.Is(err, problem.Conflict) {
			t.Errorf("it starts with the old key: %v", err)
		}
	})
}

// sealedWith counts the rows with a value that a key has sealed, by asking a ring
// of it alone.
func sealedWith(t *testing.T, db *store.DB, key []byte) (n int) {
	t.Helper()
	ring, err := secret.NewKeyring(key)
	if err != nil {
		t.Error(err)
		return 0
	}
	mark := strings.Join(strings.SplitN(ring.Seal(nil, ""), ".", 3)[:2], ".") + "."
	err = db.NewRaw(`SELECT (SELECT count(*) FROM ?schema.jet_datasource WHERE secrets LIKE ?) + (SELECT count(*) FROM ?schema.jet_webhook WHERE secret LIKE ?)
		+ (SELECT count(*) FROM ?schema.jet_webhook WHERE previous_secret LIKE ?) + (SELECT count(*) FROM ?schema.jet_keyring WHERE sealed LIKE ?)
		/* across tenants: the test looks at all */`, "%"+mark+"%", mark+"%", mark+"%", mark+"%").Scan(context.WithoutCancel(t.Context()), &n)
	if err != nil {
		t.Error(err)
	}
	return n
}

func requireRecorded(t *testing.T, db *store.DB, tenantID string) {
	t.Helper()
	for action, tenant := range map[string]string{"datasource.rotateKeys": tenantID, "webhook.rotateKeys": tenantID, "keys.rotate": ""} {
		var n int
		err := db.NewRaw("SELECT count(*) FROM ?schema.jet_audit WHERE tenant_id = ? AND action = ? AND actor = 'service:keys'", tenant, action).Scan(t.Context(), &n)
		if err != nil || n == 0 {
			t.Errorf("%s is not recorded: %d, %v", action, n, err)
		}
	}
}

// What no key opens is told, stays as it is, and holds nothing else up.
func TestKeyRotationTellsWhatIsUnreadable(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t)
	cfg := quiet(t)
	cfg.DB = db.DB.DB
	cfg.Connectors = []datasource.Connector{safe{}}
	app := jetadmintest.Start(t, cfg)
	owner := app.Client(app.Owner)
	var good, bad struct{ ID string }
	for name, into := range map[string]any{"good": &good, "bad": &bad} {
		owner.Call("POST", "T/datasources", object{"name": name, "type": "safe", "settings": object{"host": "x"}, "secrets": object{"password": "p"}}).Want(http.StatusCreated).Into(into)
	}
	lost, err := secret.NewKeyring(secret.NewKey())
	must(t, err)
	text, err := json.Marshal(map[string]string{"password": lost.Seal([]byte("p"), "elsewhere")})
	must(t, err)
	_, err = db.NewRaw("UPDATE ?schema.jet_datasource SET secrets = ? WHERE tenant_id = ? AND id = ?", string(text), app.Tenant.ID, bad.ID).Exec(t.Context())
	must(t, err)
	stop(t, app.App)
	cfg.Keys = append([][]byte{secret.NewKey()}, cfg.Keys...)
	next := start(t, cfg)
	if got, err := next.RotateKeys(t.Context()); err != nil || got.Resealed != 1 || got.Unreadable != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	ctx := auth.NewContext(t.Context(), auth.ServicePrincipal(app.Tenant.ID, "test", auth.Grant{Permission: "*"}))
	if _, err := next.Datasources().TestSaved(ctx, bad.ID); !problem.Is(err, problem.Unavailable) {
		t.Errorf("the lost one: %v", err)
	}
	if _, err := next.Datasources().TestSaved(ctx, good.ID); err != nil {
		t.Error(err)
	}
}
