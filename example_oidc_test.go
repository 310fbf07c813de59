package jetadmin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/oidctest"
)

// People sign in at an OpenID provider: in the browser they come back with a
// session, and programs send a token of the provider.
func Example_oidc() {
	dir, err := os.MkdirTemp("", "jetadmin")
	check(err)
	defer os.RemoveAll(dir)
	provider := oidctest.New(nil) // stands for the company's
	defer provider.Close()

	server := httptest.NewUnstartedServer(nil)
	public := "http://" + server.Listener.Addr().String()
	app, err := jetadmin.New(jetadmin.Config{
		DataDir:   dir,
		PublicURL: public,
		Egress:    jetadmin.Egress{AllowHosts: []string{strings.TrimPrefix(provider.URL, "http://")}}, // it is on a private address
		Authenticators: []auth.Authenticator{auth.OIDC(auth.OIDCConfig{
			Name: "company", Issuer: provider.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
		})},
	})
	check(err)
	check(app.Start(context.Background()))
	defer app.Stop(context.Background())
	server.Config.Handler = app
	server.Start()
	defer server.Close()

	provider.Register(public + "/api/v1/auth/oidc/company/callback")
	provider.SignIn(map[string]any{"sub": "7", "name": "Grace"})
	jar, err := cookiejar.New(nil)
	check(err)
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	page, err := browser.Get(public + "/api/v1/auth/oidc/company/start?next=/api/v1/auth/me")
	check(err)
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	check(err)
	fmt.Println(page.StatusCode, page.Request.URL.Path, strings.Contains(string(text), `"name":"Grace"`))

	r := httptest.NewRequest(http.MethodGet, "/api/v1/auth/me", nil)
	r.Header.Set("Authorization", "Bearer "+provider.Token("7"))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// 200 /api/v1/auth/me true
	// 200
}
