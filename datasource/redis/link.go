package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
)

const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTime         = time.Minute // then a connection is not used again
	freshTime        = time.Second // for so long an unused one is taken to be alive
)

// link is one connection: a client of its own, so that it is known which socket a
// command is on.
type link struct {
	client *redis.Client
	guard  *guard
	used   time.Time
	ended  bool // it was closed, or is about to be
}

// dial connects and signs in. shake is called with the state of an encrypted
// connection; it may be nil.
func dial(ctx context.Context, s datasource.Settings, shake func(tls.ConnectionState)) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	address := net.JoinHostPort(s.String("host"), strconv.FormatInt(s.Int("port"), 10))
	conn, err := s.Egress.DialContext(ctx, "tcp", address)
	if err == nil {
		conn, err = encrypt(ctx, conn, s, shake)
	}
	if err != nil {
		return nil, err
	}
	l := &link{guard: &guard{Conn: conn}}
	l.client = redis.NewClient(options(s, l.guard))
	if _, err := l.do(ctx, loginBytes, "PING"); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// options are those of a client on one connection, which it does not replace and on
// which it repeats nothing.
func options(s datasource.Settings, g *guard) *redis.Options {
	var taken atomic.Bool
	return &redis.Options{
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if taken.Swap(true) {
				_ = g.Conn.Close() // an error here would be in the host's standard error
			}
			return g, nil
		},
		Username: s.String("user"), Password: s.Secret("password").Reveal(), DB: int(s.Int("db")),
		Protocol: 3, PoolSize: 1, MaxActiveConns: 1, MaxRetries: -1, DialerRetries: 1,
		ReadTimeout: -1, WriteTimeout: -1, ContextTimeoutEnabled: true, ConnMaxIdleTime: -1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func encrypt(ctx context.Context, conn net.Conn, s datasource.Settings, shake func(tls.ConnectionState)) (net.Conn, error) {
	cfg := tlsmode.Config(s.String("sslmode"), s.String("host"), s.String("ca"))
	if cfg == nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout) // a server without TLS waits for the end of a line
	defer cancel()
	encrypted := tls.Client(conn, cfg)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, errors.Join(errHandshake, err)
	}
	if shake != nil {
		shake(encrypted.ConnectionState())
	}
	return encrypted, nil
}

// do runs a command and reads its answer, of so many bytes at most. When ctx ends,
// so does the connection, and with it the command: Redis runs none for a client
// that is gone.
func (l *link) do(ctx context.Context, limit int64, args ...any) (reply any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the client panicked at what the server sent: %v", v)
		}
		err = l.why(ctx, err)
	}()
	l.guard.arm(limit)
	defer l.watch(ctx, &err)()
	cmd := redis.NewCmd(ctx, args...)
	_ = l.client.Process(ctx, cmd)
	reply, err = cmd.Result()
	l.used = time.Now()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, err
}

// watch closes the connection when ctx ends. What it returns calls that off, or
// says that it was too late: then the connection is not used again.
func (l *link) watch(ctx context.Context, err *error) (off func()) {
	stop := context.AfterFunc(ctx, func() { _ = l.guard.Conn.Close() })
	return func() {
		if !stop() {
			l.ended = true
			*err = errors.Join(context.Cause(ctx), *err)
		}
	}
}

// why adds what is behind an error of the client.
func (l *link) why(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if l.guard.broken != nil {
		err = errors.Join(l.guard.broken, err)
	}
	return errors.Join(err, context.Cause(ctx))
}

// alive reports whether a connection that was not used for a while still works.
func (l *link) alive(ctx context.Context) bool {
	switch unused := time.Since(l.used); {
	case unused < freshTime:
		return true
	case unused > idleTime:
		return false
	}
	_, err := l.do(ctx, loginBytes, "PING")
	return err == nil
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.guard.Conn.Close() // which the client may not have taken
}
