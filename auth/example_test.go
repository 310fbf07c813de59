package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/jetadmin/jetadmin/auth"
)

// A host that has its own sign-in says who the caller is; the account is made
// when he is first seen.
func ExampleAuthenticatorFunc() {
	hostUsers := map[string]string{"s3cr3t-cookie": "42"} // the host's own session store
	host := auth.AuthenticatorFunc(func(r *http.Request) (*auth.Principal, error) {
		cookie, err := r.Cookie("shop_session")
		if err != nil {
			return nil, nil // not signed in here: somebody else may know him
		}
		userID, ok := hostUsers[cookie.Value]
		if !ok {
			return nil, nil
		}
		return &auth.Principal{Issuer: "shop", Subject: userID, Name: "Ada"}, nil
	})

	r := httptest.NewRequest(http.MethodGet, "/admin/", nil)
	r.AddCookie(&http.Cookie{Name: "shop_session", Value: "s3cr3t-cookie"})
	p, err := host.Authenticate(r)
	fmt.Println(p.Issuer, p.Subject, err)
	// Output: shop 42 <nil>
}
