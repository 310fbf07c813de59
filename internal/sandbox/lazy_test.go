package sandbox_test

import (
	"runtime"
	"testing"
	"time"

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

// What scripts held is given back with their instances, however they ended.
func TestSandboxGivesMemoryBack(t *testing.T) {
	inUse := func() int64 {
		runtime.GC()
		runtime.GC() // what the first one only marked as free
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	alive(t)
	before := inUse()
	for range 10 {
		for source, code := range map[string]string{
			`const a = []; for (;;) a.push(new Uint8Array(1e6))`: "script_memory",
			`globalThis.a = "x".repeat(1e6); throw a`:            "script_failed",
			`globalThis.a = new Uint8Array(1e7); for (;;);`:      "script_timeout",
		} {
			limits := sandbox.Limits{Time: time.Minute, Memory: 32 << 20}
			if code == "script_timeout" {
				limits.Time = 20 * time.Millisecond
			}
			_, err := shared().Run(t.Context(), sandbox.Program{Source: source, Limits: limits})
			refused(t, err, code)
		}
	}
	if kept := inUse() - before; kept > 16<<20 {
		t.Errorf("%d MB are kept after 30 scripts", kept>>20)
	}
}
