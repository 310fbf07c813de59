package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/redis"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// Case T88: the Redis of the platform is no datasource for whoever can read there.
func TestT88_TheRedisOfThePlatformIsFenced(t *testing.T) {
	t.Parallel()
	b, other := setup(t), setup(t)
	name, password := "u"+strings.ToLower(rand.Text()), rand.Text()
	b.put(t, "SET mark value")
	b.put(t, "ACL SETUSER "+name+" on >"+password+" +@all ~shop:*")
	t.Cleanup(func() { _ = b.direct.Do(context.Background(), "ACL", "DELUSER", name).Err() })
	confined := b.with(map[string]any{"user": name})
	confined.Secrets = map[string]secret.Text{"password": secret.NewText(password)}
	mark := func(value string, err error) redis.Config {
		return redis.Config{Mark: func(context.Context) (string, string, error) { return "mark", value, err }}
	}
	for _, c := range []struct {
		name     string
		config   redis.Config
		settings datasource.Settings
		code     string
	}{
		{"the platform's", mark("value", nil), b.settings, "own_database"},
		{"by another name", mark("value", nil), b.with(map[string]any{"host": "localhost"}), "own_database"},
		{"another number", mark("value", nil), other.settings, ""},
		{"that of another platform", mark("another", nil), b.settings, ""},
		{"a user without a right on the mark", mark("value", nil), confined, ""},
		{"no platform's", redis.Config{}, b.settings, ""},
		{"the platform's does not answer", mark("", errors.New("canary")), b.settings, "fence_unknown"},
	} {
		connector := redis.Connector(c.config)
		conn, err := connector.Open(t.Context(), c.settings)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			err = conn.Ping(t.Context())
			if e := problem.Of(err); (err != nil) != (c.code != "") || err != nil && (e.Code != c.code || e.Remedy == "" || strings.Contains(e.Message, "canary")) {
				t.Errorf("%s: got %v", c.name, err)
			}
		}
		var last datasource.Step
		connector.(datasource.Prober).Probe(t.Context(), c.settings, func(s datasource.Step) { last = s })
		if refused := last.Status == datasource.StepFailed; refused != (c.code != "") {
			t.Errorf("%s: the test of the connection ends with %+v", c.name, last)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
