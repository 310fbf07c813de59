package testdb

import (
	"bufio"
	"fmt"
	"os/exec"
	"testing"
)

// Node runs a script with node until the test ends, and returns what it says, line
// by line. The script needs a package of npm, which has to be in NODE_PATH: CI
// installs it there, and so does make for you. Without node or the package the
// test is skipped, unless JETADMIN_TEST_REQUIRE names node.
func Node(t testing.TB, needs, script string, args ...string) (said <-chan string) {
	t.Helper()
	node := Program(t, "node")
	if output, err := exec.CommandContext(t.Context(), node, "-e", "require.resolve(process.argv[1])", needs).CombinedOutput(); err != nil {
		without(t, "node", fmt.Errorf("%s is not in NODE_PATH: %w\n%s", needs, err, output))
	}
	command := exec.CommandContext(t.Context(), node, append([]string{script}, args...)...)
	command.Stderr = t.Output()
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	lines := make(chan string, 100)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(lines)
		for text := bufio.NewScanner(output); text.Scan(); {
			select {
			case lines <- text.Text():
			case <-t.Context().Done(): // nobody listens any more
			}
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-read
		_ = command.Wait() // says that it was killed
	})
	return lines
}
