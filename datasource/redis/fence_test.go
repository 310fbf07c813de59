package redis_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
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

// Case T88: only a server that has no such value, or refuses this user to read it, is
// not the platform's. A node of a cluster says nothing of what the others have.
func TestT88_AnAnswerThatSaysNothingLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for answer, in := range map[string]bool{
		"-MOVED 1234 127.0.0.1:7001": false, "-ASK 1234 127.0.0.1:7001": false, "-CLUSTERDOWN Hash slot not served": false, "-BUSY running a script": false,
		"-LOADING the dataset": false, "-ERR something": false, "$5\r\nvalue": false,
		"-NOPERM no permissions": true, "-WRONGTYPE a list": true, "-ERR unknown command 'GET'": true, "$-1": true, "$5\r\nother": true,
	} {
		address := serve(t, func(c net.Conn) {
			commands := bufio.NewReader(c)
			for {
				line, err := commands.ReadString('\n')
				if err != nil {
					return
				}
				switch strings.ToUpper(strings.TrimSpace(line)) {
				case "HELLO":
					_, _ = io.WriteString(c, "%1\r\n$5\r\nproto\r\n:3\r\n")
				case "PING":
					_, _ = io.WriteString(c, "+PONG\r\n")
				case "GET":
					_, _ = io.WriteString(c, answer+"\r\n")
				}
			}
		})
		connector := redis.Connector(redis.Config{Mark: func(context.Context) (string, string, error) { return "mark", "value", nil }})
		settings := settingsOf(t, address)
		settings.Secrets = nil
		conn, err := connector.Open(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()); (err == nil) != in {
			t.Errorf("%q: %v", answer, err)
		}
		_ = conn.Close()
	}
}
