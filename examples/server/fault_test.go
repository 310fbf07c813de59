package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// TestFaults starts the real program where it cannot work: it says why in one
// line and ends with 1, or with 2 when its flags are at fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() }) // not before the parallel tests end
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const closed = "127.0.0.1:1"
	for name, c := range map[string]struct {
		flags []string
		says  string
	}{
		"unknown flag":         {[]string{"-bogus"}, "-bogus"},
		"host without a port":  {[]string{"-allow", "db"}, "host:port"},
		"busy port":            {[]string{"-addr", busy.Addr().String()}, "in use"},
		"no such address":      {[]string{"-addr", "nowhere"}, "-addr"},
		"unwritable folder":    {[]string{"-data", filepath.Join(file, "below")}, file},
		"unreachable database": {[]string{"-postgres", "postgres://somebody:hunter2@" + closed + "/x"}, "-postgres"},
		"malformed DSN":        {[]string{"-postgres", "postgres://somebody:hunter2@:x:"}, "-postgres"},
		"unreachable Redis":    {[]string{"-postgres", "postgres://somebody:hunter2@" + closed + "/x", "-redis", closed}, "-postgres"},
		"Redis alone":          {[]string{"-redis", closed}, "-postgres"},
		"key does not fit":     {[]string{"-data", otherKey(t)}, "key"},
		"broken key":           {[]string{"-data", brokenKey(t)}, "key"},
		"stray argument":       {[]string{"start"}, "start"},
		"watch without token":  {[]string{"-watch", "x"}, tokenVariable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := 1
			if slices.Contains([]string{"Redis alone", "stray argument", "unknown flag"}, name) {
				code = 2
			}
			stderr := fails(t, code, c.flags...)
			if name == "unknown flag" {
				stderr = stderr[:strings.Index(stderr, "\n")+1] // its usage follows
			}
			if strings.Count(stderr, "\n") != 1 || strings.Count(stderr, "refused") > 1 || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "hunter2") {
				t.Errorf("the server says:\n%s", stderr)
			}
		})
	}
}

// fails runs the program, which has to end by itself with an error.
func fails(t *testing.T, code int, flags ...string) string {
	t.Helper()
	command := program(t, append([]string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}, flags...)...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != code || stdout.Len() > 0 {
		t.Errorf("the server ended with %v and said %q", err, stdout.String())
	}
	return stderr.String()
}

// program is the server as a process; it is killed after two minutes.
func program(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, self, flags...)
	command.Env = append(os.Environ(), beServer+"=1", tokenVariable+"=")
	return command
}

// otherKey is a folder with the data of a server and the key of another.
func otherKey(t *testing.T) string {
	t.Helper()
	ours, theirs := t.TempDir(), t.TempDir()
	for _, folder := range []string{ours, theirs} {
		if err := begin(t, "-data", folder, "-demo=false").end(); err != nil {
			t.Fatal(err)
		}
	}
	key, err := os.ReadFile(filepath.Join(theirs, "key"))
	if err != nil {
		t.Fatal(err)
	}
	writeKeyFile(t, ours, key)
	return ours
}

func brokenKey(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	writeKeyFile(t, folder, secret.NewKey())
	return folder
}

func writeKeyFile(t *testing.T, folder string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "key"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
