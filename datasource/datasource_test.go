package datasource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestDatasourceLife(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		made, err := w.Create(ctx, datasource.NewDatasource{
			Name: "crm", Description: "of sales", Type: "fake", Settings: map[string]any{"host": "a.test", "extra": map[string]any{"x": "y"}},
			Secrets: map[string]string{"password": "canary-1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Get(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Version != 1 || got.Name != "crm" || fmt.Sprint(got.Settings) != "map[extra:map[x:y] host:a.test mode:fast port:80 verify:true]" || fmt.Sprint(got.Secrets) != "map[password:set token:notSet]" {
			t.Errorf("got %+v", got)
		}
		renamed, err := w.Update(ctx, made.ID, datasource.DatasourceUpdate{Name: new("crm 2"), Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		if renamed.Version != 2 || renamed.Description != "of sales" || renamed.Settings["host"] != "a.test" {
			t.Errorf("got %+v", renamed)
		}
		_, err = w.Update(ctx, made.ID, datasource.DatasourceUpdate{Name: new("x"), Version: 1})
		requireKind(t, err, problem.Stale)
		_, err = w.Create(ctx, datasource.NewDatasource{Name: "crm 2", Type: "fake", Settings: map[string]any{"host": "b.test"}})
		requireKind(t, err, problem.Conflict)
		if _, err := w.Create(as(t, w.b, "*"), datasource.NewDatasource{Name: "crm 2", Type: "fake", Settings: map[string]any{"host": "b.test"}}); err != nil {
			t.Errorf("another tenant's name: %v", err)
		}

		q := w.query(t, made, "anything")
		requireKind(t, w.Delete(ctx, made.ID), problem.Conflict)
		if err := w.DeleteQuery(ctx, q.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(ctx, made.ID); err != nil {
			t.Fatal(err)
		}
		_, err = w.Get(ctx, made.ID)
		requireKind(t, err, problem.NotFound)
		w.requireTrail(t, made.ID, "datasource.create", "datasource.update", "datasource.delete")
		w.requireTrail(t, q.ID, "query.create", "query.delete")
	})
}

// requireTrail checks that changes of an object were recorded.
func (w *world) requireTrail(t *testing.T, objectID string, actions ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var recorded []string
	for _, e := range w.entries {
		if e.ObjectID == objectID {
			recorded = append(recorded, e.Action)
		}
		if b, _ := json.Marshal(e.Detail); strings.Contains(string(b), "canary") {
			t.Errorf("a secret is in the audit: %s", b)
		}
	}
	if !slices.Equal(recorded, actions) {
		t.Errorf("recorded %v, want %v", recorded, actions)
	}
}

func TestNothingIsKeptWithoutItsAuditRecord(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	w.refuse = errors.New("no")
	ctx := w.owner(t)
	if _, err := w.Create(ctx, datasource.NewDatasource{Name: "x", Type: "fake", Settings: map[string]any{"host": "x"}}); err == nil {
		t.Error("created")
	}
	if _, err := w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Name: new("x")}); err == nil {
		t.Error("updated")
	}
	if err := w.Delete(ctx, ds.ID); err == nil {
		t.Error("deleted")
	}
	list, err := w.List(ctx, page.Request{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Name != "shop" || list.Items[0].Version != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		ds := w.shopSource(t)
		for range 4 {
			w.query(t, ds, "SELECT 1")
		}
		var seen []string
		r := page.Request{Limit: 3}
		for {
			list, err := w.Queries(ctx, datasource.QueryFilter{DatasourceID: ds.ID}, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range list.Items {
				seen = append(seen, q.ID)
			}
			if r.Cursor = list.NextCursor; r.Cursor == "" {
				break
			}
			_, err = w.Queries(as(t, w.b, "*"), datasource.QueryFilter{DatasourceID: ds.ID}, r)
			requireKind(t, err, problem.Invalid) // the cursor of another tenant
		}
		if newestFirst := slices.Clone(seen); len(seen) != 4 || !slices.IsSortedFunc(newestFirst, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("got %v", seen)
		}
		list, err := w.Queries(ctx, datasource.QueryFilter{DatasourceID: "x"}, page.Request{})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}

// Cases T1 and T6: what is another tenant's is as if it were not there.
func TestT1_OtherTenantsObjectsAreMissing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ds := w.shopSource(t)
		q := w.query(t, ds, "SELECT 1")
		b := as(t, w.b, "*")
		for _, ids := range [][2]string{{ds.ID, q.ID}, {id.New(), id.New()}, {"x", "*"}, {"", ""}, {strings.ToUpper(ds.ID), strings.ToUpper(q.ID)}} {
			calls := map[string]func() error{
				"Get":         func() error { _, err := w.Get(b, ids[0]); return err },
				"Update":      func() error { _, err := w.Update(b, ids[0], datasource.DatasourceUpdate{Name: new("x")}); return err },
				"Delete":      func() error { return w.Delete(b, ids[0]) },
				"TestSaved":   func() error { _, err := w.TestSaved(b, ids[0]); return err },
				"Schema":      func() error { _, err := w.Schema(b, ids[0]); return err },
				"Query":       func() error { _, err := w.Query(b, ids[1]); return err },
				"UpdateQuery": func() error { _, err := w.UpdateQuery(b, ids[1], datasource.QueryUpdate{Name: new("x")}); return err },
				"DeleteQuery": func() error { return w.DeleteQuery(b, ids[1]) },
				"RunQuery":    func() error { _, err := w.RunQuery(b, ids[1], nil); return err },
				"CheckQuery":  func() error { return w.CheckQuery(b, ids[1]) },
			}
			for name, call := range calls {
				if err := call(); !problem.Is(err, problem.NotFound) {
					t.Errorf("%s %q: %v", name, ids, err)
				}
			}
		}
		list, err := w.List(b, page.Request{})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}

func TestT5_AQueryRefersOnlyToTheTenantsOwnDatasource(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	b := as(t, w.b, "*")
	_, err := w.CreateQuery(b, newQuery(ds, "SELECT 1"))
	if got := paths(t, err); !slices.Equal(got, []string{"datasourceId"}) {
		t.Errorf("got %v", got)
	}
	_, err = w.TestQuery(b, datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("SELECT 1")})
	requireKind(t, err, problem.Invalid)

	own, err := w.Create(b, datasource.NewDatasource{Name: "own", Type: "fake", Settings: map[string]any{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	q, err := w.CreateQuery(b, newQuery(own, "SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	// Planted in the database, the reference is as good as none at the run.
	exec(t, w.db, "UPDATE ?schema.jet_query SET datasource_id = ? WHERE tenant_id = ? AND id = ?", ds.ID, w.b, q.ID)
	if result, err := w.RunQuery(b, q.ID, nil); err == nil {
		t.Errorf("the run gave %v", result)
	}
}

func TestEveryCallNeedsItsPermission(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	ds := w.shopSource(t)
	q := w.query(t, ds, "SELECT 1")
	calls := map[auth.Permission][]func(who *world, permissions ...auth.Permission) error{}
	add := func(p auth.Permission, call func(permissions ...auth.Permission) error) {
		calls[p] = append(calls[p], func(_ *world, permissions ...auth.Permission) error { return call(permissions...) })
	}
	add(auth.DatasourceList, func(p ...auth.Permission) error { _, err := w.List(as(t, w.a, p...), page.Request{}); return err })
	add(auth.DatasourceRead, func(p ...auth.Permission) error { _, err := w.Get(as(t, w.a, p...), ds.ID); return err })
	add(auth.DatasourceRead, func(p ...auth.Permission) error { _, err := w.Schema(as(t, w.a, p...), ds.ID); return err })
	add(auth.DatasourceCreate, func(p ...auth.Permission) error {
		_, err := w.Create(as(t, w.a, p...), datasource.NewDatasource{Name: "n", Type: "fake", Settings: map[string]any{"host": "x"}})
		return err
	})
	add(auth.DatasourceUpdate, func(p ...auth.Permission) error {
		_, err := w.Update(as(t, w.a, p...), ds.ID, datasource.DatasourceUpdate{})
		return err
	})
	add(auth.DatasourceTest, func(p ...auth.Permission) error { _, err := w.TestSaved(as(t, w.a, p...), ds.ID); return err })
	add(auth.DatasourceTest, func(p ...auth.Permission) error {
		_, err := w.Test(as(t, w.a, p...), datasource.NewDatasource{Type: "fake", Settings: map[string]any{"host": "x"}})
		return err
	})
	add(auth.QueryList, func(p ...auth.Permission) error {
		_, err := w.Queries(as(t, w.a, p...), datasource.QueryFilter{}, page.Request{})
		return err
	})
	add(auth.QueryRead, func(p ...auth.Permission) error { _, err := w.Query(as(t, w.a, p...), q.ID); return err })
	add(auth.QueryCreate, func(p ...auth.Permission) error {
		_, err := w.CreateQuery(as(t, w.a, p...), newQuery(ds, "SELECT 1"))
		return err
	})
	add(auth.QueryUpdate, func(p ...auth.Permission) error {
		_, err := w.UpdateQuery(as(t, w.a, p...), q.ID, datasource.QueryUpdate{})
		return err
	})
	add(auth.QueryTest, func(p ...auth.Permission) error {
		_, err := w.TestQuery(as(t, w.a, p...), datasource.QueryTest{DatasourceID: ds.ID, Operation: sqlText("SELECT 1")})
		return err
	})
	add(auth.QueryExecute, func(p ...auth.Permission) error { _, err := w.RunQuery(as(t, w.a, p...), q.ID, nil); return err })
	add(auth.QueryExecute, func(p ...auth.Permission) error { return w.CheckQuery(as(t, w.a, p...), q.ID) })
	add(auth.QueryDelete, func(p ...auth.Permission) error { return w.DeleteQuery(as(t, w.a, p...), q.ID) })
	order := []auth.Permission{ // deletions last
		auth.DatasourceList, auth.DatasourceRead, auth.DatasourceCreate, auth.DatasourceUpdate, auth.DatasourceTest,
		auth.QueryList, auth.QueryRead, auth.QueryCreate, auth.QueryUpdate, auth.QueryTest, auth.QueryExecute, auth.QueryDelete,
	}
	for _, permission := range order {
		for i, call := range calls[permission] {
			others := slices.DeleteFunc(slices.Clone(order), func(p auth.Permission) bool { return p == permission })
			if err := call(w, others...); !problem.Is(err, problem.Forbidden) {
				t.Errorf("%s %d without it: %v", permission, i, err)
			}
			if err := call(w, permission); err != nil {
				t.Errorf("%s %d with nothing else: %v", permission, i, err)
			}
		}
	}
	_, err := w.List(t.Context(), page.Request{})
	requireKind(t, err, problem.Unauthenticated)
}

func TestT56_SecretsAreNeverShownAndTheMaskKeepsThem(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		ds, err := w.Create(ctx, datasource.NewDatasource{
			Name: "x", Type: "fake", Settings: map[string]any{"host": "a.test"}, Secrets: map[string]string{"password": "canary-1", "token": "canary-2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		stored := w.secrets(t, ds.ID)
		if strings.Contains(stored, "canary") {
			t.Errorf("a secret is in the database as it is: %s", stored)
		}
		q := w.query(t, ds, "ok")
		w.requireSecrets(t, q, "canary-1", "canary-2")

		posted := map[string]string{"password": secret.Mask, "token": "canary-3"}
		ds, err = w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Secrets: posted, Settings: map[string]any{"mode": "slow"}})
		if err != nil {
			t.Fatal(err)
		}
		w.requireSecrets(t, q, "canary-1", "canary-3")
		ds, err = w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Secrets: map[string]string{"token": ""}})
		if err != nil || ds.Secrets["token"] != datasource.SecretNotSet {
			t.Fatalf("got %v, %v", ds.Secrets, err)
		}
		w.requireSecrets(t, q, "canary-1", "")
		list, err := w.List(ctx, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := json.Marshal([]any{ds, list, w.entries}); strings.Contains(string(b), "canary") {
			t.Errorf("a secret is shown: %s", b)
		}
	})
}

func (w *world) secrets(t *testing.T, datasourceID string) (stored string) {
	t.Helper()
	err := w.db.NewRaw("SELECT secrets FROM ?schema.jet_datasource WHERE tenant_id = ? AND id = ?", w.a, datasourceID).Scan(t.Context(), &stored)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// requireSecrets runs a query and looks at what its connection was opened with.
func (w *world) requireSecrets(t *testing.T, q datasource.Query, password, token string) {
	t.Helper()
	if _, err := w.RunQuery(w.viewer(t), q.ID, nil); err != nil {
		t.Fatal(err)
	}
	s := w.fake.last()
	if s.Secret("password").Reveal() != password || s.Secret("token").Reveal() != token {
		t.Errorf("opened with %q and %q", s.Secret("password").Reveal(), s.Secret("token").Reveal())
	}
}

func TestT63_ChangingTheTargetForgetsTheSecrets(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change datasource.DatasourceUpdate
		want   string // password and token after it
	}{
		{"host", datasource.DatasourceUpdate{Settings: map[string]any{"host": "evil.test"}}, "notSet notSet"},
		{"port", datasource.DatasourceUpdate{Settings: map[string]any{"port": 81}}, "notSet notSet"},
		{"the mask is no new secret", datasource.DatasourceUpdate{Settings: map[string]any{"host": "evil.test"}, Secrets: map[string]string{"password": secret.Mask}}, "notSet notSet"},
		{"entered again", datasource.DatasourceUpdate{Settings: map[string]any{"host": "b.test"}, Secrets: map[string]string{"password": "new"}}, "set notSet"},
		{"the same host", datasource.DatasourceUpdate{Settings: map[string]any{"host": "a.test", "port": 80.0}}, "set set"},
		{"back to the default", datasource.DatasourceUpdate{Settings: map[string]any{"port": nil}}, "set set"},
		{"no target", datasource.DatasourceUpdate{Settings: map[string]any{"mode": "slow"}, Name: new("other")}, "set set"},
	}
	w := setup(t, testdb.SQLite(t))
	for _, c := range cases {
		ds, err := w.Create(w.owner(t), datasource.NewDatasource{
			Name: c.name, Type: "fake", Settings: map[string]any{"host": "a.test"}, Secrets: map[string]string{"password": "p", "token": "t"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Update(w.owner(t), ds.ID, c.change)
		if err != nil {
			t.Fatal(err)
		}
		if states := got.Secrets["password"] + " " + got.Secrets["token"]; states != c.want {
			t.Errorf("%s: %s, want %s", c.name, states, c.want)
		}
	}
}

// A server without the key changes nothing about the secrets that it cannot read.
func TestSecretsOfAMissingKeyStay(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		ctx := w.owner(t)
		ds, err := w.Create(ctx, datasource.NewDatasource{
			Name: "x", Type: "fake", Settings: map[string]any{"host": "a.test"}, Secrets: map[string]string{"password": "p", "token": "t"},
		})
		if err != nil {
			t.Fatal(err)
		}
		q := w.query(t, ds, "ok")
		other := w.without(t)
		before := w.secrets(t, ds.ID)
		for name, change := range map[string]datasource.DatasourceUpdate{
			"a name": {Name: new("renamed")}, "all as it was": {ReadOnly: new(true), Settings: map[string]any{"host": "a.test", "mode": "fast"}, Secrets: map[string]string{"password": secret.Mask}},
		} {
			got, err := other.Update(ctx, ds.ID, change)
			if err != nil || got.Secrets["password"] != datasource.SecretSet || w.secrets(t, ds.ID) != before {
				t.Errorf("%s: %v, %v", name, got.Secrets, err)
			}
		}
		_, err = other.Update(ctx, ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"mode": "slow"}})
		if got := paths(t, err); !slices.Equal(got, []string{"secrets.password", "secrets.token"}) {
			t.Errorf("another setting: faults at %v", got)
		}
		_, err = other.Update(ctx, ds.ID, datasource.DatasourceUpdate{Secrets: map[string]string{"password": "new"}})
		if got := paths(t, err); !slices.Equal(got, []string{"secrets.token"}) || w.secrets(t, ds.ID) != before {
			t.Errorf("one of two secrets: faults at %v", got)
		}
		w.requireSecrets(t, q, "p", "t")
		got, err := other.Update(ctx, ds.ID, datasource.DatasourceUpdate{Secrets: map[string]string{"password": "new", "token": ""}})
		if err != nil || got.Secrets["password"] != datasource.SecretSet || got.Secrets["token"] != datasource.SecretNotSet {
			t.Errorf("entered again: %v, %v", got.Secrets, err)
		}
		if _, err := other.RunQuery(ctx, q.ID, nil); err != nil || w.fake.last().Secret("password").Reveal() != "new" {
			t.Errorf("entered again: %v", err)
		}
	})
}

// without is another process on the same database, which has another key.
func (w *world) without(t *testing.T, adjust ...func(*datasource.Config)) *datasource.Service {
	t.Helper()
	keys, err := secret.NewKeyring(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	cfg := datasource.Config{
		Audit: w.record, Authorize: authorize, Connectors: []datasource.Connector{w.fake}, DB: w.db, Keys: keys, Pages: page.NewSigner([]byte("test")),
	}
	for _, change := range adjust {
		change(&cfg)
	}
	s, err := datasource.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Case T5: a datasource names only files of its tenant.
func TestT5_ADatasourceNamesOnlyFilesOfItsTenant(t *testing.T) {
	t.Parallel()
	mine, theirs, other := id.New(), id.New(), id.New()
	var there atomic.Bool
	there.Store(true)
	var w *world
	w = setup(t, testdb.SQLite(t), func(c *datasource.Config) {
		c.Connectors = append(c.Connectors, file.CSV(nil))
		c.FileExists = func(_ context.Context, _ bun.IDB, tenantID, fileID string) (bool, error) {
			return there.Load() && tenantID == w.a && (fileID == mine || fileID == other), nil
		}
	})
	ctx := w.owner(t)
	_, err := w.Create(ctx, datasource.NewDatasource{Name: "", Type: "csv", Settings: map[string]any{"file": theirs}})
	if got := paths(t, err); !slices.Equal(got, []string{"name", "settings.file"}) {
		t.Errorf("faults at %v", got)
	}
	ds, err := w.Create(ctx, datasource.NewDatasource{Name: "table", Type: "csv", Settings: map[string]any{"file": mine}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"file": theirs}})
	if got := paths(t, err); !slices.Equal(got, []string{"settings.file"}) {
		t.Errorf("faults at %v", got)
	}
	if _, err := w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"file": other}}); err != nil {
		t.Error(err)
	}
	there.Store(false)
	if _, err := w.Update(ctx, ds.ID, datasource.DatasourceUpdate{Name: new("renamed")}); err != nil {
		t.Errorf("the file has gone, the datasource cannot be renamed: %v", err)
	}
}

// A sealed secret opens only in its own row.
func TestSecretsCannotBeMoved(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	var ids []string
	for _, name := range []string{"one", "two"} {
		ds, err := w.Create(w.owner(t), datasource.NewDatasource{Name: name, Type: "fake", Settings: map[string]any{"host": "x"}, Secrets: map[string]string{"password": name}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, ds.ID)
	}
	exec(t, w.db, "UPDATE ?schema.jet_datasource SET secrets = ? WHERE tenant_id = ? AND id = ?", w.secrets(t, ids[0]), w.a, ids[1])
	_, err := w.TestSaved(w.owner(t), ids[1])
	requireKind(t, err, problem.Unavailable)
}

func TestT81_OnlyDeclaredSettings(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	in := datasource.NewDatasource{
		Name: strings.Repeat("x", 101), Type: "fake",
		Settings: map[string]any{
			"port": 70000, "mode": "other", "verify": "yes", "extra": map[string]any{"x": 1}, "password": "in the wrong place",
			"dsn": "x", "options": "-c x", "allowAllFiles": true, "Host": "x",
		},
		Secrets: map[string]string{"host": "x", "token": "two\nlines"},
	}
	_, err := w.Create(w.owner(t), in)
	want := []string{
		"name", "secrets.host", "secrets.token", "settings.Host", "settings.allowAllFiles", "settings.dsn", "settings.extra", "settings.host",
		"settings.mode", "settings.options", "settings.password", "settings.port", "settings.verify",
	}
	if got := paths(t, err); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	in.Name = "x"
	_, err = w.Test(w.owner(t), in)
	if got := paths(t, err); !slices.Equal(got, want[1:]) {
		t.Errorf("a test takes what a save does not: %v", got)
	}
	ds := w.shopSource(t)
	_, err = w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"file": "../other.db", "mode": "rwc"}})
	requireKind(t, err, problem.Invalid)
	for _, host := range []any{"a\nb", "a\x00b", "", 1, nil, []string{"a"}, strings.Repeat("a", 5000)} {
		_, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "x", Type: "fake", Settings: map[string]any{"host": host}})
		if got := paths(t, err); !slices.Equal(got, []string{"settings.host"}) {
			t.Errorf("%v: %v", host, got)
		}
	}
}

// A field of several lines takes those and nothing else that is not text.
func TestSettingsOfSeveralLines(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	pem := "-----BEGIN CERTIFICATE-----\r\nAAAA\n\t-----END CERTIFICATE-----\n"
	made, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "x", Type: "fake", Settings: map[string]any{"host": "a", "ca": pem}})
	if err != nil || made.Settings["ca"] != pem {
		t.Errorf("got %q, %v", made.Settings["ca"], err)
	}
	for _, ca := range []any{"a\x00b", "a\x1bb", "a\u0085b", "\xff", 1, []string{"a"}, strings.Repeat("a", 64<<10+1)} {
		_, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "y", Type: "fake", Settings: map[string]any{"host": "a", "ca": ca}})
		if got := paths(t, err); !slices.Equal(got, []string{"settings.ca"}) {
			t.Errorf("%.20v: %v", ca, got)
		}
	}
}

func TestT82_OnlyRegisteredTypes(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	for _, kind := range []string{"", "SQLite", "sqlite3", " sqlite", "fake\x00", "*"} {
		_, err := w.Create(w.owner(t), datasource.NewDatasource{Name: "x", Type: kind, Settings: map[string]any{"file": "shop.db"}})
		if got := paths(t, err); !slices.Contains(got, "type") {
			t.Errorf("%q: %v", kind, got)
		}
	}
	var types []string
	for _, spec := range w.Types() {
		types = append(types, spec.Type)
	}
	if !slices.Equal(types, []string{"fake", "sqlite"}) {
		t.Errorf("types are %v", types)
	}
}

// unsuitable is a connector that knows that it was made wrongly.
type unsuitable struct{ *fake }

func (unsuitable) Check() error { return errors.New("made of the wrong thing") }

func TestAConnectorThatWasMadeWronglyIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := datasource.CheckConnector(newFake()); err != nil {
		t.Error(err)
	}
	cfg := datasource.Config{Connectors: []datasource.Connector{unsuitable{newFake()}}}
	setup(t, testdb.SQLite(t), func(given *datasource.Config) {
		cfg.Audit, cfg.Authorize, cfg.DB, cfg.Keys, cfg.Pages = given.Audit, given.Authorize, given.DB, given.Keys, given.Pages
	})
	if _, err := datasource.New(cfg); err == nil || !strings.Contains(err.Error(), "made of the wrong thing") {
		t.Errorf("got %v", err)
	}
}
