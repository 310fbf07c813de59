package jetadmin_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// T35: with everything that a host can switch on, these operations need no credential,
// and no others: whoever has none, or a bad one, is refused by all the rest.
func TestT35_NothingElseIsPublicWithEverythingOn(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t, testdb.SQLite(t), quiet(t))
	public := map[string]api.Access{
		"GET /healthz": api.Public, "GET /readyz": api.Public,
		"GET /api/v1/docs": api.Public, "GET /api/v1/docs/docs.js": api.Public, "GET /api/v1/docs/docs.css": api.Public,
		"POST /api/v1/auth/setup": api.Public, "POST /api/v1/auth/login": api.Public, "GET /api/v1/auth/providers": api.Public,
		"POST /api/v1/auth/password/forgot": api.Public, "POST /api/v1/auth/password/reset": api.Public,
		"GET /api/v1/auth/oidc/{provider}/start": api.Public, "GET /api/v1/auth/oidc/{provider}/callback": api.Public,
		"POST /api/v1/invitations/accept": api.Anyone,
		"GET /api/v1/ws":                  api.Public, "GET /socket.io/": api.Public, "POST /hooks/{id}": api.Public, "PUT /hooks/{id}": api.Public,
	}
	seen := map[string]bool{}
	for _, op := range w.app.Operations() {
		route := op.Method + " " + op.URLPath()
		want, open := public[route]
		if seen[route] = open; open && op.Access != want || !open && (op.Access == api.Public || op.Access == api.Anyone) {
			t.Errorf("%s is %s", route, op.Access)
		}
		if open {
			continue
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(op.URLPath())
		callers := []*caller{w.anybody, w.anybody.bearer("jas_wrong"), w.anybody.with("X-API-Key", "jak_wrong")}
		if op.Method == http.MethodGet { // others are refused for the cookie before anybody looks at it
			callers = append(callers, w.anybody.with("Cookie", "jetadmin_session=jas_wrong"))
		}
		for _, c := range callers {
			if got := c.request(op.Method, path, nil); got.Status != http.StatusUnauthorized {
				t.Errorf("%s with %v: status %d", route, c.header, got.Status)
			}
		}
	}
	for _, route := range slices.Sorted(maps.Keys(public)) {
		if !seen[route] {
			t.Errorf("%s is not there", route)
		}
	}
}
