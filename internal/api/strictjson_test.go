package api

import (
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

// T79, T136: what a body costs is in proportion to its size, also when each of
// many small values stands below a long name.
func TestLongNamesCostNoMoreThanTheyAreLong(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("k", 64<<10)
	for what, item := range map[string]string{"sound": "0", "faulty": "1e999", "faulty text": `"\u0000"`} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			const items = 50_000
			body := `{"` + name + `":[` + strings.Repeat(item+",", items) + "0]}"
			var before, after runtime.MemStats
			var f problem.Faults
			runtime.ReadMemStats(&before)
			parseStrict([]byte(body), &f)
			runtime.ReadMemStats(&after)
			// Other tests run meanwhile: the limit is far above what they need, and
			// far below items × the length of the name.
			if made := after.TotalAlloc - before.TotalAlloc; made > 1<<30 {
				t.Errorf("%d MB for a body of %d KB", made>>20, len(body)>>10)
			}
			if n := len(f.List()); n > maxFaults {
				t.Errorf("%d faults", n)
			}
			for _, fault := range f.List() {
				if len(fault.Path) > problem.MaxPath+len("…") {
					t.Fatalf("a path of %d bytes", len(fault.Path))
				}
			}
		})
	}
}
