//go:build unix && !linux

package chaostest

import "syscall"

// onLeash leaves it to the worker to notice that its standard input has ended.
func onLeash() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
