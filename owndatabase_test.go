package jetadmin_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// Case T88: the platform's own database is no datasource, by whatever name of the
// server. On SQLite its file is not below the folder of any tenant.
func TestT88_TheOwnDatabaseIsNoDatasource(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	dsn, schema := testdb.PostgresSchema(t)
	pool, err := jetadmin.OpenPostgres(dsn)
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	cfg.DB, cfg.Schema = pool, schema
	app := jetadmintest.Start(t, cfg)
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(t, err)
	owner, T := reach(t, app).bearer(login.Token), "/tenants/"+app.Tenant.ID
	source := postgresSource(t, dsn)
	for _, host := range []string{"127.0.0.1", "localhost", "127.1.2.3"} {
		settings := object{"host": host}
		for name, v := range source.Settings {
			if name != "host" {
				settings[name] = v
			}
		}
		id := owner.call("POST", T+"/datasources", object{"name": host, "type": "postgres", "settings": settings, "secrets": source.Secrets}).want(http.StatusCreated).text("id")
		report := string(owner.call("POST", T+"/datasources/"+id+"/test", nil).want(http.StatusOK).Body)
		reached := !strings.Contains(report, `"connect","status":"failed"`) && !strings.Contains(report, `"resolve","status":"failed"`)
		if strings.Contains(report, `"ok":true`) || reached && !strings.Contains(report, "tables of this application") {
			t.Errorf("%s: the test of the connection says %s", host, report)
		}
		query := object{"datasourceId": id, "operation": object{"text": "SELECT * FROM " + schema + ".jet_user"}}
		reply := owner.call("POST", T+"/queries/test", query).want(http.StatusBadGateway)
		if code := reply.text("code"); code != "own_database" && reached {
			t.Errorf("%s: got %s", host, reply.Body)
		}
	}
}
