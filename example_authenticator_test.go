package jetadmin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
)

// staff are the users of the host, by the cookie of its own sign-in.
var staff = map[string]auth.Principal{
	"cookie-of-grace": {Issuer: "shop", Subject: "7", Name: "Grace", Email: "grace@example.com"},
}

// signedIn recognises the host's cookie. A request without one is none of its
// business: nil, nil.
func signedIn(r *http.Request) (*auth.Principal, error) {
	cookie, err := r.Cookie("shop_session")
	if err != nil {
		return nil, nil
	}
	if p, ok := staff[cookie.Value]; ok {
		return &p, nil
	}
	return nil, nil
}

// The host's own sign-in opens the control plane. Who comes for the first time
// is made a member of a tenant by a hook; from then on the tenant's owner decides
// about his roles.
func Example_authenticator() {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	defer os.RemoveAll(dir)

	var admit func(context.Context, auth.User)
	app, err := jetadmin.New(jetadmin.Config{
		DataDir:        dir,
		Authenticators: []auth.Authenticator{auth.AuthenticatorFunc(signedIn)},
		Hooks: jetadmin.Hooks{Auth: auth.Hooks{
			AfterProvision: func(ctx context.Context, user auth.User) { admit(ctx, user) },
		}},
	})
	check(err)
	check(app.Start(context.Background()))
	defer app.Stop(context.Background())

	owner, err := enter(context.Background(), app)
	check(err)
	tenantID := auth.FromContext(owner).TenantID
	admit = func(ctx context.Context, user auth.User) {
		// The host acts by itself, with every right in the tenant: it can give
		// whatever role it likes.
		ctx = auth.NewContext(ctx, auth.ServicePrincipal(tenantID, "shop", auth.Grant{Permission: "*"}))
		viewer, err := app.Roles().Default(ctx, rbac.Viewer)
		check(err)
		_, err = app.Tenants().AddMember(ctx, tenancy.NewMember{UserID: user.ID, RoleIDs: []string{viewer.ID}})
		check(err)
	}

	for _, cookie := range []string{"cookie-of-grace", "cookie-of-nobody"} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/tenants/"+tenantID+"/workflows", nil)
		r.AddCookie(&http.Cookie{Name: "shop_session", Value: cookie})
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(cookie, w.Code)
	}
	// Output:
	// cookie-of-grace 200
	// cookie-of-nobody 401
}
