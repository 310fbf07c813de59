package jetadmin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
)

// What a tenant has is limited, by the installation or by what the host gives it.
func TestTenantsAreLimited(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, cfg jetadmin.Config) {
		cfg.Limits = tenancy.Limits{Datasources: 1, FileBytes: 20, Queries: 1, Workflows: 1}
		app := jetadmintest.Start(t, cfg)
		login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
		must(t, err)
		owner, T := reach(t, app).bearer(login.Token), "/tenants/"+app.Tenant.ID
		makeShop(t, cfg.DataDir, app.Tenant.ID)
		source := owner.call("POST", T+"/datasources", object{"name": "a", "type": "sqlite", "settings": object{"file": "shop.db"}}).want(http.StatusCreated).text("id")
		add := map[string]func(name string) *reply{
			"datasources": func(name string) *reply {
				return owner.call("POST", T+"/datasources", object{"name": name, "type": "sqlite", "settings": object{"file": "shop.db"}})
			},
			"queries": func(name string) *reply {
				return owner.call("POST", T+"/queries", object{"name": name, "datasourceId": source, "operation": object{"text": "SELECT 1"}})
			},
			"workflows": func(name string) *reply {
				return owner.call("POST", T+"/workflows", object{"name": name, "draft": object{"nodes": []object{{"key": "start", "type": "start"}}, "edges": []object{}}})
			},
		}
		add["queries"]("a").want(http.StatusCreated)
		add["workflows"]("a").want(http.StatusCreated)
		for what, more := range add {
			if got := more("b").want(http.StatusConflict); got.text("code") != "limit_"+what || !strings.Contains(got.text("detail"), "1 "+what) {
				t.Errorf("%s: %s", what, got.Body)
			}
		}
		send := func() error {
			_, err := app.Files().Create(app.Owner.Context(t.Context()), upload.NewFile{Name: "f", Content: strings.NewReader("a,b\n1,2\n3,4\n")})
			return err
		}
		must(t, send())
		if err := send(); problem.Of(err).Code != "files_too_large" {
			t.Errorf("a file: %v", err)
		}
		var usage map[string]struct{ Used, Limit int64 }
		owner.call("GET", T+"/usage", nil).want(http.StatusOK).into(&usage)
		if usage["queries"].Used != 1 || usage["queries"].Limit != 1 || usage["fileBytes"].Used != 12 || usage["fileBytes"].Limit != 20 || usage["members"].Used != 1 {
			t.Errorf("%+v", usage)
		}
		must(t, app.Tenants().SetLimits(t.Context(), app.Tenant.ID, tenancy.Limits{Datasources: 2, FileBytes: 24, Queries: 2, Workflows: -1}))
		for _, more := range add {
			more("b").want(http.StatusCreated)
		}
		add["queries"]("c").want(http.StatusConflict)
		add["workflows"]("c").want(http.StatusCreated)
		must(t, send())
		owner.call("PATCH", T, object{"limits": object{"queries": 5}}).want(http.StatusUnprocessableEntity)
	})
}
