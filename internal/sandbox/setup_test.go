package sandbox_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// shared is one pool for the tests that only run scripts in it: what one of
// them does must not be seen by another anyway.
var shared = sync.OnceValue(func() *sandbox.Pool {
	p, err := sandbox.New(sandbox.Config{})
	if err != nil {
		panic(err)
	}
	return p
})

// run runs a script with an input, and gives its result as text.
func run(t *testing.T, source string, input any) (string, error) {
	t.Helper()
	out, err := shared().Run(t.Context(), sandbox.Program{Source: source, Input: input, Limits: sandbox.Limits{Time: sandbox.MaxTime}})
	return string(out), err
}

// result is that of a script that must succeed.
func result(t *testing.T, source string, input any) string {
	t.Helper()
	out, err := run(t, source, input)
	if err != nil {
		t.Errorf("%s\nfailed: %v", source, err)
	}
	return out
}

// refused checks the code of a failure, and returns it.
func refused(t *testing.T, err error, code string) *problem.Error {
	t.Helper()
	p := problem.Of(err)
	if p == nil || p.Code != code {
		t.Fatalf("want %s, got %v", code, err)
	}
	return p
}

// alive checks that the pool still does its work.
func alive(t *testing.T) {
	t.Helper()
	if got := result(t, "return input + 1", 41); got != "42" {
		t.Errorf("the next script gave %s", got)
	}
}

// printed collects messages.
type printed struct{ lines []string }

func (p *printed) log(level slog.Level, message string) {
	p.lines = append(p.lines, strings.ToLower(level.String())+" "+message)
}
