package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

const leak = "Zx9canaryQ7"

// T57: no secret that is handed over comes into the record, wherever it stands.
func TestT57_RecordMasksSecrets(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		secrets := map[string]any{
			"password": leak, "PassWord": leak, "api_key": leak, "X-Api-Key": leak, "clientSecret": leak, "authToken": leak, "dsn": leak,
			"set-cookie": []any{leak, map[string]any{"inner": leak}}, "credentials": map[string]any{"user": leak, "n": 4711},
			"headers":                    []any{map[string]any{"name": "Authorization", "value": leak}, map[string]any{"key": "x-auth-token", "value": []any{leak}}},
			"url":                        "postgres://user:" + leak + "@db.example.com/shop?sslmode=require",
			"text":                       "host=db password=" + leak + " user=x; api_key: '" + leak + " " + leak + "'",
			"note":                       "Authorization: Bearer " + leak + leak,
			"key":                        "-----BEGIN RSA PRIVATE KEY-----\n" + leak + "\n-----END RSA PRIVATE KEY-----",
			"jwt":                        "eyJhbGciOiJIUzI1NiJ9.eyJ" + leak + ".sig" + leak,
			"ours":                       "jak_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" + strings.ToUpper("canary"),
			leak + "://x:" + leak + "@y": 1,
			"deep":                       deep(leak, 60), "long": strings.Repeat("a ", 9000) + leak,
		}
		delete(secrets, leak+"://x:"+leak+"@y")
		b.record(t, audit.Entry{TenantID: b.tenant, Action: "datasource.update", Detail: map[string]any{"all": secrets}, Before: secrets, After: map[string]any{"name": "n"}})
		b.record(t, audit.Entry{TenantID: b.tenant, Action: "datasource.update", Before: map[string]any{"password": leak + "1"}, After: map[string]any{"password": leak + "2"}})
		events := b.events(t, audit.Filter{Action: "datasource.update"})
		for _, e := range events {
			if strings.Contains(string(e.Detail), leak) || strings.Contains(string(e.Detail), "CANARY") {
				t.Errorf("the record tells a secret: %s", e.Detail)
			}
		}
		// That a secret was changed is seen.
		if got := string(events[1].Detail); got != `{"after":{"password":"••••••••"},"before":{"password":"••••••••"}}` {
			t.Errorf("a new password is %s", got)
		}
		if !strings.Contains(string(events[0].Detail), "db.example.com/shop") {
			t.Errorf("more than the secret is masked: %s", events[0].Detail)
		}
	})
}

// T57: a text is searched for what the ways to write a secret have in common.
func TestT57_TextsWithSecretsOfManyForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"password":"` + leak + `"}`, `{"a": {"client_secret": "x y ` + leak + `"}}`, `{\"token\":\"` + leak + `\"}`, `{"password":"a\"` + leak + `"}`,
		"X-Api-Key: " + leak, "aws_secret_access_key=" + leak, "DB_PASSWORD_PROD=" + leak, "access_key=" + leak, "passphrase: " + leak,
		"access-key: '" + leak + " x'", `{"password":"cut ` + leak, "signing_key=" + leak, "'secret': '" + leak + "'",
	} {
		detail, err := audit.DetailOf(audit.Entry{After: map[string]any{"text": "before " + text + "\nafter"}})
		if err != nil || strings.Contains(detail, leak) || !strings.Contains(detail, "before ") {
			t.Errorf("%s is kept as %s (%v)", text, detail, err)
		}
	}
	for _, name := range []string{"signingKey", "encryption_key", "passcode", "sessionId", "X-Signature"} {
		detail, err := audit.DetailOf(audit.Entry{After: map[string]any{name: leak}})
		if err != nil || strings.Contains(detail, leak) {
			t.Errorf("%s is kept as %s (%v)", name, detail, err)
		}
	}
}

func deep(leaf any, n int) any {
	for range n {
		leaf = map[string]any{"in": leaf}
	}
	return leaf
}

func TestBeforeAndAfterAreWhatDiffers(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	type state struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
		N     int64    `json:"n"`
	}
	for _, c := range []struct {
		before, after any
		want          string
	}{
		{state{"a", []string{"x"}, 1 << 60}, state{"b", []string{"x"}, 1 << 60}, `{"after":{"name":"b"},"before":{"name":"a"},"why":"test"}`},
		{state{"a", []string{"x", "y"}, 1}, state{"a", []string{"y"}, 1<<60 + 1}, `{"after":{"n":1152921504606846977,"roles":["y"]},"before":{"n":1,"roles":["x","y"]},"why":"test"}`},
		{nil, state{"a", nil, 1}, `{"after":{"n":1,"name":"a","roles":null},"why":"test"}`},
		{map[string]any{"gone": 1}, map[string]any{"new": true}, `{"after":{"new":true},"before":{"gone":1},"why":"test"}`},
	} {
		b.record(t, audit.Entry{TenantID: b.tenant, Action: "role.update", Before: c.before, After: c.after, Detail: map[string]any{"why": "test"}})
		events := b.events(t, audit.Filter{Action: "role.update"})
		if got := string(events[len(events)-1].Detail); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestDetailIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	large := map[string]any{"text": strings.Repeat("ü", 1<<20), strings.Repeat("k", 1<<16): 1}
	for i := range 2000 {
		large[fmt.Sprint("member ", i)] = strings.Repeat("x", 100)
	}
	b.record(t, audit.Entry{TenantID: b.tenant, Action: "query.update", Before: large, After: map[string]any{"name": strings.Repeat("y", 5000)}})
	e := b.events(t, audit.Filter{Action: "query.update"})[0]
	if len(e.Detail) > audit.MaxDetail || !json.Valid(e.Detail) || !strings.Contains(string(e.Detail), `"tooLarge":true`) {
		t.Errorf("%d bytes: %.200s", len(e.Detail), e.Detail)
	}
}

// FuzzMask: no text with a secret that has the form of one comes through, and no
// text makes the change fail.
func FuzzMask(f *testing.F) {
	f.Add("postgres://u:", "@h/db", "name")
	f.Add("Bearer ", " x", "Authorization")
	f.Fuzz(func(t *testing.T, before, after, name string) {
		token := "jak_ABCDEFGHIJKLMNOPQRSTUVWX"
		text, err := audit.DetailOf(audit.Entry{After: map[string]any{name: before + " " + token + " " + after, "password": before}})
		if err != nil || !json.Valid([]byte(text)) {
			t.Fatalf("%v: %q", err, text)
		}
		if strings.Contains(text, token) {
			t.Fatalf("it comes through: %s", text)
		}
	})
}
