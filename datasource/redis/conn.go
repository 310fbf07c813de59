package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

const maxConns = 4

// conn is a pool of connections to one database.
type conn struct {
	Config
	settings datasource.Settings
	slots    chan struct{}

	mu     sync.Mutex
	idle   []*link
	closed bool
	reads  map[string]bool // commands, and whether the server says that they only read
}

func newConn(cfg Config, s datasource.Settings) *conn {
	return &conn{Config: cfg, settings: s, slots: make(chan struct{}, maxConns), reads: map[string]bool{}}
}

func (c *conn) acquire(ctx context.Context) (*link, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, connectError(context.Cause(ctx))
	}
	l, err := c.link(ctx)
	if err != nil {
		<-c.slots
		return nil, connectError(err)
	}
	return l, nil
}

func (c *conn) link(ctx context.Context) (*link, error) {
	for {
		l, err := c.take()
		if err != nil {
			return nil, err
		}
		if l == nil {
			return c.enter(ctx, c.settings)
		}
		if l.alive(ctx) {
			return l, nil
		}
		l.close()
	}
}

// take is the connection that was used last, or nil.
func (c *conn) take() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	if len(c.idle) == 0 {
		return nil, nil
	}
	l := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return l, nil
}

// release gives a connection back; after an error that is not an answer it is
// closed, as are those that nobody used for long.
func (c *conn) release(l *link, err error) {
	_, answered := errors.AsType[redis.Error](err)
	for _, over := range c.put(l, !l.ended && (err == nil || answered)) {
		over.close()
	}
	<-c.slots
}

// put keeps a connection where it can be, and gives those that are to be closed.
func (c *conn) put(l *link, usable bool) (over []*link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make([]*link, 0, maxConns)
	for _, idle := range c.idle {
		if time.Since(idle.used) > idleTime {
			over = append(over, idle)
		} else {
			kept = append(kept, idle)
		}
	}
	if c.idle = kept; c.closed || !usable {
		return append(over, l)
	}
	c.idle = append(c.idle, l)
	return over
}

// do runs one command on a connection of the pool.
func (c *conn) do(ctx context.Context, limit int64, args ...any) (any, error) {
	l, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := l.do(ctx, limit, args...)
	c.release(l, err)
	return reply, err
}

func (c *conn) Ping(ctx context.Context) error {
	_, err := c.do(ctx, loginBytes, "PING")
	return connectError(err)
}

func (c *conn) Close() error {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, l := range idle {
		l.close()
	}
	return nil
}

// Query runs a command that only reads, which the server confirms.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op, ok := s.Operation.(*operation)
	if !ok {
		return nil, errors.New("the operation belongs to another connector")
	}
	if op.Writes() {
		return nil, datasource.NotWriting(op.command.name+" writes, but the query is not marked as writing", "", nil)
	}
	args, err := op.bind(s.Params)
	if err != nil {
		return nil, err
	}
	if err := c.confirm(ctx, op.command); err != nil {
		return nil, err
	}
	return c.run(ctx, op, args, s)
}

// Exec runs any command of the list.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	op, ok := s.Operation.(*operation)
	if !ok {
		return nil, errors.New("the operation belongs to another connector")
	}
	args, err := op.bind(s.Params)
	if err != nil {
		return nil, err
	}
	return c.run(ctx, op, args, s)
}

func (c *conn) run(ctx context.Context, op *operation, args []any, s datasource.Statement) (datasource.Rows, error) {
	reply, err := c.do(ctx, s.MaxBytes, args...)
	if err != nil {
		return nil, queryError(err)
	}
	return op.answer(reply, args)
}

// confirm asks the server whether a command only reads: it may have given the name
// to another one. A server that does not answer that, or not to this user, leaves
// it to the list.
func (c *conn) confirm(ctx context.Context, command command) error {
	if command.known {
		return nil
	}
	c.mu.Lock()
	reads, asked := c.reads[command.name]
	c.mu.Unlock()
	if !asked {
		reply, err := c.do(ctx, loginBytes, "COMMAND", "INFO", strings.ToLower(strings.ReplaceAll(command.name, " ", "|")))
		unanswered := keepsToItself(err)
		if err != nil && !unanswered {
			return queryError(err)
		}
		reads = unanswered || onlyReads(reply)
		c.mu.Lock()
		c.reads[command.name] = reads
		c.mu.Unlock()
	}
	if !reads {
		return refused("the server does not call "+command.name+" a command that only reads", "", nil)
	}
	return nil
}

// keepsToItself reports whether a server does not answer COMMAND INFO at all, or not
// to this user. One that is busy or loading will.
func keepsToItself(err error) bool {
	e, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false
	}
	code, message, _ := strings.Cut(e.Error(), " ")
	return code == "NOPERM" || strings.HasPrefix(message, "unknown command") || strings.HasPrefix(message, "unknown subcommand")
}

// onlyReads looks for the flag in [[name, arity, [flags…], …]]. No entry means that
// the server does not know the command, or not by its part: it will refuse it, or
// it is one of those parts, which all read.
func onlyReads(reply any) bool {
	list, _ := reply.([]any)
	if len(list) != 1 {
		return false
	}
	entry, ok := list[0].([]any)
	if !ok {
		return list[0] == nil
	}
	if len(entry) < 3 {
		return false
	}
	flags, _ := entry[2].([]any)
	reads := false
	for _, flag := range flags {
		reads = reads || flag == "readonly"
		if flag == "write" {
			return false
		}
	}
	return reads
}

var errHandshake = problem.New(problem.Upstream, "connect_failed", "the encryption of the connection failed").
	Fix("turn TLS on in the server, or set sslmode to disable if the network is safe")
