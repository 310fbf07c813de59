package redis

import (
	"context"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// pool is one over direct connections to a real server.
func pool(t *testing.T) (*conn, *goredis.Options) {
	options := testdb.Redis(t)
	c := newConn(Config{}, datasource.Settings{})
	t.Cleanup(func() { _ = c.Close() })
	return c, options
}

func connect(t *testing.T, o *goredis.Options) *link {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{guard: &guard{Conn: conn}}
	l.client = goredis.NewClient(options(datasource.Settings{}, l.guard))
	return l
}

// ending ends a context when an answer has come.
type ending struct {
	net.Conn
	end context.CancelFunc
}

func (e ending) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	e.end()
	return n, err
}

// T92: a connection that is being closed because the caller left is not given to
// the next one, whatever the server answered meanwhile.
func TestT92_AnEndedConnectionIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"PING", "NOSUCHCOMMAND"} {
		c, o := pool(t)
		l := connect(t, o)
		if _, err := l.do(t.Context(), loginBytes, "PING"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l.guard.Conn = ending{l.guard.Conn, cancel}
		c.slots <- struct{}{}
		_, err := l.do(ctx, loginBytes, command)
		c.release(l, err)
		if err == nil || len(c.idle) != 0 {
			t.Errorf("%s: got %v, %d are kept", command, err, len(c.idle))
		}
	}
}

// What nobody used for long is closed when anything comes back.
func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	c, o := pool(t)
	links := []*link{connect(t, o), connect(t, o), connect(t, o)}
	for _, l := range links {
		c.slots <- struct{}{}
		if _, err := l.do(t.Context(), loginBytes, "PING"); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range links {
		if i < 2 {
			l.used = time.Now().Add(-2 * idleTime)
		}
		c.release(l, nil)
	}
	if len(c.idle) != 1 || c.idle[0] != links[2] {
		t.Errorf("%d are kept", len(c.idle))
	}
	if _, err := links[0].guard.Conn.Write([]byte("PING\r\n")); err == nil {
		t.Error("one is open")
	}
}
