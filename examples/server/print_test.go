package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPrintedCommandsWork starts the program, pastes what it prints into a shell
// and stops it like Ctrl-C does.
func TestPrintedCommandsWork(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs " + tool)
		}
	}
	server := program(t, "-addr", "127.0.0.1:0", "-data", t.TempDir())
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	for s := bufio.NewScanner(stdout); s.Scan(); {
		if strings.HasPrefix(s.Text(), "# sign in") || commands.Len() > 0 {
			commands.WriteString(s.Text() + "\n")
		}
		if strings.HasPrefix(s.Text(), "curl -s $API/runs/$RUN") {
			break // the last one
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// What "go run" would build is at hand.
	pasted := strings.ReplaceAll(commands.String(), "go run ./examples/server", beServer+"=1 "+self)
	output, err := exec.CommandContext(t.Context(), "bash", "-eu", "-c", pasted).CombinedOutput()
	if err != nil {
		t.Errorf("the commands fail: %v", err)
	}
	for _, want := range []string{`"customer"`, "\nrun 0", "run              succeeded", `"largest":`} {
		if !strings.Contains(string(output), want) {
			t.Errorf("no %q in the output", want)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", pasted, output)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server stopped with %v", err)
	}
}
