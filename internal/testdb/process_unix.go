//go:build unix

package testdb

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// giveAway hands the folder to an account that may run PostgreSQL and
// MariaDB, which refuse to run as root.
func (h home) giveAway() error { return giveAway(h.dir) }

func giveAway(path string) error {
	account, err := unprivileged()
	if err != nil || account == nil {
		return err
	}
	return os.Chown(path, int(account.Uid), int(account.Gid))
}

func (h home) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+h.dir)
	// A group of its own: Ctrl-C is for the tests, which then stop the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if account, _ := unprivileged(); account != nil {
		cmd.SysProcAttr.Credential = account
	}
	return cmd
}

// unprivileged is the account for servers when this process is root, else nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root cannot run these servers, and there is no account postgres or nobody")
}
