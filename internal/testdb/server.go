package testdb

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Server is a server of one test, that may take it away and bring it back.
type Server struct {
	t       testing.TB
	home    home
	orders  io.WriteCloser
	replies *bufio.Reader
	crash   string // the signal that ends it at once
	ping    func(context.Context) error
}

// Crash ends the server at once and returns when it is gone: PostgreSQL as "pg_ctl
// stop -m immediate" does, with nothing written that was not committed, Redis with
// everything it held.
func (s *Server) Crash() {
	s.t.Helper()
	if err := s.order(s.crash); err != nil {
		s.t.Errorf("testdb: end a server: %v", err)
	}
}

// Start brings the server back and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	err := s.order("START")
	if err == nil {
		err = s.home.await(s.ping)
	}
	if err != nil {
		s.t.Errorf("testdb: start a server again: %v", err)
	}
}

func (s *Server) order(text string) error {
	if _, err := io.WriteString(s.orders, text+"\n"); err != nil {
		return err
	}
	_, err := s.replies.ReadString('\n')
	return err
}

// keep runs a server as it is ordered to, line by line, and ends it with its
// standard input: also when the test binary is killed.
const keep = `home=$0
run() { "$@" </dev/null >>"$home/log" 2>&1 & pid=$!; }
end() { kill -s "$1" "$pid"; wait "$pid"; pid=; }
run "$@"
while read -r order; do
  case $order in
  START) run "$@" ;;
  *) end "$order" ;;
  esac
  echo done
done
[ -z "$pid" ] || end INT
rm -rf "$home"`

// OwnPostgres starts a PostgreSQL for one test and returns its DSN. What is
// committed there survives [Server.Crash]; the machine's own end it would not.
// Without the programs the test is skipped.
func OwnPostgres(t testing.TB) (s *Server, dsn string) {
	t.Helper()
	h, program, password, err := initPostgres()
	if err != nil {
		without(t, "postgres", err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal("testdb: ", errors.Join(err, h.remove()))
	}
	dsn = fmt.Sprintf("postgres://jetadmin:%s@127.0.0.1:%s/postgres?sslmode=disable", password, port)
	s = &Server{t: t, home: h, crash: "QUIT", ping: func(ctx context.Context) error { return pingPostgres(ctx, dsn) }}
	s.keep(append([]string{program}, postgresArgs(h, port, "synchronous_commit=on", "max_wal_size=1GB", "autovacuum=on")...)...)
	return s, dsn
}

// OwnRedis starts a Redis for one test, with further arguments, and returns its
// address. Without the program the test is skipped.
func OwnRedis(t testing.TB, args ...string) (s *Server, address string) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		without(t, "redis", err)
	}
	h, err := newHome("jetadmin-redis-")
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal("testdb: ", errors.Join(err, h.remove()))
	}
	address = "127.0.0.1:" + port
	s = &Server{t: t, home: h, crash: "KILL", ping: func(ctx context.Context) error {
		rdb := redis.NewClient(&redis.Options{Addr: address})
		defer rdb.Close()
		return rdb.Ping(ctx).Err()
	}}
	s.keep(append([]string{program}, append(redisArgs(h, port), args...)...)...)
	return s, address
}

// keep starts the server for as long as the test takes.
func (s *Server) keep(command ...string) {
	s.t.Helper()
	cmd := s.home.command("/bin/sh", append([]string{"-c", keep, s.home.dir}, command...)...)
	var err error
	if s.orders, err = cmd.StdinPipe(); err == nil {
		var replies io.Reader
		replies, err = cmd.StdoutPipe()
		s.replies = bufio.NewReader(replies)
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal("testdb: start a server: ", errors.Join(err, s.home.remove()))
	}
	s.t.Cleanup(func() {
		_ = s.orders.Close()
		_ = cmd.Wait() // the signal that ends a server is not news
	})
	if err := s.home.await(s.ping); err != nil {
		s.t.Fatal("testdb: ", err)
	}
}

// initPostgres makes the files of a PostgreSQL.
func initPostgres() (h home, program, password string, err error) {
	bin, err := postgresPrograms()
	if err != nil {
		return home{}, "", "", err
	}
	if h, err = newHome("jetadmin-pg-"); err != nil {
		return home{}, "", "", err
	}
	password = rand.Text()
	if err = h.write("password", password); err == nil {
		err = h.run(bin.initdb, "--pgdata", h.path("data"), "--username", "jetadmin", "--pwfile", h.path("password"),
			"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	}
	if err != nil {
		return home{}, "", "", errors.Join(err, h.remove())
	}
	return h, bin.postgres, password, nil
}

// postgresArgs start a server that writes to the disk when the system likes: it
// survives the end of its processes, not that of the machine.
func postgresArgs(h home, port string, settings ...string) []string {
	args := []string{"-D", h.path("data"), "-h", "127.0.0.1", "-p", port, "-k", "", "-F",
		"-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB", "-c", "autovacuum=off"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

func redisArgs(h home, port string) []string {
	return []string{"--bind", "127.0.0.1", "--port", port, "--databases", "512", "--save", "", "--appendonly", "no", "--dir", h.dir}
}
