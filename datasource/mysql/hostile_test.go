package mysql_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// serve answers each connection with fn until the test ends.
func serve(t testing.TB, fn func(net.Conn)) datasource.Settings {
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
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.ParseInt(port, 10, 64)
	return datasource.Settings{
		Values:  map[string]any{"host": "127.0.0.1", "port": n, "user": "u", "sslmode": "disable", "timezone": "+00:00"},
		Secrets: map[string]secret.Text{"password": secret.NewText("canary-password")}, Egress: loopback(),
	}
}

// packet frames a payload.
func packet(sequence byte, payload string) string {
	return string([]byte{byte(len(payload)), byte(len(payload) >> 8), byte(len(payload) >> 16), sequence}) + payload
}

// greeting is that of a server with the given lower capabilities.
func greeting(flags uint16) string {
	return packet(0, "\x0a8.0.0\x00\x01\x00\x00\x00abcdefgh\x00"+string([]byte{byte(flags), byte(flags >> 8)})+
		"\x2d\x02\x00\x08\x00\x15"+strings.Repeat("\x00", 10)+"ijklmnopqrst\x00mysql_native_password\x00")
}

const (
	protocol41 = 0x0200
	localFiles = 0x0080
	accepted   = "\x00\x00\x00\x02\x00\x00\x00"
)

// T58: whatever a server says, there is an error with a public text, no panic and
// no secret, in a bounded time and memory.
func TestT58_HostileServers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":                         "",
		"an empty packet":                 packet(0, ""),
		"a web server":                    "HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 100),
		"a huge packet":                   "\xff\xff\xff\x00" + strings.Repeat("x", 100),
		"a short greeting":                packet(0, "\x0a8.0"),
		"a cut greeting":                  packet(0, "\x0a8.0\x00\x01\x00"),
		"an old protocol":                 packet(0, "\x098.0\x00"),
		"a short refusal":                 packet(0, "\xff"),
		"a refusal":                       packet(0, "\xff\x10\x04#08004Too many connections for canary-password\n"),
		"no protocol 4.1":                 greeting(0),
		"a greeting cut in its challenge": greeting(protocol41)[:60],
		"a file request":                  greeting(protocol41) + packet(2, accepted) + packet(1, "\xfb/etc/passwd"),
		"endless columns":                 greeting(protocol41) + packet(2, accepted) + packet(1, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
		"a wrong length":                  greeting(protocol41) + packet(2, accepted) + packet(1, "\x01") + packet(2, "\xfc\xff\xff"),
		"an unknown plugin":               greeting(protocol41) + packet(2, "\xfeauth_canary\x00abcdefghijklmnopqrst\x00"),
		"a clear password":                greeting(protocol41) + packet(2, "\xfemysql_clear_password\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := serve(t, func(c net.Conn) {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<20))
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := open(t, settings).Ping(ctx)
			if !problem.Is(err, problem.Upstream) {
				t.Fatalf("got %v", err)
			}
			if p := problem.Of(err); strings.Contains(p.Message+p.Remedy, "canary") || p.Remedy == "" {
				t.Errorf("the public text is %q, %q", p.Message, p.Remedy)
			}
		})
	}
}

// A server that is asked for encryption and has none is told apart, and never sent
// the user's name.
func TestNoEncryptionThere(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 1)
	settings := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, greeting(protocol41))
		b, _ := io.ReadAll(io.LimitReader(c, 1<<10))
		sent <- string(b)
	})
	settings.Values["sslmode"] = "require"
	err := open(t, settings).Ping(t.Context())
	if !problem.Is(err, problem.Upstream) || !strings.Contains(problem.Of(err).Message, "does not offer encryption") {
		t.Errorf("got %v", err)
	}
	if got := <-sent; got != "" {
		t.Errorf("the server was sent %q", got)
	}
}

// T81: the driver does not tell a server that it would send files.
func TestT81_FilesAreNotOffered(t *testing.T) {
	t.Parallel()
	flags := make(chan byte, 1)
	settings := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, greeting(protocol41|localFiles))
		login := make([]byte, 5)
		_, _ = io.ReadFull(c, login)
		flags <- login[4]
	})
	_ = open(t, settings).Ping(t.Context())
	if got := <-flags; got&localFiles != 0 {
		t.Errorf("the flags are %x", got)
	}
}

// T90: a connection that breaks, or that lies, at any byte of a session ends in an
// error. The bytes are those of a real server, some of them changed.
func TestT90_FaultyConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	random := rand.New(rand.NewPCG(1, 2))
	op, err := b.connector.Parse(text("SELECT id, name, REPEAT('x', 300), NOW(6), 1.5 FROM canary"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 80 {
		at, change := random.IntN(1000), byte(1+random.IntN(255))
		proxy := serve(t, func(c net.Conn) {
			upstream, err := net.Dial("tcp", net.JoinHostPort(b.Host, b.Port))
			if err != nil {
				return
			}
			defer upstream.Close()
			go func() {
				_, _ = io.Copy(upstream, c)
				_ = upstream.Close()
			}()
			if passPackets(c, upstream, 2) == nil { // greeting and login: TestT58 has these
				corrupt(c, upstream, at, change, n%3 == 0)
			}
		})
		conn := open(t, b.with(map[string]any{"port": proxy.Values["port"]}))
		all.Go(func() { readAtMost(t, conn, op, time.Second) })
	}
	began := time.Now()
	all.Wait()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// readAtMost reads what it gets until there is an error or the end.
func readAtMost(t *testing.T, conn datasource.Conn, op datasource.Operation, within time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	rows, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 10, MaxBytes: 1 << 20})
	if err != nil {
		return
	}
	for err == nil {
		_, err = rows.Next()
	}
	_ = rows.Close()
}

// corrupt copies from a server to a client and changes one byte, or ends there.
func corrupt(to io.Writer, from io.Reader, at int, change byte, cut bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if 0 <= at && at < n {
			if cut {
				_, _ = io.Copy(to, bytes.NewReader(buf[:at]))
				return
			}
			buf[at] ^= change
		}
		at -= n
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// passPackets copies whole packets.
func passPackets(to io.Writer, from io.Reader, n int) error {
	for range n {
		header := make([]byte, 4)
		if _, err := io.ReadFull(from, header); err != nil {
			return err
		}
		_, err := to.Write(header)
		if err == nil {
			_, err = io.CopyN(to, from, int64(header[0])|int64(header[1])<<8|int64(header[2])<<16)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
