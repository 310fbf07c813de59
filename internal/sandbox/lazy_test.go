package sandbox_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/internal/sandbox"
)

// A server that runs no scripts does not pay for the engine: compiling it takes
// tens of thousands of allocations and a third of a second. No other test may
// run meanwhile, so this one is not parallel.
func TestSandboxCompilesNothingBeforeTheFirstScript(t *testing.T) {
	n := testing.AllocsPerRun(10, func() {
		p, err := sandbox.New(sandbox.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if n > 20 {
		t.Errorf("a pool that runs nothing makes %v allocations", n)
	}
}
