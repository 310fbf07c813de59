package postgres_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// serve answers each connection with fn until the test ends, and returns the port.
func serve(t testing.TB, fn func(net.Conn)) (port int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { stop(); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				fn(conn)
			})
		}
	})
	return int64(l.Addr().(*net.TCPAddr).Port)
}

// at is the datasource at another port of this machine.
func (b bundle) at(port int64) datasource.Settings {
	s := b.with("host", "127.0.0.1")
	s.Values["port"] = port
	return s
}

// public checks that an error is typed, and tells who reads it something that may be
// told and something to do.
func (b bundle) public(t *testing.T, err error) *problem.Error {
	t.Helper()
	if !problem.Is(err, problem.Upstream) {
		t.Fatalf("got %v", err)
	}
	p := problem.Of(err)
	for name, value := range b.settings.Secrets {
		if strings.Contains(p.Message+p.Remedy+err.Error(), value.Reveal()) {
			t.Errorf("the secret %q is in the error", name)
		}
	}
	if p.Message == "" || p.Remedy == "" || strings.ContainsAny(p.Message+p.Remedy, "\r\n") {
		t.Errorf("the public text is %q, %q", p.Message, p.Remedy)
	}
	return p
}

// T58: a password that the server refuses, and one that is right afterwards.
func TestT58_WrongPassword(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := b.schema + "_login"
	if _, err := b.direct.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD 'right-canary-password'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := b.direct.Exec(context.Background(), "DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	b.settings = b.with("user", role)
	b.settings.Secrets = map[string]secret.Text{"password": secret.NewText("wrong-canary-password")}
	p := b.public(t, open(t, b, b.settings).Ping(t.Context()))
	if p.Code != "connect_failed" {
		t.Errorf("the code is %q", p.Code)
	}
	b.settings.Secrets = map[string]secret.Text{"password": secret.NewText("right-canary-password")}
	query(t, b, open(t, b, b.settings), "SELECT 1", nil)
}

// T58: whatever a server says, or does not say, there is an error with a public text
// in a bounded time.
func TestT58_HostileServers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const ready = "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"
	for name, answer := range map[string]string{
		"silence":                  "",
		"a web server":             "HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 100),
		"a huge message":           "R\x7f\xff\xff\xff" + strings.Repeat("x", 100),
		"a message without length": "R\x00\x00\x00\x00",
		"an unknown message":       "?\x00\x00\x00\x04",
		"a cut message":            "R\x00\x00\x00\x08\x00",
		"a refusal":                "E\x00\x00\x00\x26SFATAL\x00C53300\x00Mtoo many clients\x00\x00",
		"an unknown login":         "R\x00\x00\x00\x08\x00\x00\x00\x63",
		"SASL without a mechanism": "R\x00\x00\x00\x09\x00\x00\x00\x0a\x00",
		"silence after the login":  ready,
		"nonsense after the login": ready + strings.Repeat("D\x00\x00\x00\x06\xff\xff", 50),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, func(c net.Conn) {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<20))
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			err := open(t, b, b.at(port)).Ping(ctx)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			b.public(t, err)
		})
	}
}

// T58: encryption that is not what it should be is told apart from no server, in the
// step of the test that it belongs to; with the right authority and name it works.
func TestT58_BadTLS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	certificate, key, ca := testdb.Certificate(t, "127.0.0.1")
	elsewhere, elsewhereKey, elsewhereCA := testdb.Certificate(t, "127.0.0.2")
	ours := b.proxy(t, encrypted(t, certificate, key), -1)
	for name, settings := range map[string]datasource.Settings{
		"an authority that nobody knows": b.verified(ours, ""),
		"another authority":              b.verified(ours, elsewhereCA),
		"another name":                   b.verified(b.proxy(t, encrypted(t, elsewhere, elsewhereKey), -1), elsewhereCA),
		"no encryption":                  b.verified(serve(t, func(c net.Conn) { skipStart(c); _, _ = io.WriteString(c, "N") }), ca),
		"something else than TLS":        b.verified(serve(t, func(c net.Conn) { skipStart(c); _, _ = io.WriteString(c, "S"+strings.Repeat("x", 100)) }), ca),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b.public(t, open(t, b, settings).Ping(t.Context()))
			var last datasource.Step
			b.connector.(datasource.Prober).Probe(t.Context(), settings, func(s datasource.Step) { last = s })
			if last.Status != datasource.StepFailed || last.Name != "tls" || last.Message == "" || last.Remedy == "" {
				t.Errorf("the test ends with %+v", last)
			}
		})
	}
	settings := b.verified(ours, ca)
	if err := b.connector.(datasource.SettingsChecker).CheckSettings(settings); err != nil {
		t.Error(err)
	}
	query(t, b, open(t, b, settings), "SELECT 1", nil)
}

// T81: an authority is a certificate, and not asked for what it cannot do.
func TestT81_AuthoritiesAreCertificates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, ca := testdb.Certificate(t, "127.0.0.1")
	for name, settings := range map[string]datasource.Settings{
		"a file":      b.verified(1, "/etc/ssl/cert.pem"),
		"a key":       b.verified(1, strings.ReplaceAll(ca, "CERTIFICATE", "PRIVATE KEY")),
		"no checking": b.with("ca", ca),
	} {
		if err := b.connector.(datasource.SettingsChecker).CheckSettings(settings); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A connection that breaks in the middle of an answer is an error, not an end, and
// the next statement gets another connection.
func TestT58_DroppedInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	op, err := b.connector.Parse(b.text("SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n"))
	if err != nil {
		t.Fatal(err)
	}
	conn := open(t, b, b.at(b.proxy(t, plain, 1<<20)))
	st := datasource.Statement{Operation: op, MaxRows: 10_000, MaxBytes: 10 << 20}
	for range 6 { // more than a pool holds
		n := 0
		rows, err := conn.Query(t.Context(), st)
		if err == nil {
			for err == nil {
				_, err = rows.Next()
				n++
			}
			_ = rows.Close()
		}
		if n == 0 || n > 5000 {
			t.Fatalf("%d rows before the end", n)
		}
		b.public(t, err)
		query(t, b, conn, "SELECT 1", nil)
	}
}

// verified is the datasource at another port, encrypted and checked.
func (b bundle) verified(port int64, ca string) datasource.Settings {
	s := b.at(port)
	s.Values["sslmode"] = "verify-full"
	if ca != "" {
		s.Values["ca"] = ca
	}
	return s
}

// proxy passes on what the real server says to whoever meet lets in, the first bytes
// of each connection only unless they are -1.
func (b bundle) proxy(t *testing.T, meet func(net.Conn) net.Conn, bytes int64) (port int64) {
	t.Helper()
	address := net.JoinHostPort(b.settings.String("host"), strconv.FormatInt(b.settings.Int("port"), 10))
	return serve(t, func(c net.Conn) {
		server, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		defer server.Close()
		client := meet(c)
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		if bytes < 0 {
			_, _ = io.Copy(client, server)
			return
		}
		_, _ = io.CopyN(client, server, bytes)
	})
}

func plain(c net.Conn) net.Conn { return c }

// encrypted begins TLS as PostgreSQL does.
func encrypted(t *testing.T, certificate, key string) func(net.Conn) net.Conn {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return func(c net.Conn) net.Conn {
		skipStart(c)
		_, _ = io.WriteString(c, "S")
		return tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
}

// skipStart reads the request for encryption.
func skipStart(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 8)) }
