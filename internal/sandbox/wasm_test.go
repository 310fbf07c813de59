package sandbox_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The engine in the repository is the one that was fetched: quickjs/refresh.sh
// notes its checksum.
func TestSandboxEngineIsTheOneFromNPM(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("quickjs/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(sums)) {
		want, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		b, err := os.ReadFile("quickjs/" + name)
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); !ok || err != nil || got != want {
			t.Errorf("%s: %s, %v", line, got, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d files have a checksum", n)
	}
}
