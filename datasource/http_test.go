package datasource_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// A client secret is sent to the token URL: another one, or another client, does
// not get what was entered before.
func TestT63_AnotherTokenURLForgetsTheClientSecret(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(cfg *datasource.Config) { cfg.Connectors = append(cfg.Connectors, rest.Connector()) })
	ds, err := w.Create(w.owner(t), datasource.NewDatasource{
		Name: "api", Type: "rest",
		Settings: map[string]any{"baseUrl": "https://api.test/", "auth": "oauth2", "tokenUrl": "https://login.test/token", "clientId": "me"},
		Secrets:  map[string]string{"clientSecret": "canary"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for field, v := range map[string]string{"tokenUrl": "https://evil.test/token", "clientId": "other", "baseUrl": "https://evil.test/"} {
		_, err := w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{field: v}})
		if got := paths(t, err); len(got) != 1 || got[0] != "secrets.clientSecret" {
			t.Errorf("%s: the faults are at %q", field, got)
		}
	}
	got, err := w.Update(w.owner(t), ds.ID, datasource.DatasourceUpdate{Settings: map[string]any{"scope": "more"}})
	if err != nil || got.Secrets["clientSecret"] != datasource.SecretSet {
		t.Errorf("another scope: %v, %v", got.Secrets, err)
	}
}
