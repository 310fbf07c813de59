//go:build !unix

package testdb

import (
	"errors"
	"os/exec"
)

func (h home) giveAway() error { return giveAway(h.dir) }

func giveAway(string) error { return errors.New("private servers need a Unix system") }

func (h home) command(program string, args ...string) *exec.Cmd {
	return exec.Command(program, args...)
}
