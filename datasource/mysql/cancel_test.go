package mysql_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// T92: the caller may give up at any moment, also when the server has read the
// statement and does not run it yet: it ends within 2 s.
func TestT92_AStatementThatIsAboutToRunIsCancelledToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan struct{}) // closed when the server was told to stop
	tell := sync.OnceFunc(func() { close(told) })
	var first sync.Once
	proxy := serve(t, func(c net.Conn) {
		upstream, err := net.Dial("tcp", net.JoinHostPort(b.Host, b.Port))
		if err != nil {
			t.Error(err)
			return
		}
		defer upstream.Close()
		go func() { _, _ = io.Copy(c, upstream); _ = c.Close() }()
		statement := false
		first.Do(func() { statement = true })
		if !statement {
			defer tell()
		}
		forward(upstream, c, func(command byte) {
			if statement && command == comExecute {
				cancel()
				<-told
			}
		})
	})
	conn := open(t, b.with(map[string]any{"port": proxy.Values["port"]}))
	op, err := b.connector.Parse(text("SELECT SLEEP(120), '" + b.Name + "'"))
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20}); err == nil {
		_ = rows.Close()
		t.Error("the statement has ended by itself")
	}
	ended := time.Now()
	for b.one(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE ?", "%SLEEP(120)%"+b.Name+"%") != "0" {
		if time.Since(ended) > 2*time.Second {
			t.Fatal("it runs on")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// forward copies what a client sends, and tells of each command before.
func forward(to io.Writer, from io.Reader, hear func(command byte)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 4 && buf[3] == 0 {
			hear(buf[4])
		}
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}
