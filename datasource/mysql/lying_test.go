package mysql_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/mysql"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

const hugeCount = "\xfe\x00\x00\x00\x00\x00\x02\x00\x00" // 2^41

// answering is a connection to a server whose answer to prepared statements is
// given.
func answering(t *testing.T, to byte, answer string) datasource.Conn {
	return open(t, serve(t, fake(func(command byte, text string) string {
		if command != to || to == comQuery && !strings.HasPrefix(text, "SELECT") {
			return ""
		}
		return answer
	})))
}

// T58: numbers of columns for which there is no room are refused before the driver
// makes it, wherever it reads one: that could not be caught.
func TestT58_CountsOfColumnsAreBounded(t *testing.T) {
	t.Parallel()
	one := []string{"\x01", column("a"), end}
	for name, c := range map[string]struct {
		to     byte
		answer string
	}{
		"query":                   {comQuery, packets(hugeCount)},
		"query with more behind":  {comQuery, packets(hugeCount + strings.Repeat("x", 100))},
		"execute":                 {comExecute, packets(hugeCount)},
		"a little too much":       {comExecute, packets("\xfc\x01\x10")},
		"nothing, said at length": {comExecute, packets("\xfc\x00\x00")},
		"three bytes":             {comExecute, packets("\xfd\xff\xff\xff")},
		"the second result":       {comExecute, packets(append(one, more, hugeCount)...)},
		"behind rows":             {comExecute, packets(append(one, "\x00\x00\x01a", more, hugeCount)...)},
		"behind a success":        {comQuery, packets("\x00\x00\x00\x0a\x00\x00\x00", hugeCount)},
		"for a description":       {comExecute, packets("\x02", column("a"), hugeCount)},
		"for the end of them":     {comExecute, packets("\x01", column("a"), hugeCount)},
		"a request for a file":    {comExecute, packets("\xfb/etc/passwd")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := answering(t, c.to, c.answer)
			for range 6 { // more than a pool holds
				rows, err := run(t, conn.Query, "SELECT 1", nil)
				if name != "the second result" && name != "behind rows" && !problem.Is(err, problem.Upstream) {
					t.Fatalf("got %v, %v", rows, err) // these are read up to there
				}
			}
		})
	}
}

// T90: a panic of the driver at an answer leaves no lock of the pool held.
func TestT90_APanicInAnAnswerLeavesThePoolUsable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to     byte
		answer string
	}{
		"a short refusal":       {comExecute, packets("\xff")},
		"a short preparation":   {comPrepare, packets("\x00")},
		"a short row":           {comExecute, packets("\x02", column("a"), column("b"), end, "\x00")},
		"a short column":        {comExecute, packets("\x01", "\x03def\x00\x00\x00\x00\x00", end)},
		"a refusal of the rows": {comExecute, packets("\x01", column("a"), end, "\xff")},
		"a short success":       {0x0e, packets("\x00")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			conn := answering(t, c.to, c.answer)
			go func() {
				var err error
				for range 6 { // more than a pool holds
					if c.to == 0x0e {
						err = conn.Ping(t.Context())
					} else {
						_, err = run(t, conn.Query, "SELECT 1", nil)
					}
				}
				_ = conn.Close()
				ended <- err
			}()
			timeout := time.NewTimer(20 * time.Second)
			defer timeout.Stop()
			select {
			case err := <-ended:
				if !problem.Is(err, problem.Upstream) || !strings.Contains(problem.Of(err).Message, "protocol") {
					t.Errorf("got %v", err)
				}
			case <-timeout.C:
				t.Fatal("the pool hangs")
			}
		})
	}
}

// T79: rows that nobody wants any more are read without being kept, however large
// the server makes them, and for a short time.
func TestT79_WhatIsDiscardedIsNotKept(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	whole := "\xff\xff\xff\x04" + strings.Repeat("\x00", 1<<24-1)
	settings := serve(t, func(c net.Conn) {
		fake(func(command byte, _ string) string {
			if command != comExecute {
				return ""
			}
			_, _ = io.WriteString(c, packets("\x01", column("a"), end, "\x00\x00\x01a"))
			for n := range 100 {
				frame := []byte(whole)
				frame[3] = byte(5 + n)
				written, err := c.Write(frame)
				sent.Add(int64(written))
				if err != nil {
					break
				}
			}
			return packets(end)
		})(c)
	})
	conn := open(t, settings)
	parsed, err := mysql.Connector().Parse(text("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: parsed, MaxRows: 1, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Next(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_ = rows.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("it read %d bytes of one row", n)
	}
}

// T79: a row that is too large takes nothing away from the one before it, also when
// both come in one piece.
func TestT79_TheRowBeforeATooLargeOneIsRead(t *testing.T) {
	t.Parallel()
	settings := serve(t, fake(func(command byte, _ string) string {
		if command != comExecute {
			return ""
		}
		return packets("\x01", column("a"), end, "\x00\x00\x01a") + "\xff\xff\xff\x04" + strings.Repeat("\x00", 100)
	}))
	conn := open(t, settings)
	parsed, err := mysql.Connector().Parse(text("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: parsed, MaxRows: 2, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if row, err := rows.Next(); err != nil || row[0] != "a" {
		t.Errorf("the first row is %v, %v", row, err)
	}
	_, err = rows.Next()
	if e, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(e.Message, "one row") {
		t.Errorf("the second row: %v", err)
	}
}

// T79: a server that goes on with results behind the end of the rows is left.
func TestT79_ResultsWithoutEndAreLeft(t *testing.T) {
	t.Parallel()
	settings := serve(t, func(c net.Conn) {
		fake(func(command byte, _ string) string {
			if command != comExecute {
				return ""
			}
			next := []string{"\x01", column("a"), end, more}
			if _, err := io.WriteString(c, packets(next...)); err != nil {
				return ""
			}
			for n := 4; ; n += 4 {
				for i, p := range next {
					if _, err := io.WriteString(c, packet(byte(n+i+1), p)); err != nil {
						return packets(end)
					}
				}
			}
		})(c)
	})
	began := time.Now()
	if _, err := run(t, open(t, settings).Query, "SELECT 1", nil); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Over an encrypted connection the server is sent the password where its way to
// authenticate asks for that, and over another one it is not.
func TestAuthenticationOverEncryption(t *testing.T) {
	t.Parallel()
	certificate, key, _ := testdb.Certificate(t, "127.0.0.1")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	for plugin, ask := range map[string][]string{
		"caching_sha2_password": {"\x01\x04"},
		"sha256_password":       {"\xfesha256_password\x00abcdefghijklmnopqrst\x00"},
		"mysql_native_password": nil,
	} {
		t.Run(plugin, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 10)
			settings := serve(t, func(c net.Conn) {
				hello := greeting(protocol41 | encryption)
				hello = strings.Replace(hello[4:], "mysql_native_password", plugin, 1)
				secure, _, err := encrypted(c, pair, packet(0, hello))
				if err != nil {
					return
				}
				number := byte(3)
				for _, packetOf := range ask {
					_, _ = io.WriteString(secure, packet(number, packetOf))
					answer, err := receive(secure)
					if err != nil {
						return
					}
					got <- answer
					number += 2
				}
				_, _ = io.WriteString(secure, packet(number, accepted))
				talk(secure, func(byte, string) string { return "" })
			})
			settings.Values["sslmode"] = "require"
			if err := open(t, settings).Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range ask {
				if sent := <-got; sent != "canary-password\x00" {
					t.Errorf("the server was sent %q", sent)
				}
			}
		})
	}
}

// T86: what one server made of a text says nothing about another one behind the
// same address.
func TestT86_EachServerReadsAQueryItself(t *testing.T) {
	t.Parallel()
	var servers, ran atomic.Int32
	settings := serve(t, func(c net.Conn) {
		second := servers.Add(1) > 1
		closing := false
		fake(func(command byte, text string) string {
			switch {
			case second && command == comPrepare && strings.HasPrefix(text, "SELECT * FROM ("):
				return refusal(1064, "not here")
			case second && command == comExecute:
				ran.Add(1)
			case text == "ROLLBACK" && !second:
				closing = true
			case closing:
				_ = c.Close()
			}
			return ""
		})(c)
	})
	conn := open(t, settings)
	if _, err := run(t, conn.Query, "SELECT 1 /*!80000 INTO OUTFILE 'x' */", nil); err != nil {
		t.Fatal(err)
	}
	for servers.Load() < 2 {
		_ = conn.Ping(t.Context())
	}
	_, err := run(t, conn.Query, "SELECT 1 /*!80000 INTO OUTFILE 'x' */", nil)
	if _, refused := errors.AsType[*datasource.StatementError](err); !refused || ran.Load() != 0 {
		t.Errorf("got %v, and it ran %d times", err, ran.Load())
	}
}

// What keeps a server from reading a text is told as such.
func TestResourcesAreNotTakenForAnotherStatement(t *testing.T) {
	t.Parallel()
	for number, kind := range map[uint16]string{1461: "no room for statements", 1041: "no memory", 1064: "only SELECT"} {
		conn := open(t, serve(t, fake(func(command byte, text string) string {
			if command == comPrepare && strings.HasPrefix(text, "SELECT * FROM (") {
				return refusal(number, kind)
			}
			return ""
		})))
		_, err := run(t, conn.Query, "SELECT 1", nil)
		refused, ok := errors.AsType[*datasource.StatementError](err)
		if !ok || !strings.HasPrefix(refused.Message, kind) {
			t.Errorf("%d: got %v", number, err)
		}
	}
}
