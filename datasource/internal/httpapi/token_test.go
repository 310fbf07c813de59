package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestATokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		_, _ = w.Write([]byte(`{"access_token": "t` + strconv.Itoa(fetched) + `", "expires_in": 600}`))
	}))
	t.Cleanup(server.Close)
	at, _ := url.Parse(server.URL)
	policy := egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	source, release := newTokens(t.Context(), ClientCredentials{TokenURL: at, ID: "id", Secret: secret.NewText("s")}.grant(), policy)
	t.Cleanup(release)
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	source.now = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "t1"}, {539 * time.Second, "t1"}, {time.Second, "t2"}, {539 * time.Second, "t2"}, {2 * time.Second, "t3"}} {
		now = now.Add(step.after)
		if got, err := source.get(t.Context()); err != nil || got != step.want {
			t.Errorf("at %s: %s, %v; want %s", now.Format(time.TimeOnly), got, err, step.want)
		}
	}
}

func TestTheWordsOfAnAPIAreFitToBeShown(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("http://api.test")
	a := New(base, nil, Basic("user", secret.NewText("p/ä ss")), egress.Policy{})
	for text, want := range map[string]string{
		"plain":                                 "plain",
		"two\r\nlines \x00 and\tmore ":          "two lines and more",
		"you sent p/ä ss":                       "you sent " + secret.Mask,
		"you sent p%2F%C3%A4+ss":                "you sent " + secret.Mask,
		"you sent p%2F%C3%A4%20ss, too":         "you sent " + secret.Mask + ", too",
		"Authorization: Basic dXNlcjpwL8OkIHNz": "Authorization: Basic " + secret.Mask,
		"bad \xff byte":                         "bad \uFFFD byte",
	} {
		if got := a.Public(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if got := []rune(a.Public(strings.Repeat("x", 5000))); len(got) != maxPublic+1 {
		t.Errorf("%d characters are shown", len(got))
	}
}
