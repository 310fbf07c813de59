package chaostest

import "syscall"

// onLeash kills a worker together with the test, even while it is paused.
func onLeash() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
