package jetadmin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
)

// A key for a program: it acts as whoever made it, in one tenant, and never
// beyond its scopes.
func Example_apiKey() {
	ctx, app, end := open(jetadmin.Config{})
	defer end()

	nextYear := time.Now().AddDate(1, 0, 0)
	key, secret, err := app.Auth().CreateKey(ctx, auth.NewKey{
		Name: "nightly report", Scopes: []auth.Permission{"query.*", auth.RunList}, ExpiresAt: &nextYear,
	})
	check(err)

	tenant := "/api/v1/tenants/" + auth.FromContext(ctx).TenantID
	call := func(path string) {
		r := httptest.NewRequest(http.MethodGet, tenant+path, nil)
		r.Header.Set("Authorization", "Bearer "+secret) // shown this once, kept as a hash
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(path, w.Code)
	}
	call("/queries")
	call("/runs")
	call("/members")
	check(app.Auth().RevokeKey(ctx, key.ID))
	call("/queries")
	// Output:
	// /queries 200
	// /runs 200
	// /members 403
	// /queries 401
}
