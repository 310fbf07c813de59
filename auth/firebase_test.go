package auth_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// The tokens of a Firebase project are good here, by the rules that Firebase gives.
func TestFirebase(t *testing.T) {
	t.Parallel()
	var google *oidctest.Server
	b := setup(t, testdb.SQLite(t), func(c *auth.Config) {
		google = oidctest.Start(t, c.Clock)
		outside(t, c)
		c.Authenticators = []auth.Authenticator{auth.FirebaseConfig{ProjectID: "shop", KeysURL: google.URL + "/keys", Claims: []string{"role"}}.Authenticator()}
	})
	key, err := oidctest.NewRSAKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	elliptic := google.Key()
	google.Use(key)
	now := b.time.Now()
	claims := func(more map[string]any) map[string]any {
		c := map[string]any{
			"iss": "https://securetoken.google.com/shop", "aud": "shop", "sub": "uid-7", "user_id": "uid-7", "role": "clerk",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Add(-time.Minute).Unix(),
			"email": ada, "email_verified": true, "firebase": map[string]any{"sign_in_provider": "password"},
		}
		maps.Copy(c, more)
		return c
	}
	ask := func(token string) (*auth.Principal, error) {
		return b.Authenticate(request(t, "Authorization", "Bearer "+token))
	}
	p, err := ask(google.Sign(claims(nil)))
	if err != nil || p.Issuer != "https://securetoken.google.com/shop" || p.Subject != "uid-7" || p.Email != ada || p.Claims["role"] != "clerk" {
		t.Fatalf("got %+v, %v", p, err)
	}
	if n := google.Asked("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("the discovery document was asked for %d times", n)
	}
	for name, token := range map[string]string{
		"another project":       google.Sign(claims(map[string]any{"aud": "other"})),
		"another issuer":        google.Sign(claims(map[string]any{"iss": "https://securetoken.google.com/other", "aud": "other"})),
		"no subject":            google.Sign(claims(map[string]any{"sub": ""})),
		"an endless subject":    google.Sign(claims(map[string]any{"sub": strings.Repeat("x", 129)})),
		"signed in, later":      google.Sign(claims(map[string]any{"auth_time": now.Add(time.Hour).Unix()})),
		"never signed in":       google.Sign(claims(map[string]any{"auth_time": nil})),
		"expired":               google.Sign(claims(map[string]any{"exp": now.Unix()})),
		"of another algorithm":  google.SignWith(elliptic, claims(nil), nil),
		"of a stranger's key":   google.SignWith(oidctest.NewKey(), claims(nil), nil),
		"of the emulator, none": "eyJhbGciOiJub25lIn0." + strings.Split(google.Sign(claims(nil)), ".")[1] + ".",
	} {
		p, err := ask(token)
		wantKind(t, err, problem.Unauthenticated)
		if p != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if auth.Firebase("shop") == nil {
		t.Error("there is no short form")
	}
}
