package testdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// programs are the two of PostgreSQL that a private server needs.
type programs struct{ initdb, postgres string }

// postgresPrograms looks in PATH and where Debian puts them, the newest first.
func postgresPrograms() (programs, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) + strings.Compare(b, a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		dirs = slices.Insert(dirs, 0, filepath.Dir(path))
	}
	for _, dir := range dirs {
		p := programs{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
		if isFile(p.initdb) && isFile(p.postgres) {
			return p, nil
		}
	}
	return programs{}, errors.New("initdb and postgres are not installed, and JETADMIN_TEST_POSTGRES is not set")
}

// sbin finds a program in PATH or where Debian puts those of servers, which is not
// in the PATH of everybody.
func sbin(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// home is the folder of a private server. It is removed with the server.
type home struct{ dir string }

func newHome(prefix string) (home, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return home{}, err
	}
	h := home{dir}
	if err := h.giveAway(); err != nil {
		return home{}, errors.Join(err, h.remove())
	}
	return h, nil
}

func (h home) path(name string) string { return filepath.Join(h.dir, name) }

func (h home) write(name, content string) error {
	return os.WriteFile(h.path(name), []byte(content), 0o644)
}

func (h home) remove() error { return os.RemoveAll(h.dir) }

// watch keeps a server for as long as its standard input is open, so that the
// server also ends when the test binary is killed.
const watch = `signal=$1; shift; "$@" </dev/null & pid=$!; cat >/dev/null; kill -s "$signal" "$pid"; wait "$pid"; rm -rf "$0"`

// start runs a server until stop is called, which sends it the signal that ends it
// whoever is connected.
func (h home) start(signal, program string, args ...string) (stop func(), err error) {
	log, err := os.Create(h.path("log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := h.command("/bin/sh", append([]string{"-c", watch, h.dir, signal, program}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = leash.Close()
		_ = cmd.Wait() // the signal that ends a server is not news
	}, nil
}

func (h home) run(program string, args ...string) error {
	out, err := h.command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// await tries until a server answers; its log is in the error if it does not.
func (h home) await(ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(h.path("log"))
			return fmt.Errorf("the private server does not answer: %w\n%s", err, log)
		}
	}
}
